"""`customers import | opt-out | erase | export`: who there is beyond what the shop tells, and what they may ask."""

from pathlib import Path
from typing import Annotated

import typer

from cli.customer_documents import ImportDocument, OptOutDocument
from cli.customers_file import CustomersFile, read_customers
from cli.failures import DONE, REFUSED
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.people import read_phone
from cli.privacy import erase_customer, export_customer
from cli.run import UNDELIVERED, Run, execute
from policies.phones import mask_phone, suppression_hash
from storage.customers import ShopPerson, SuppressionReason, lock_customer, suppress, suppressed, upsert_people
from storage.engine import Database
from storage.lookup import find_person
from storage.opt_outs import OptOutSource, opt_out
from storage.stores import StoreParts, required_id, suppression_key

_AT_ONCE = 500


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    family.command("import")(import_customers)
    family.command("opt-out")(record_opt_out)
    family.command("erase")(erase_customer)
    family.command("export")(export_customer)
    app.add_typer(family, name="customers", help="Import customers, opt one out, erase one, export what is stored.")


def import_customers(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with customer_id, phone, and more.")],
    *,
    skip_bad_rows: Annotated[bool, typer.Option("--skip-bad-rows", help="Go on without them.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Import customers from a CSV: customer_id, phone, and optionally first_name, language, consent, consent_at.

    Every row that cannot be used is listed, and nothing is imported unless --skip-bad-rows says so. Numbers on the
    suppression list are left out. Consent lifts a stop only with a consent_at that is newer.
    """
    return execute(
        lambda run: _import(run, file, skip_bad_rows=skip_bad_rows), as_json=as_json, store=store, debug=debug
    )


def record_opt_out(
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="The number, written in any way.")],
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Take a customer out of all marketing until they consent anew; a journey that runs ends at once."""
    return execute(lambda run: _opt_out(run, phone), as_json=as_json, store=store, debug=debug)


async def _import(run: Run, file: Path, *, skip_bad_rows: bool) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        found = read_customers(file, default_region=parts.store.default_region, now=run.clock())
        for bad in found.bad_rows:
            run.output.note(f"{file}:{bad.line}: {bad.reason}")
        refused = bool(found.bad_rows) and not skip_bad_rows
        imported, left_out = (0, 0) if refused else await _store(run, database, parts, found)
    run.output.document(
        ImportDocument(store=parts.store.slug, imported=imported, suppressed=left_out, bad_rows=found.bad_rows)
    )
    if refused:
        run.output.note(f"{len(found.bad_rows)} rows cannot be used and nothing was imported; --skip-bad-rows goes on")
        return REFUSED
    listed = f", {left_out} left out because they are on the suppression list" if left_out else ""
    run.output.line(f"{imported} customers imported{listed}, {len(found.bad_rows)} rows passed over")
    return DONE


async def _store(run: Run, database: Database, parts: StoreParts, found: CustomersFile) -> tuple[int, int]:
    """One transaction: a cut-off import has imported nobody."""
    key = suppression_key(parts.store, run.cipher)
    kept: list[ShopPerson] = []
    async with database.write() as session:
        for start in range(0, len(found.people), _AT_ONCE):
            page = found.people[start : start + _AT_ONCE]
            hashes = [suppression_hash(person.phone, key) if person.phone is not None else "" for person in page]
            listed = await suppressed(session, parts.id, hashes)
            allowed = [person for person, one in zip(page, hashes, strict=True) if one not in listed]
            await upsert_people(session, parts.id, allowed, now=run.clock())
            kept += allowed
    return len(kept), len(found.people) - len(kept)


async def _opt_out(run: Run, written: str) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        phone = read_phone(written, parts)
        now = run.clock()
        async with database.write() as session:
            known = await find_person(session, parts.id, phone)
            if known is not None:
                customer = await lock_customer(session, required_id(known.id))
                once = f"operator:opt_out:{customer.id}:{now.isoformat()}"
                await opt_out(session, customer, source=OptOutSource.OPERATOR, at=now, received_at=now, dedupe_key=once)
            key = suppression_key(parts.store, run.cipher)
            await suppress(session, parts.id, phone, reason=SuppressionReason.OPT_OUT, key=key, now=now)
        from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

        delivered = await deliver(database, run.clock)
    run.output.document(
        OptOutDocument(store=parts.store.slug, phone=mask_phone(phone), known=known is not None, delivered=delivered)
    )
    who = mask_phone(phone) if known is not None else f"{mask_phone(phone)} (no customer yet)"
    run.output.line(f"{who} gets no more marketing from {parts.store.slug}")
    if not delivered:
        run.output.note(UNDELIVERED)
    return DONE
