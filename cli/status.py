"""`status`: what support asks with a customer on the telephone, answered from the database alone."""

from typing import Annotated

import typer

from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.passages import show_enrollment
from cli.people import (
    read_phone,
    show_answer,
    show_customer,
    show_decisions,
    show_reviews,
    show_verdict,
    store_zone,
    stranger,
)
from cli.run import Run, execute
from models.enums import HoldReason
from reports.answers import stranger_answer
from reports.dossiers import Asking
from reports.senders import in_words
from reports.status import status_of
from storage.lookup import customer_of_workflow, find_person
from storage.stores import suppression_key

_OF_THE_NUMBER = (HoldReason.PORTFOLIO_LIMIT, HoldReason.SENDER_PAUSED)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    phone: Annotated[str | None, typer.Argument(metavar="PHONE", help="The number, written in any way.")] = None,
    *,
    workflow_id: Annotated[str | None, typer.Option("--workflow-id", help="Instead of the number.")] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """What a customer is in, what happens next, and everything so far; for one who never entered, why not."""
    return execute(lambda run: _status(run, phone, workflow_id), as_json=as_json, store=store, debug=debug)


async def _status(run: Run, phone: str | None, workflow_id: str | None) -> int:
    if (phone is None) == (workflow_id is None):
        raise Failure("say whom: a PHONE, or --workflow-id ID", code=USAGE)
    async with run.database() as database:
        parts = await run.store(database)
        key = suppression_key(parts.store, run.cipher)
        async with database.read() as session:
            if phone is not None:
                number = read_phone(phone, parts)
                found = await find_person(session, parts.id, number)
                if found is None:
                    raise stranger(await stranger_answer(session, parts, number, suppression_key=key, shop_asked=None))
            else:
                found = await customer_of_workflow(session, parts.id, workflow_id or "")
                if found is None:
                    raise Failure(
                        f"{parts.store.slug} has no journey with the workflow id {workflow_id}", code=NOT_FOUND
                    )
            zone = store_zone(parts)
            document = await status_of(session, Asking(parts, key, zone, run.clock()), found)
    run.output.document(document)
    for one in document.answers:
        show_answer(run.output, one.answer, one.journey)
    if document.answers:
        run.output.line()
    show_customer(run.output, document.customer)
    for enrollment in document.enrollments:
        show_enrollment(run.output, enrollment, zone)
    if any(view.hold is not None and view.hold.reason in _OF_THE_NUMBER for view in document.enrollments):
        run.output.line(f"\nThe number: {in_words(document.sender)}")
    for waits in document.paced:
        run.output.line(f"\n{waits.journey}: waits for {waits.day:%a %Y-%m-%d}, when the rules are asked again")
    if not document.enrollments:
        run.output.line("\nThis customer has never entered a journey.")
    if not document.enrollments or document.why_not:
        run.output.line()
        show_decisions(run.output, parts, document.decisions)
    show_reviews(run.output, parts, document.reviews)
    for rules in document.why_not:
        run.output.line()
        show_verdict(run.output, rules)
    for pending in document.pending:
        run.output.line(f"\n{pending.journey}: takes nobody yet, it waits for {pending.waits_for}")
    return DONE
