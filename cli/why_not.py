"""`why-not`: the one answer for a customer and a journey, and every entry rule on what the shop says now."""

from typing import Annotated

import typer

from cli.connections import shop_access
from cli.failures import DONE, NOT_FOUND, Failure, provider_line
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
from composition import providers_from
from models.tables import Customer
from reports.answers import stranger_answer
from reports.dossiers import Asking
from reports.why_not import why_not_of
from storage.customers import upsert_people
from storage.diagnosis import asked_journey
from storage.engine import Database
from storage.journeys import find_journey
from storage.lookup import find_person
from storage.stores import StoreParts, suppression_key


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("why-not")(why_not)


def why_not(
    journey: Annotated[str, typer.Argument(metavar="JOURNEY", help="The journey's name.")],
    phone: Annotated[str, typer.Argument(metavar="PHONE", help="The number, written in any way.")],
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Why a customer did, or did not, get a message of a journey: the answer, then every rule and what is on record."""
    return execute(lambda run: _why_not(run, journey, phone), as_json=as_json, store=store, debug=debug)


async def _why_not(run: Run, name: str, written: str) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        phone = read_phone(written, parts)
        zone, key = store_zone(parts), suppression_key(parts.store, run.cipher)
        async with database.read() as session:
            journey = await find_journey(session, parts.id, name)
            asked = await asked_journey(session, journey)
            was_known = await find_person(session, parts.id, phone) is not None
        if asked is None:
            raise Failure(f"the journey {name} has no version yet", code=NOT_FOUND)
        refreshed = await _refresh(run, database, parts, phone)
        async with database.read() as session:
            customer = await find_person(session, parts.id, phone)
            if customer is None:
                raise stranger(await stranger_answer(session, parts, phone, suppression_key=key, shop_asked=refreshed))
            asking = Asking(parts, key, zone, run.clock())
            document = await why_not_of(
                session, asking, asked, customer, refreshed=refreshed, newly_known=not was_known
            )
    run.output.document(document)
    show_answer(run.output, document.answer)
    run.output.line()
    show_customer(run.output, document.customer)
    for enrollment in document.enrollments:
        show_enrollment(run.output, enrollment, zone)
    run.output.line()
    show_verdict(run.output, document.verdict)
    show_decisions(run.output, parts, document.decisions)
    show_reviews(run.output, parts, document.reviews)
    return DONE


async def _refresh(run: Run, database: Database, parts: StoreParts, phone: str) -> bool:
    """Bring the customer up to date from the shop; says so on stderr where the shop cannot be asked."""
    from activities.people import person_of  # noqa: PLC0415 - slow to load; the checks before it need none of it
    from providers.errors import ProviderError  # noqa: PLC0415 - as above

    async with database.read() as session:
        known: Customer | None = await find_person(session, parts.id, phone)
    access = shop_access(run, parts)
    try:
        async with providers_from(run.settings) as providers:
            if known is not None and (known.external_id or "").isdigit():
                found = await providers.shopify.customers(access, [int(known.external_id or "")])
            else:
                one = await providers.shopify.customer_by_phone(access, phone)
                found = [one] if one is not None else []
    except ProviderError as error:
        run.output.note(f"the shop was not asked for the latest: {provider_line(error)}")
        return False
    async with database.write() as session:
        people = [person_of(person, parts.store.default_region) for person in found]
        await upsert_people(session, parts.id, people, now=run.clock())
    return True
