from datetime import datetime
from typing import Any

import pytest

from models.enums import AttributedBy, ConsentState, EnrollmentState, ExitReason, MessageAuthor, SendState
from models.money import Money
from models.tables import (
    ChatMessage,
    Checkout,
    Conversation,
    ConversationRef,
    Customer,
    CustomerEvent,
    Enrollment,
    Order,
    Send,
    SignalIntent,
)
from storage.chats import Spoken, ensure_conversation, note_message
from storage.conversations import attach, bind_ref, move
from storage.customers import ShopPerson, upsert_people
from storage.events import first_exit_event
from storage.ingest import lock_customers
from storage.ingest_shopify import apply_piece
from storage.lookup import find_person
from storage.merging import merge_customers
from storage.opt_outs import OptOutSource, opt_out
from storage.orders import OrderFacts
from storage.people import Address, Sighting, find_people
from storage.shop_pieces import OrderPiece
from storage.shoppers import Shopper, find_shopper, update_shopper
from tests.worlds import NOON, PHONE, World, later

OTHER = "+447700900124"


async def merge(world: World, kept: int, gone: int) -> None:
    """Make one of two."""
    async with world.database.write() as session:
        rows = await lock_customers(session, [kept, gone])
        await merge_customers(session, rows[kept], rows[gone], now=later(hours=1))


async def say(world: World, customer_id: int, text: str, at: datetime, author: MessageAuthor) -> Conversation:
    """A message in the customer's chat."""
    async with world.database.write() as session:
        await lock_customers(session, [customer_id])
        chat = await ensure_conversation(
            session, store_id=world.store_id, number_id=world.number_id, customer_id=customer_id
        )
        spoken = Spoken(author, "text", text, at, wamid=f"wamid.{text}", external_id=text)
        await note_message(session, chat, spoken, now=later(hours=1))
        return chat


async def buy(world: World, customer_id: str, order_id: str, at: datetime) -> None:
    """An order of the shop's customer."""
    facts = OrderFacts(order_id, at, at, Money(2500, "USD"))
    async with world.database.write() as session:
        piece = OrderPiece(Shopper(world.store_id, customer_id), facts)
        await apply_piece(session, world.store_id, piece, key=order_id, received_at=at)


async def test_everything_goes_over_to_the_kept_customer(world: World) -> None:
    """Orders, carts, chats, sends and enrollments are the kept one's, and the given-up row leads there."""
    kept = await world.customer(external_id="1")
    gone = await world.customer(OTHER, external_id="2", first_name="Ada", wa_user_id="GB.2")
    enrollment = await world.enroll(gone)
    await world.claim(enrollment, state=SendState.ACCEPTED)
    await say(world, gone, "hello", NOON, MessageAuthor.CUSTOMER)
    await buy(world, "2", "1001", later(minutes=5))
    async with world.database.write() as session:
        cart = Checkout(
            store_id=world.store_id,
            customer_id=gone,
            token="c",
            created_at=NOON,
            updated_at=later(minutes=50),
            idle_since=later(minutes=50),
            total_minor=1,
            currency="USD",
        )
        session.add(cart)
    await merge(world, kept, gone)
    for table in (Order, Checkout, Conversation, Send, Enrollment, CustomerEvent):
        assert {one.customer_id for one in await world.rows(table)} == {kept}
    row = await world.one(Customer, kept)
    assert (row.phone, row.first_name, row.wa_user_id) == (PHONE, "Ada", "GB.2")
    assert (row.last_order_external_id, row.last_order_at) == ("1001", later(minutes=5))
    async with world.database.write() as session:
        for who in (Shopper(world.store_id, "2"), Shopper(world.store_id, None, OTHER)):
            found = await find_shopper(session, who)
            assert found is not None
            assert found.id == kept
        by_phone = await find_person(session, world.store_id, OTHER)
        assert by_phone is not None
        assert by_phone.id == kept
        sighting = Sighting(Address(world.store_id, OTHER, None), NOON)
        assert (await find_people(session, [sighting])).ids == {sighting: kept}
        person = ShopPerson("2", OTHER, "Eve", "en", ConsentState.SUBSCRIBED, "import", None)
        assert [one.id for one in await upsert_people(session, world.store_id, [person], now=NOON)] == [kept]
    assert [(one.id, one.phone) for one in await world.rows(Customer)] == [(kept, OTHER), (gone, None)]


async def test_the_given_up_customers_journey_ends_and_the_kept_ones_goes_on(world: World) -> None:
    """One is told `customer_merged`; nothing that happened to the other row ends the kept one's journey."""
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")
    ours = await world.enroll(kept)
    theirs = await world.enroll(gone)
    async with world.database.write() as session:
        rows = await lock_customers(session, [gone])
        await opt_out(
            session,
            rows[gone],
            source=OptOutSource.WHATSAPP_PREFERENCE,
            at=NOON,
            received_at=NOON,
            dedupe_key="stop",
        )
        rows[gone].meta_resume_at = later(minutes=1)
    await merge(world, kept, gone)
    rows_of = {one.id: one for one in await world.rows(Enrollment)}
    assert (rows_of[theirs].state, rows_of[theirs].exit_reason) == (EnrollmentState.CLOSED, ExitReason.UNSUBSCRIBED)
    assert rows_of[ours].state is EnrollmentState.WAITING
    async with world.database.read() as session:
        assert await first_exit_event(session, rows_of[ours]) is None
    told = [one for one in await world.rows(SignalIntent) if one.enrollment_id == ours]
    assert told == []
    last = [one for one in await world.rows(SignalIntent) if one.enrollment_id == theirs][-1]
    assert (last.signal, last.payload["reason"]) == ("stop", "customer_merged")


async def test_a_stop_of_either_is_a_stop_of_both(world: World) -> None:
    """Who has told us to stop under one name is written to under none, and a running journey ends."""
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")
    enrollment = await world.enroll(kept)
    async with world.database.write() as session:
        rows = await lock_customers(session, [gone])
        await opt_out(session, rows[gone], source=OptOutSource.STOP_WORD, at=NOON, received_at=NOON, dedupe_key="stop")
    await merge(world, kept, gone)
    row = await world.one(Customer, kept)
    assert (row.opted_out_at, row.opt_out_source) == (NOON, "stop_word")
    intents = [one for one in await world.rows(SignalIntent) if one.enrollment_id == enrollment]
    assert [(one.signal, one.payload["reason"]) for one in intents] == [("unsubscribed", "unsubscribed")]


async def test_a_purchase_of_either_ends_the_kept_ones_journey(world: World) -> None:
    """An order that the other row placed during it is a purchase, attributed to the message received."""
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")
    enrollment = await world.enroll(kept)
    await world.claim(enrollment, state=SendState.ACCEPTED)
    async with world.database.write() as session:
        send = await lock_send(session, enrollment)
        send.received_at = NOON
    await buy(world, "2", "1001", later(minutes=5))
    await merge(world, kept, gone)
    intents = [one for one in await world.rows(SignalIntent) if one.enrollment_id == enrollment]
    assert [(one.signal, one.payload["reason"]) for one in intents] == [("order_placed", "purchased")]
    [order] = await world.rows(Order)
    assert (order.attributed_by, order.attributed_enrollment_id) == (AttributedBy.WINDOW, enrollment)


async def lock_send(session: Any, enrollment: str) -> Send:
    """The enrollment's first send."""
    from storage.sends import find_send  # noqa: PLC0415 - used here alone

    send = await find_send(session, enrollment, 0, 0)
    assert send is not None
    return send


async def test_two_chats_with_one_number_become_one(world: World) -> None:
    """Messages come together, the last word is found anew, and of the board's words the newer stands."""
    kept, gone = await world.customer(external_id="1"), await world.customer(OTHER, external_id="2")
    ours = await say(world, kept, "a", NOON, MessageAuthor.CUSTOMER)
    theirs = await say(world, gone, "b", later(minutes=9), MessageAuthor.AGENT)
    async with world.database.write() as session:
        rows = await lock_customers(session, [kept, gone])
        for chat_id, customer_id, column, at in ((ours.id, kept, "old", 3), (theirs.id, gone, "new", 4)):
            chat = await session.get(Conversation, chat_id)
            assert chat is not None
            await move(session, rows[customer_id], chat, column, at=later(minutes=at), now=later(hours=1))
            if customer_id == gone:
                ref = await bind_ref(session, world.store_id, "ticket-1")
                await attach(session, ref, rows[gone], chat, now=NOON)
    await merge(world, kept, gone)
    [chat] = await world.rows(Conversation)
    assert (chat.customer_id, chat.board_column, chat.silent_since) == (kept, "new", later(minutes=9))
    assert [one.conversation_id for one in await world.rows(ChatMessage)] == [chat.id, chat.id]
    assert [one.conversation_id for one in await world.rows(ConversationRef)] == [chat.id]


async def test_chains_are_one_step_long(world: World) -> None:
    """Who was merged into somebody who is merged in turn leads to the last one at once; repeating changes nothing."""
    first, second, third = [await world.customer(None, external_id=str(number)) for number in range(3)]
    await merge(world, second, first)
    await merge(world, third, second)
    await merge(world, third, second)
    assert [one.merged_into_id for one in await world.rows(Customer)] == [third, third, None]


@pytest.mark.parametrize("known_by_shop", [False, True], ids=["stranger", "shop-customer"])
async def test_a_phone_that_moves_brings_a_stranger_along_but_no_other_customer(
    world: World, *, known_by_shop: bool
) -> None:
    """The owner of a phone whom the shop never named is the shop's customer; one whom it named stays who they are."""
    customer = await world.customer(None, external_id="77")
    holder = await world.customer(external_id="78" if known_by_shop else None)
    async with world.database.write() as session:
        await update_shopper(session, Shopper(world.store_id, "77", PHONE), at=NOON, now=NOON)
    rows = {one.id: one for one in await world.rows(Customer)}
    assert (rows[customer].phone is None) == known_by_shop
    assert (rows[holder].merged_into_id is None) == known_by_shop
