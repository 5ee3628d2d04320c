"""`customers erase | export`: forgetting a person, and telling one what is stored; and who still waits for either."""

import asyncio
import json
import os
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from cli.checks import Check
from cli.customer_documents import EraseDocument, ExportDocument
from cli.documents import Finding
from cli.failures import DONE, NOT_FOUND, REFUSED, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.people import read_phone
from cli.run import UNDELIVERED, Run, execute, require_terminal
from models.enums import PrivacyRequestKind
from models.tables import Customer
from policies.phones import mask_phone
from storage.engine import Database
from storage.erasure import erase_person
from storage.lookup import find_by_shop_id, find_person
from storage.personal_data import everything_about
from storage.privacy import TERM, answered, open_requests, who_asked
from storage.stores import StoreParts, required_id, suppression_key

_SHOWN: Final = 5
_LONGEST_NUMBER: Final = 64
_WHO: Final = "The number, written in any way; or # and the shop's number of the customer."


def erase_customer(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help=_WHO)],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Erase a person for good: name, phone, chats, drafts, raw webhooks. A keyed hash keeps them from coming back."""
    return execute(lambda run: _erase(run, phone, yes=yes), as_json=as_json, store=store, debug=debug)


def export_customer(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help=_WHO)],
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where the JSON goes; only its owner may read it.")
    ],
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Write everything that is stored about a person to a file, which answers their request for it."""
    return execute(lambda run: _export(run, phone, out), as_json=as_json, store=store, debug=debug)


async def _erase(run: Run, written: str, *, yes: bool) -> int:
    require_terminal(yes=yes)
    async with run.database() as database:
        parts = await run.store(database)
        external_id, phone = _named(written, parts)
        key = suppression_key(parts.store, run.cipher)
        shown = mask_phone(phone) if phone is not None else written
        if not yes and not run.confirm(f"Erase everything about {shown}? This cannot be taken back"):
            raise Failure("nothing was erased", code=REFUSED)
        async with database.write() as session:
            known = await _find(session, parts, external_id, phone) is not None
            await erase_person(
                session, parts.id, external_id=external_id, phone=phone, suppression_key=key, now=run.clock()
            )
        from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

        delivered = await deliver(database, run.clock)
    run.output.document(EraseDocument(store=parts.store.slug, phone=shown, known=known, delivered=delivered))
    who = shown if known else f"{shown} (no customer)"
    run.output.line(f"{who} is erased at {parts.store.slug}, and is never written to again")
    if not delivered:
        run.output.note(UNDELIVERED)
    return DONE


async def _export(run: Run, written: str, out: Path) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        external_id, phone = _named(written, parts)
        shown = mask_phone(phone) if phone is not None else written
        async with database.read() as session:
            customer = await _find(session, parts, external_id, phone)
            if customer is None:
                raise Failure(f"{parts.store.slug} has no customer {shown}", code=NOT_FOUND)
            found = await everything_about(session, customer)
        content = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
        try:
            await asyncio.to_thread(_write_private, out, content)
        except OSError as error:
            raise Failure(f"{out} cannot be written: {error.strerror}") from None
        async with database.write() as session:
            fulfilled = await answered(session, required_id(customer.id), now=run.clock())
    rows = sum(len(one) for one in found.values())
    run.output.document(
        ExportDocument(store=parts.store.slug, phone=shown, file=str(out), rows=rows, requests_fulfilled=fulfilled)
    )
    met = f"; {fulfilled} open request(s) met" if fulfilled else ""
    run.output.line(f"{rows} rows about {shown} are in {out}{met}")
    return DONE


def _write_private(path: Path, content: str) -> None:
    """Only its owner may read it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # A file that was there already keeps its own mode.
        os.fchmod(file.fileno(), 0o600)
        file.write(content)


def _named(written: str, parts: StoreParts) -> tuple[str | None, str | None]:
    """The shop's number of the customer, or the phone in E.164."""
    if written.startswith("#"):
        number = written.removeprefix("#").strip()
        if not 0 < len(number) <= _LONGEST_NUMBER:
            raise Failure("write the shop's number of the customer after the #", code=USAGE)
        return number, None
    return None, read_phone(written, parts)


async def _find(
    session: AsyncSession, parts: StoreParts, external_id: str | None, phone: str | None
) -> Customer | None:
    if external_id is not None:
        return await find_by_shop_id(session, parts.id, external_id)
    return await find_person(session, parts.id, phone) if phone is not None else None


async def privacy_findings(run: Run, database: Database, parts: StoreParts) -> list[Finding]:
    """Requests of people, and of a shop that leaves, that are not met yet."""
    async with database.read() as session:
        waiting = await open_requests(session, parts.id)
        asked = [one for one in waiting if one.kind is PrivacyRequestKind.DATA_REQUEST]
        numbers = await who_asked(session, asked)
    findings = []
    if asked:
        due = asked[0].received_at + TERM
        text = f"{len(asked)} request(s) for stored data are open, the oldest until {due:%Y-%m-%d}"
        named = " ".join(f"'#{number}'" for number in numbers[:_SHOWN])
        advice = f"`customers export '#NUMBER' --out FILE` answers one; asked for by {named}"
        late = due <= run.clock()
        state: Literal["fault", "warning"] = "fault" if late else "warning"
        findings.append(Finding(check=Check.PRIVACY, subject="privacy", state=state, text=text, advice=advice))
    if any(one.kind is PrivacyRequestKind.SHOP_REDACT for one in waiting):
        text = "the shop asked for everything to be erased, and not everything is yet"
        advice = "let a worker run: the store's upkeep goes on with it"
        findings.append(Finding(check=Check.PRIVACY, subject="privacy", state="warning", text=text, advice=advice))
    return findings
