"""`status`: what support asks with a customer on the telephone, answered from the database alone."""

from typing import Annotated

import typer

from cli.documents import PacedView, StatusDocument
from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.passages import enrollment_view, show_enrollment
from cli.people import (
    customer_view,
    decision_views,
    known_person,
    read_phone,
    show_customer,
    show_decisions,
    show_verdict,
    verdict,
)
from cli.run import Run, execute
from models.enums import EventKind
from policies.zones import zone_or_none
from storage.lookup import active_journeys, customer_of_workflow, decisions_about, paced_of, passages, texts_of
from storage.stores import required_id
from storage.templates import templates_of


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
        async with database.read() as session:
            if phone is not None:
                customer = await known_person(session, parts, read_phone(phone, parts))
            else:
                found = await customer_of_workflow(session, parts.id, workflow_id or "")
                if found is None:
                    raise Failure(
                        f"{parts.store.slug} has no journey with the workflow id {workflow_id}", code=NOT_FOUND
                    )
                customer = found
            customer_id = required_id(customer.id)
            story = await passages(session, customer_id)
            mirror = {(one.name, one.language): one for one in await templates_of(session, parts.number.waba_id)}
            heard = [event for one in story for event in one.events if event.kind is EventKind.CUSTOMER_REPLIED]
            texts = await texts_of(session, heard)
            zone = zone_or_none(parts.store.time_zone)
            if zone is None:
                raise Failure(f"the store's time zone {parts.store.time_zone!r} is unknown on this machine")
            verdicts = []
            if all(one.enrollment.closed_at is not None for one in story):
                verdicts = [
                    await verdict(run, session, parts, journey, definition, customer, now=run.clock())
                    for journey, definition in await active_journeys(session, parts.id)
                ]
            document = StatusDocument(
                store=parts.store.slug,
                customer=customer_view(customer),
                enrollments=[enrollment_view(one, mirror, texts, zone) for one in story],
                paced=[PacedView(journey=name, day=row.day) for name, row in await paced_of(session, customer_id)],
                decisions=decision_views(await decisions_about(session, customer_id)),
                why_not=verdicts,
            )
    run.output.document(document)
    show_customer(run.output, document.customer)
    for enrollment in document.enrollments:
        show_enrollment(run.output, enrollment, zone)
    for waits in document.paced:
        run.output.line(f"\n{waits.journey}: waits for {waits.day:%a %Y-%m-%d}, when the rules are asked again")
    if not document.enrollments:
        run.output.line("\nThis customer has never entered a journey.")
    if not document.enrollments or document.why_not:
        run.output.line()
        show_decisions(run.output, parts, document.decisions)
    for one in document.why_not:
        run.output.line()
        show_verdict(run.output, one)
    return DONE
