"""`sends list | settle`: messages by what became of them, and a person's word where WhatsApp gives none."""

import getpass
from datetime import date, datetime, time
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cli.checks import Check
from cli.documents import Finding
from cli.failures import DONE, NOT_FOUND, REFUSED, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.people import store_zone
from cli.run import UNDELIVERED, Run, execute
from models.enums import SendState
from reports.sends import SendLine, SettledDocument, send_line, sends_of
from reports.wording import SENDS, SETTLE_ADVICE, local_time
from storage.engine import LARGEST_ID, Database
from storage.journeys import find_journey
from storage.settling import (
    UNSETTLED,
    NotOpenError,
    UnknownSendError,
    count_parked,
    list_sends,
    settle_by_staff,
)
from storage.stores import StoreParts, required_id

_DAY = "%Y-%m-%d"
_LONGEST_NAME = 80
_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    family.command("list")(show)
    family.command("settle")(settle)
    app.add_typer(family, name="sends", help="Messages by what became of them; settle one of which nobody knows.")


def show(
    journey: Annotated[str | None, typer.Argument(metavar="[JOURNEY]", help="Only this one's.")] = None,
    *,
    state: Annotated[
        list[SendState] | None,
        typer.Option("--state", help="Repeatable; parked and unknown, of which nobody knows, if left out."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=[_DAY], help="First day of the last attempt, in store time.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--to", formats=[_DAY], help="The day after the last one, in store time.")
    ] = None,
    after: Annotated[int, typer.Option("--after", min=0, max=LARGEST_ID, help="Only messages with a higher id.")] = 0,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 100,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """List messages by what became of them: those of which nobody knows whether they went, unless told otherwise."""
    days = (since.date() if since is not None else None, until.date() if until is not None else None)
    states = tuple(state or UNSETTLED)
    return execute(
        lambda run: _list(run, journey, states=states, days=days, after=after, limit=limit),
        as_json=as_json,
        store=store,
        debug=debug,
    )


def settle(
    name: Annotated[str, typer.Argument(metavar="ID", help="The message's id, or its attempt's.")],
    *,
    sent: Annotated[
        bool | None,
        typer.Option("--sent/--not-sent", help="Whether the customer has it.", show_default=False),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who says so; you, if left out.")] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Say whether a message was sent of which nobody knows; who said so and when is kept.

    A journey that still waits to hear it goes on at once: with the next stage, or with a further attempt. Of a parked
    message the stage is over either way.
    """
    return execute(lambda run: _settle(run, name, sent=sent, by=by), as_json=as_json, store=store, debug=debug)


async def _list(
    run: Run,
    journey: str | None,
    *,
    states: tuple[SendState, ...],
    days: tuple[date | None, date | None],
    after: int,
    limit: int,
) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        zone = store_zone(parts)
        async with database.read() as session:
            journey_id = None
            if journey is not None:
                journey_id = required_id((await find_journey(session, parts.id, journey)).id)
            document = await sends_of(
                session,
                parts,
                states=states,
                journey_id=journey_id,
                since=_midnight(days[0], zone),
                until=_midnight(days[1], zone),
                after=after,
                limit=limit,
            )
    run.output.document(document)
    if not document.sends:
        run.output.line(f"{parts.store.slug} has no message that is {' or '.join(_words(states))}")
        return DONE
    run.output.table(
        ["id#", "journey", "message#", "customer", "state", "tried", "attempt", ""],
        [_row(one, zone) for one in document.sends],
    )
    if document.next is not None:
        run.output.note(f"there are more: --after {document.next}")
    if any(one.can_settle for one in document.sends):
        run.output.note(SETTLE_ADVICE)
    return DONE


async def _settle(run: Run, name: str, *, sent: bool | None, by: str | None) -> int:
    if sent is None:
        raise Failure("say what became of it: --sent or --not-sent", code=USAGE)
    who = (by if by is not None else _user()).strip()
    if not who or len(who) > _LONGEST_NAME or not who.isprintable():
        raise Failure(f"--by has 1 to {_LONGEST_NAME} printable characters", code=USAGE)
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                settled = await settle_by_staff(session, parts.id, name, sent=sent, by=who, now=run.clock())
            except UnknownSendError:
                raise Failure(f"{parts.store.slug} has no message {name}", code=NOT_FOUND) from None
            except NotOpenError as reason:
                raise Failure(f"message {name} cannot be settled: {reason}", code=REFUSED) from None
            line = send_line(settled)
        from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

        delivered = await deliver(database, run.clock)
    run.output.document(
        SettledDocument(store=parts.store.slug, settled="sent" if sent else "not_sent", send=line, delivered=delivered)
    )
    run.output.line(f"message {line.send_id} counts as {'sent' if sent else 'not sent'}, by the word of {who}")
    if not delivered:
        run.output.note(UNDELIVERED)
    return DONE


async def parked_findings(database: Database, parts: StoreParts) -> list[Finding]:
    """Messages of which nobody will know unless somebody says so."""
    async with database.read() as session:
        count = await count_parked(session, parts.id)
        first = await list_sends(session, parts.id, states=[SendState.PARKED], limit=_SHOWN)
    if not count:
        return []
    named = ", ".join(
        f"{one.send.id} since {one.attempt.claimed_at:%Y-%m-%d %H:%M} UTC" for one in first if one.attempt
    )
    rest = f", and {count - len(first)} more" if count > len(first) else ""
    text = f"WhatsApp has not said whether {count} message(s) were sent: {named}{rest}"
    return [Finding(check=Check.PARKED, subject="parked messages", state="warning", text=text, advice=SETTLE_ADVICE)]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "command line"


def _midnight(day: date | None, zone: ZoneInfo) -> datetime | None:
    return datetime.combine(day, time.min, zone) if day is not None else None


def _words(states: tuple[SendState, ...]) -> list[str]:
    return [state.value.replace("_", " ") for state in states]


def _row(one: SendLine, zone: ZoneInfo) -> list[str]:
    said = f"by the word of {one.settled_by}" if one.settled_by is not None else ""
    code = f"code {one.error_code}" if one.error_code is not None else ""
    return [
        str(one.send_id),
        one.journey,
        str(one.stage),
        one.customer.phone or "no phone",
        SENDS[one.state],
        local_time(one.attempted_at, zone) if one.attempted_at is not None else "",
        one.attempt_id or "",
        said or code,
    ]
