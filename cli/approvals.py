"""`approvals`, `approve` and `reject`: messages that a person has to read before they go."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer

from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.people import store_zone
from cli.run import Run, execute, require_terminal
from reports.approvals import approvals_of, template_mirror, waiting_message
from reports.documents import ApprovalsDocument, DecisionDocument, WaitingMessage
from reports.wording import local_time
from storage.approvals import waiting_send
from storage.engine import Database
from storage.stores import StoreParts

if TYPE_CHECKING:
    from gateway.decisions import Desk, Wanted

MessageId = Annotated[
    str, typer.Argument(metavar="ID", help="The message with the text that you have read, as `approvals` lists it.")
]

_ID: Final = re.compile(r"(?P<send>[1-9]\d{0,17})(?:\.(?P<revision>\d{1,9}))?", re.ASCII)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("approvals")(approvals)
    app.command("approve")(approve)
    app.command("reject")(reject)


def approvals(
    *,
    after: Annotated[int, typer.Option(min=0, help="Only those after this number: `next` of the answer before.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """List the messages that wait for a person, oldest first, with what they say and until when they wait."""
    return execute(lambda run: _approvals(run, after, limit), as_json=as_json, store=store, debug=debug)


def approve(
    message: MessageId,
    *,
    text: Annotated[str | None, typer.Option("--text", help="Goes instead of the text that waits.")] = None,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Let a waiting message go: at once, or when the sending hours begin. Purchases are checked again before.

    `12.1` approves the first text of message 12 and nothing else; `12` shows what it says now and asks.
    """
    return execute(lambda run: _approve(run, message, text, yes=yes), as_json=as_json, store=store, debug=debug)


def reject(message: MessageId, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """Do not send a waiting message: the customer's passage through the journey ends with `rejected`."""
    return execute(lambda run: _reject(run, message), as_json=as_json, store=store, debug=debug)


async def _approvals(run: Run, after: int, limit: int) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            document = await approvals_of(session, parts, after=after, limit=limit, now=run.clock())
    run.output.document(document)
    _show(run, document, store_zone(parts))
    return DONE


def _show(run: Run, document: ApprovalsDocument, zone: ZoneInfo) -> None:
    if not document.waiting:
        run.output.line("No message waits for approval.")
        return
    for one in document.waiting:
        _show_one(run, one, zone)
    run.output.line(
        "\n`approve ID` sends one, `approve ID --text T` sends something else, `reject ID` ends the journey."
    )
    if document.next is not None:
        run.output.line(f"There are more: `approvals --after {document.next}`.")


def _show_one(run: Run, one: WaitingMessage, zone: ZoneInfo) -> None:
    whom = f"{one.customer.first_name or '(no name)'}, {one.customer.phone or 'no phone'}"
    run.output.line(f"\n{one.approval_id}  {one.journey}, message {one.stage}, to {whom}", style="bold")
    run.output.line(f"    {one.text or '(nothing: the 24-hour window has closed, and there is no template)'}")
    if one.text_later is not None:
        run.output.line(f"    once the 24-hour window is closed: {one.text_later}")
    if one.expires_at is not None:
        run.output.line(f"    waits until {local_time(one.expires_at, zone)}")


async def _approve(run: Run, written: str, text: str | None, *, yes: bool) -> int:
    send_id, revision = _read(written)
    unread = revision is None and text is None
    if unread:
        require_terminal(yes=yes)
    async with run.database() as database:
        parts = await run.store(database)
        if unread and not yes:
            shown = await _waiting(run, database, parts, send_id)
            _show_one(run, shown, store_zone(parts))
            if not run.confirm("Send this?"):
                raise Failure("declined; nothing was changed")
            revision = shown.revision
        async with _desk(run, database, parts) as desk:
            decided = await desk.approve(_wanted(send_id, revision), text=text)
    return _tell(run, decided, "approved: it is sent now, or when the sending hours begin")


async def _reject(run: Run, written: str) -> int:
    send_id, revision = _read(written)
    async with run.database() as database:
        parts = await run.store(database)
        async with _desk(run, database, parts) as desk:
            decided = await desk.reject(_wanted(send_id, revision))
    return _tell(run, decided, "rejected: it is not sent, and the journey ends for this customer")


def _tell(run: Run, decided: DecisionDocument, words: str) -> int:
    run.output.document(decided)
    run.output.line(f"{decided.send_id}.{decided.revision} is {words}")
    return DONE


def _read(written: str) -> tuple[int, int | None]:
    match = _ID.fullmatch(written)
    if match is None:
        raise Failure("this is no message's id; `approvals` lists them, such as 12.1", code=USAGE)
    return int(match["send"]), int(match["revision"]) if match["revision"] is not None else None


async def _waiting(run: Run, database: Database, parts: StoreParts, send_id: int) -> WaitingMessage:
    async with database.read() as session:
        found = await waiting_send(session, parts.id, send_id)
        if found is None:
            raise Failure(
                f"message {send_id} does not wait for approval; `approvals` lists those that do", code=NOT_FOUND
            )
        return waiting_message(found, await template_mirror(session, parts), now=run.clock())


def _wanted(send_id: int, revision: int | None) -> "Wanted":
    from gateway.decisions import Wanted  # noqa: PLC0415 - listing what waits must not wait for Temporal's libraries

    return Wanted(send_id, revision)


@asynccontextmanager
async def _desk(run: Run, database: Database, parts: StoreParts) -> AsyncIterator["Desk"]:
    """Where the store decides; what does not work out becomes the command's failure."""
    from activities.rewriting import TextRefusedError  # noqa: PLC0415 - slow to load, and only for a decision
    from composition import connect  # noqa: PLC0415 - as above
    from gateway import decisions  # noqa: PLC0415 - as above

    try:
        yield decisions.Desk(database, await connect(), parts.id, run.clock)
    except decisions.NoSuchMessageError:
        raise Failure(f"{parts.store.slug} has no such message", code=NOT_FOUND) from None
    except decisions.NotWaitingError:
        raise Failure("the message does not wait for a decision any more; `status` tells what became of it") from None
    except decisions.HasChangedError as changed:
        raise Failure(f"{changed}; `approvals` shows it") from None
    except TextRefusedError as refused:
        raise Failure(*(fault.full for fault in refused.faults)) from None
    except decisions.NoAnswerError:
        raise Failure(
            "Temporal or its worker does not answer, so nothing is decided yet; look with `approvals`, and try again"
        ) from None
