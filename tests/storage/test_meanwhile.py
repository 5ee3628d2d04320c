"""What happens while somebody waits for a customer's lock: the customer becomes another one, or is erased.

SQLite has one writer at a time, so these can only be met on PostgreSQL.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import delete
from sqlmodel import col

from models.enums import MessageAuthor, TemplateStatus
from models.money import Money
from models.tables import (
    Checkout,
    Conversation,
    Customer,
    CustomerEvent,
    Journey,
    RecipientWindow,
    Send,
    SendAttempt,
    Template,
    WindowRecipient,
)
from storage.chat_tool import tell_column, tell_messages
from storage.chats import Spoken
from storage.checkouts import CheckoutFacts, apply_checkout
from storage.customers import lock_customer
from storage.engine import Database
from storage.erasure import erase_customer
from storage.ingest import Delivery, lock_customers
from storage.ingest_messages import MessagePiece
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.merging import merge_customers
from storage.number_changes import MovePiece, apply_move, find_movers
from storage.opt_outs import OptOutSource, opt_out
from storage.people import Address, Sighting, resolve
from storage.publishing import publish
from storage.statuses import Report, StatusPiece
from storage.stores import required_id, store_parts
from storage.template_states import locked_template
from tests.worlds import DEFINITION, NOON, PHONE, WABA, World, later, make_world

OTHER = "+447700900124"


async def while_merging(world: World, kept: int, gone: int, waits: Callable[[], Awaitable[object]]) -> None:
    """Merge two customers, and only commit when somebody else is waiting for one of them."""
    async with world.database.write() as session:
        rows = await lock_customers(session, [kept, gone])
        await merge_customers(session, rows[kept], rows[gone], now=NOON)
        task = asyncio.ensure_future(waits())
        await until_somebody_waits(world.database)
    await task


async def until_somebody_waits(database: Database) -> None:
    """Until a transaction stands before a row lock."""
    while True:
        async with database.engine.connect() as connection:
            found = await connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if found.scalar_one():
                return
        await asyncio.sleep(0.01)


async def test_a_reply_is_the_word_of_whoever_the_sender_is_by_then(postgres_database: Database) -> None:
    """It ends the journey of the customer into whom the sender was merged."""
    world = await make_world(postgres_database)
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")
    enrollment = await world.enroll(kept)
    sender = Address(world.store_id, OTHER, None)
    piece = MessagePiece("in:1", sender, world.number_id, "wamid.1", "text", "hi", None, NOON)
    delivery = Delivery("whatsapp", "whatsapp", "key", "{}", NOON, world.store_id)

    async def write() -> None:
        await ingest_whatsapp(world.database, delivery, WhatsAppPieces(people=(piece,)))

    await while_merging(world, kept, gone, write)
    assert (enrollment, "customer_replied") in await world.intents()
    assert {event.customer_id for event in await world.rows(CustomerEvent)} == {kept}


def words(world: World, minutes: int) -> Callable[[], Awaitable[object]]:
    """A text from the first number, so many minutes after noon."""
    sender = Address(world.store_id, PHONE, None)
    piece = MessagePiece("in:1", sender, world.number_id, "wamid.1", "text", "hi", None, later(minutes=minutes))
    delivery = Delivery("whatsapp", "whatsapp", "key", "{}", later(hours=1), world.store_id)
    return lambda: ingest_whatsapp(world.database, delivery, WhatsAppPieces(people=(piece,)))


async def while_moving(world: World, waits: Callable[[], Awaitable[object]]) -> None:
    """Tell of the change from the first number to the other, and only commit when somebody else waits for it."""
    old, new = (Address(world.store_id, phone, None) for phone in (PHONE, OTHER))
    move = MovePiece("move", old, new, later(minutes=10))
    async with world.database.write() as session:
        movers = await find_movers(session, [move])
        customers = await lock_customers(session, movers.ids)
        await apply_move(session, move, movers, customers, now=NOON)
        task = asyncio.ensure_future(waits())
        await until_somebody_waits(world.database)
    await task


@pytest.mark.parametrize(("minutes", "phones"), [(5, {OTHER}), (20, {OTHER, PHONE})])
async def test_a_word_that_waits_for_a_change_of_number_knows_of_it(
    postgres_database: Database, minutes: int, phones: set[str]
) -> None:
    """Written before the change it is the mover's, after it that of whoever has the old number next."""
    world = await make_world(postgres_database)
    customer = await world.customer(external_id="1")
    await while_moving(world, words(world, minutes))
    assert {one.phone for one in await world.rows(Customer)} == phones
    theirs = {event.customer_id == customer for event in await world.rows(CustomerEvent)}
    assert theirs == {minutes < 10}


@pytest.mark.parametrize(("minutes", "phone"), [(5, OTHER), (20, PHONE)])
async def test_nobody_appears_at_a_number_while_a_change_from_there_is_told(
    postgres_database: Database, minutes: int, phone: str
) -> None:
    """Whoever hears from a stranger there waits for the news, and nothing is left of the look-up before it."""
    world = await make_world(postgres_database)
    await while_moving(world, words(world, minutes))
    assert [one.phone for one in await world.rows(Customer)] == [phone]


async def test_a_change_to_a_number_waits_for_the_stranger_who_appears_there(postgres_database: Database) -> None:
    """Who has written from the new number is the customer, though their row was not committed when it was told."""
    world = await make_world(postgres_database)
    customer = await world.customer(external_id="1")
    old, new = (Address(world.store_id, phone, None) for phone in (PHONE, OTHER))
    pieces = WhatsAppPieces(moves=(MovePiece("move", old, new, NOON),))
    delivery = Delivery("whatsapp", "whatsapp", "key", "{}", NOON, world.store_id)
    async with world.database.write() as session:
        await resolve(session, [Sighting(new, NOON)])
        task = asyncio.ensure_future(ingest_whatsapp(world.database, delivery, pieces))
        await until_somebody_waits(world.database)
    await task
    standing = [(one.id, one.phone) for one in await world.rows(Customer) if one.merged_into_id is None]
    assert standing == [(customer, OTHER)]


async def test_an_opt_out_is_of_whoever_stands_by_then(postgres_database: Database) -> None:
    """Who looked the given-up customer up and then waited for the lock has the one who stands."""
    world = await make_world(postgres_database)
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")

    async def stop() -> None:
        async with world.database.write() as session:
            customer = await lock_customer(session, gone)
            source = OptOutSource.OPERATOR
            await opt_out(session, customer, source=source, at=NOON, received_at=NOON, dedupe_key="stop")

    await while_merging(world, kept, gone, stop)
    assert (await world.one(Customer, kept)).opted_out_at == NOON


async def test_a_chat_that_was_joined_with_another_goes_on_there(postgres_database: Database) -> None:
    """The chat tool's word about it is about the joined one."""
    world = await make_world(postgres_database)
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")
    async with world.database.write() as session:
        parts = await store_parts(session, world.store_id)
        for ticket, phone in (("t-1", PHONE), ("t-2", OTHER)):
            said = Spoken(MessageAuthor.AGENT, "text", "hello", NOON, external_id="m-1")
            who = Address(world.store_id, phone, None)
            await tell_messages(session, parts, ticket, [said], who=who, now=NOON)

    async def move() -> None:
        async with world.database.write() as session:
            await tell_column(session, parts, "t-2", "quoted", at=NOON, now=NOON)

    await while_merging(world, kept, gone, move)
    [chat] = await world.rows(Conversation)
    assert (chat.customer_id, chat.board_column) == (kept, "quoted")


async def test_two_words_about_a_strangers_cart_do_not_overtake_each_other(postgres_database: Database) -> None:
    """The older one, read before the newer one was committed, does not replace it."""
    world = await make_world(postgres_database)

    async def told(minutes: int, total: int) -> None:
        async with world.database.write() as session:
            facts = CheckoutFacts("token", "1", NOON, later(minutes=minutes), Money(total, "USD"))
            await apply_checkout(session, world.store_id, None, facts, received_at=later(hours=1), source="shopify")

    await told(1, 100)
    async with world.database.write() as session:
        facts = CheckoutFacts("token", "1", NOON, later(minutes=3), Money(300, "USD"))
        await apply_checkout(session, world.store_id, None, facts, received_at=later(hours=1), source="shopify")
        older = asyncio.ensure_future(told(2, 200))
        await until_somebody_waits(world.database)
    await older
    [cart] = await world.rows(Checkout)
    assert (cart.total_minor, cart.idle_since) == (300, later(minutes=3))


async def test_a_place_that_becomes_free_while_its_customer_is_erased_hinders_nobody(
    postgres_database: Database,
) -> None:
    """Whoever claims lets go of old places under the count's lock, not the customer's: the row may be gone by then."""
    world = await make_world(postgres_database)
    customer_id = await world.customer()
    async with world.database.write() as session:
        window = RecipientWindow(key="portfolio:1", used=1)
        session.add(window)
        await session.flush()
        session.add(
            WindowRecipient(
                window_id=required_id(window.id), recipient="a", at=NOON, kept=False, customer_id=customer_id
            )
        )

    async def erase() -> None:
        async with world.database.write() as other:
            await erase_customer(
                other, await lock_customer(other, customer_id), suppression_key=b"key", now=later(days=2)
            )

    async with world.database.write() as session:
        await session.exec(delete(WindowRecipient).where(col(WindowRecipient.recipient) == "a"))
        erasing = asyncio.ensure_future(erase())
        await until_somebody_waits(world.database)
    await erasing
    assert (await world.one(Customer, customer_id)).erased_at is not None


async def test_two_first_launches_of_one_journey_make_one(postgres_database: Database) -> None:
    """Whoever comes second waits for the first, and finds its journey and its version."""
    world = await make_world(postgres_database)

    async def again() -> int | None:
        async with world.database.write() as other:
            return (await publish(other, world.store_id, DEFINITION, now=NOON))[1].id

    async with world.database.write() as session:
        _, version = await publish(session, world.store_id, DEFINITION, now=NOON)
        second = asyncio.ensure_future(again())
        await until_somebody_waits(world.database)
    assert await second == version.id
    assert len(await world.rows(Journey)) == 1


async def test_failures_lock_what_they_are_about_in_one_order(postgres_database: Database) -> None:
    """Two requests that tell of the same two templates, in whatever order, never wait for each other."""
    world = await make_world(postgres_database)
    pieces = []
    async with world.database.write() as session:
        for name in ("a", "z"):
            session.add(
                Template(waba_id=WABA, name=name, language="en", status=TemplateStatus.APPROVED, synced_at=NOON)
            )
    for number, name in enumerate(("z", "a")):
        attempt = await world.claim(await world.enroll(await world.customer(f"+44770090010{number}")))
        async with world.database.write() as session:
            row = await session.get_one(SendAttempt, attempt)
            (await session.get_one(Send, row.send_id)).template_name = name
        pieces.append(StatusPiece(f"st:{name}", world.number_id, f"wamid.{name}", Report.FAILED, NOON, attempt, 132015))
    delivery = Delivery("whatsapp", "whatsapp", "key", "{}", NOON, world.store_id)
    async with world.database.write() as session:
        await locked_template(session, WABA, "a", "en")
        telling = asyncio.ensure_future(
            ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=tuple(pieces)))
        )
        await until_somebody_waits(world.database)
        await locked_template(session, WABA, "z", "en")
    await telling
    assert {one.status for one in await world.rows(Template)} == {TemplateStatus.PAUSED}
