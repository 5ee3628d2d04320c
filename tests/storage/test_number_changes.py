"""Whoever changes their number stays who they are, in whatever order WhatsApp tells of it."""

import itertools
from dataclasses import replace

import pytest
from sqlalchemy import event

from models.tables import ChatMessage, Checkout, Customer, CustomerEvent, NumberMove, WebhookUpdate
from storage.customers import lock_customer
from storage.erasure import erase_customer, erase_person, erase_unowned
from storage.ingest import Delivery, lock_customers
from storage.ingest_messages import EchoPiece, MessagePiece, PreferencePiece
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.merging import merge_customers
from storage.number_changes import MovePiece
from storage.people import Address
from storage.personal_data import everything_about
from storage.shoppers import Shopper, update_shopper
from storage.stores import suppression_key_from
from storage.upkeep import prune
from tests.worlds import NOON, PHONE, World, later

NEW = "+447700900999"
NEWEST = "+447700900998"
KEY = suppression_key_from("5a" * 32)


def message(world: World, wamid: str, phone: str, *, minutes: float = 0, text: str = "hi") -> MessagePiece:
    """A text from that number, so many minutes after noon."""
    sender = Address(world.store_id, phone, None)
    return MessagePiece(f"in:{wamid}", sender, world.number_id, wamid, "text", text, None, later(minutes=minutes))


def move(world: World, old: str | None, new: str | None, *, minutes: float = 0, **users: str) -> MovePiece:
    """From one number to another at that time; `old_user` and `new_user` are the user ids."""
    return MovePiece(
        f"move:{old}:{new}:{minutes}:{users}",
        Address(world.store_id, old, users.get("old_user")),
        Address(world.store_id, new, users.get("new_user")),
        later(minutes=minutes),
    )


async def take(world: World, key: str, pieces: WhatsAppPieces) -> None:
    """One request with these pieces."""
    await ingest_whatsapp(
        world.database, Delivery("whatsapp", "whatsapp", key, "{}", world.now, world.store_id), pieces
    )


async def tell(world: World, *pieces: MessagePiece | EchoPiece | PreferencePiece | MovePiece) -> None:
    """Each in a request of its own, in this order, an hour after noon."""
    world.now = later(hours=1)
    for piece in pieces:
        people, moves = ((), (piece,)) if isinstance(piece, MovePiece) else ((piece,), ())
        await take(world, piece.dedupe_key, WhatsAppPieces(people=people, moves=moves))


async def numbers(world: World) -> list[tuple[int | None, str | None]]:
    """Who stands for itself, with its phone."""
    return [(one.id, one.phone) for one in await world.rows(Customer) if one.merged_into_id is None]


async def change(world: World, *, old_user: str | None = None, new_user: str | None = None) -> None:
    """WhatsApp says that the customer moved."""
    old, new = Address(world.store_id, PHONE, old_user), Address(world.store_id, NEW, new_user)
    await take(world, "move", WhatsAppPieces(moves=(MovePiece("move", old, new, NOON),)))


async def test_a_customer_who_moves_stays_who_they_are(world: World) -> None:
    """Phone and user id change; nobody wrote, so nothing ends, and a reply from the new number is theirs."""
    customer = await world.customer(external_id="77", wa_user_id="GB.1")
    enrollment = await world.enroll(customer)
    await change(world, old_user="GB.1", new_user="GB.2")
    row = await world.one(Customer, customer)
    assert (row.phone, row.wa_user_id, row.last_inbound_at) == (NEW, "GB.2", None)
    assert await world.intents() == []
    await take(world, "a", WhatsAppPieces(people=(message(world, "1", NEW),)))
    assert await world.intents() == [(enrollment, "customer_replied")]


@pytest.mark.parametrize("together", [False, True])
async def test_a_word_from_the_new_number_before_the_news_is_theirs(world: World, *, together: bool) -> None:
    """The stranger that the new number was taken for becomes the customer, whose journey ends with a reply."""
    customer = await world.customer(external_id="77")
    enrollment = await world.enroll(customer)
    first = message(world, "1", NEW)
    if together:
        old, new = Address(world.store_id, PHONE, None), Address(world.store_id, NEW, None)
        await take(world, "a", WhatsAppPieces(people=(first,), moves=(MovePiece("move", old, new, NOON),)))
    else:
        await take(world, "a", WhatsAppPieces(people=(first,)))
        await change(world)
    row = await world.one(Customer, customer)
    assert (row.phone, row.last_inbound_at) == (NEW, NOON)
    assert await world.intents() == [(enrollment, "customer_replied")]
    await take(world, "b", WhatsAppPieces(people=(message(world, "2", NEW),)))
    assert len({one.conversation_id for one in await world.rows(ChatMessage)}) == 1


async def test_a_stranger_who_moves_to_a_customers_number_is_that_customer(world: World) -> None:
    """The shop's customer stands for both and keeps the number."""
    stranger = await world.customer()
    customer = await world.customer(NEW, external_id="77")
    await change(world)
    assert (await world.one(Customer, stranger)).merged_into_id == customer
    assert (await world.one(Customer, customer)).phone == NEW
    await take(world, "a", WhatsAppPieces(people=(message(world, "1", NEW),)))
    assert [event.customer_id for event in await world.rows(CustomerEvent)] == [customer]


async def test_two_of_the_shops_customers_are_left_as_they_are(world: World) -> None:
    """Nobody may decide that they are one."""
    moved, holder = await world.customer(external_id="77"), await world.customer(NEW, external_id="78")
    await change(world)
    assert [(await world.one(Customer, one)).phone for one in (moved, holder)] == [PHONE, NEW]


async def test_nobody_is_made_up_of_a_move(world: World) -> None:
    """Somebody whom the store does not know moves without it."""
    await change(world)
    assert await world.rows(Customer) == []


async def test_a_late_word_from_the_old_number_is_still_theirs(world: World) -> None:
    """Written before the change and told after it, it ends the journey; nobody new is made of it."""
    customer = await world.customer(external_id="77")
    enrollment = await world.enroll(customer)
    await tell(world, move(world, PHONE, NEW, minutes=10), message(world, "1", PHONE, minutes=10))
    assert await numbers(world) == [(customer, NEW)]
    assert await world.intents() == [(enrollment, "customer_replied")]


async def test_a_late_stop_or_echo_to_the_old_number_is_still_theirs(world: World) -> None:
    """What Meta and our own side tell late finds the customer too."""
    customer = await world.customer(external_id="77")
    old = Address(world.store_id, PHONE, None)
    await tell(
        world,
        move(world, PHONE, NEW, minutes=10),
        PreferencePiece("stop", old, stop=True, at=later(minutes=5)),
        EchoPiece("echo", old, world.number_id, "wamid.e", "text", "hello", later(minutes=6)),
    )
    assert await numbers(world) == [(customer, NEW)]
    assert (await world.one(Customer, customer)).opted_out_at == later(minutes=5)
    assert [one.text for one in await world.rows(ChatMessage)] == ["hello"]


async def test_whoever_has_the_old_number_next_is_a_stranger(world: World) -> None:
    """A word from after the change is not the mover's, and one from before it is not the new holder's."""
    customer = await world.customer(external_id="77")
    await tell(
        world,
        move(world, PHONE, NEW, minutes=10),
        message(world, "1", PHONE, minutes=11, text="who is this"),
        message(world, "2", PHONE, minutes=9, text="mine"),
    )
    [mover, holder] = await numbers(world)
    assert (mover, holder[1]) == ((customer, NEW), PHONE)
    said = {event.customer_id: event.occurred_at for event in await world.rows(CustomerEvent)}
    assert said == {customer: later(minutes=9), holder[0]: later(minutes=11)}


async def test_a_stranger_known_only_from_after_the_change_did_not_make_it(world: World) -> None:
    """Told of late, it takes along nobody whose first word came from the number after it."""
    await tell(world, message(world, "1", PHONE, minutes=11), move(world, PHONE, NEW, minutes=10))
    assert [phone for _, phone in await numbers(world)] == [PHONE]
    await tell(world, message(world, "2", PHONE, minutes=9))
    assert [phone for _, phone in await numbers(world)] == [PHONE, NEW]


async def test_a_stranger_who_had_left_a_cart_before_the_change_made_it(world: World) -> None:
    """Though their first word came after it."""
    customer = await world.customer()
    async with world.database.write() as session:
        cart = Checkout(
            store_id=world.store_id,
            customer_id=customer,
            token="c",
            created_at=later(minutes=5),
            updated_at=later(minutes=5),
            total_minor=100,
            currency="USD",
        )
        session.add(cart)
    await tell(world, message(world, "1", PHONE, minutes=11), move(world, PHONE, NEW, minutes=10))
    assert await numbers(world) == [(customer, NEW)]


async def test_late_words_are_the_movers_also_where_the_shop_has_named_the_old_number_again(world: World) -> None:
    """It is known who made the change."""
    customer = await world.customer(external_id="77")
    await tell(world, move(world, PHONE, NEW, minutes=10))
    async with world.database.write() as session:
        who = Shopper(world.store_id, "77", PHONE)
        await update_shopper(session, who, at=later(minutes=20), now=world.now)
    await tell(world, message(world, "1", PHONE, minutes=5))
    assert await numbers(world) == [(customer, PHONE)]


CHAIN = ((PHONE, NEW, 10), (NEW, NEWEST, 20))
THERE_AND_BACK = ((PHONE, NEW, 10), (NEW, PHONE, 20), (PHONE, NEWEST, 30))
IN_A_CIRCLE = ((PHONE, NEW, 10), (NEW, NEWEST, 20), (NEWEST, PHONE, 30))
AT_ONCE = ((PHONE, NEW, 10), (NEW, NEWEST, 10), (NEWEST, PHONE, 10))


@pytest.mark.parametrize(
    ("route", "end"), [(CHAIN, NEWEST), (THERE_AND_BACK, NEWEST), (IN_A_CIRCLE, PHONE), (AT_ONCE, NEWEST)]
)
@pytest.mark.parametrize("together", [False, True])
async def test_changes_told_in_any_order_lead_to_the_same_number(
    world: World, route: tuple[tuple[str, str, int], ...], end: str, *, together: bool
) -> None:
    """The one who made them is at the end, whichever was told first, repeated, or in one request."""
    for number, telling in enumerate(itertools.permutations(route)):
        tag = f"telling {number}"
        customer = await world.customer(external_id=tag)
        moves = [move(world, old, new, minutes=at) for old, new, at in (*telling, telling[0])]
        moves = [replace(one, dedupe_key=f"{tag}:{n}") for n, one in enumerate(moves)]
        if together:
            await take(world, tag, WhatsAppPieces(moves=tuple(moves)))
        else:
            await tell(world, *moves)
        assert (await world.one(Customer, customer)).phone == end
        async with world.database.write() as session:
            row = await lock_customer(session, customer)
            await erase_customer(session, row, suppression_key=KEY, now=world.now)
        assert await world.rows(NumberMove) == []


async def test_a_word_from_a_number_in_between_is_theirs_in_any_order(world: World) -> None:
    """From the number that the customer had for a while, told before, between and after the changes."""
    for n, telling in enumerate(itertools.permutations([*CHAIN, None])):
        customer = await world.customer(external_id=str(n))
        enrollment = await world.enroll(customer, selected_at=NOON)
        told: list[MessagePiece | MovePiece] = []
        for one in telling:
            if one is None:
                told.append(message(world, f"{n}", NEW, minutes=15))
            else:
                told.append(replace(move(world, one[0], one[1], minutes=one[2]), dedupe_key=f"{n}:{one}"))
        await tell(world, *told)
        assert (await world.one(Customer, customer)).phone == NEWEST
        assert (enrollment, "customer_replied") in await world.intents()
        async with world.database.write() as session:
            row = await lock_customer(session, customer)
            await erase_customer(session, row, suppression_key=KEY, now=world.now)


async def test_a_change_from_before_the_customer_came_is_somebody_elses(world: World) -> None:
    """Who has come to a number by a later change stays there; the change of its earlier holder is not theirs."""
    customer = await world.customer(external_id="77")
    await tell(world, move(world, PHONE, NEW, minutes=10), move(world, NEW, NEWEST, minutes=5))
    assert await numbers(world) == [(customer, NEW)]


async def test_whoever_is_known_by_a_word_from_before_a_change_has_made_it(world: World) -> None:
    """They came to the new number by it: an earlier change from there was somebody else's."""
    await tell(
        world,
        move(world, PHONE, NEW, minutes=10),
        message(world, "1", PHONE, minutes=5),
        move(world, NEW, NEWEST, minutes=7),
    )
    assert [phone for _, phone in await numbers(world)] == [NEW]


async def test_user_ids_lead_to_the_mover_too(world: World) -> None:
    """A late word that names the old user id alone finds them, also where the change named phones only."""
    customer = await world.customer(external_id="77", wa_user_id="GB.1")
    by_user = MessagePiece(
        "in:1", Address(world.store_id, None, "GB.1"), world.number_id, "w1", "text", "hi", None, NOON
    )
    await tell(world, move(world, PHONE, NEW, minutes=10), by_user)
    row = await world.one(Customer, customer)
    assert (await numbers(world), row.wa_user_id, row.last_inbound_at) == ([(customer, NEW)], None, NOON)


async def test_a_change_of_the_user_id_alone_keeps_the_phone(world: World) -> None:
    """So do words from before it, from either."""
    customer = await world.customer(external_id="77", wa_user_id="GB.1")
    await tell(world, move(world, None, None, minutes=10, old_user="GB.1", new_user="GB.2"))
    row = await world.one(Customer, customer)
    assert (row.phone, row.wa_user_id) == (PHONE, "GB.2")
    by_user = MessagePiece(
        "in:1", Address(world.store_id, None, "GB.1"), world.number_id, "w1", "text", "hi", None, NOON
    )
    await tell(world, by_user, message(world, "2", PHONE, minutes=5))
    assert await numbers(world) == [(customer, PHONE)]


async def test_the_new_number_and_the_new_user_id_may_have_been_two_strangers(world: World) -> None:
    """Both are the customer by then."""
    customer = await world.customer(external_id="77")
    await world.customer(NEW)
    await world.customer(None, wa_user_id="GB.2")
    await tell(world, move(world, PHONE, NEW, minutes=10, new_user="GB.2"))
    assert await numbers(world) == [(customer, NEW)]
    assert (await world.one(Customer, customer)).wa_user_id == "GB.2"


async def test_a_user_id_heard_with_the_new_number_before_the_news_is_kept(world: World) -> None:
    """The change itself may name phones only."""
    customer = await world.customer(external_id="77", wa_user_id="GB.1")
    await world.customer(NEW, wa_user_id="GB.2")
    await tell(world, move(world, PHONE, NEW, minutes=10))
    assert (await world.one(Customer, customer)).wa_user_id == "GB.2"


async def test_the_number_of_a_customer_who_was_merged_moves_too(world: World) -> None:
    """Whoever writes from the new one is the customer that stands for both, who keeps a number of their own."""
    customer = await world.customer(external_id="77")
    gone = await world.customer(NEW, external_id="78", merged_into_id=customer)
    await tell(world, move(world, NEW, NEWEST, minutes=10), message(world, "1", NEWEST, minutes=11))
    assert ((await world.one(Customer, customer)).phone, (await world.one(Customer, gone)).phone) == (PHONE, NEWEST)
    assert [event.customer_id for event in await world.rows(CustomerEvent)] == [customer]


async def test_late_words_of_a_mover_who_was_merged_since_are_the_kept_customers(world: World) -> None:
    """The change that they made is the kept one's with everything else."""
    customer, kept = await world.customer(external_id="77"), await world.customer(None, external_id="78")
    await tell(world, move(world, PHONE, NEW, minutes=10))
    async with world.database.write() as session:
        rows = await lock_customers(session, [customer, kept])
        await merge_customers(session, rows[kept], rows[customer], now=world.now)
    await tell(world, message(world, "1", PHONE, minutes=5))
    assert [event.customer_id for event in await world.rows(CustomerEvent)] == [kept]


async def test_a_change_that_the_shop_contradicts_is_not_remembered(world: World) -> None:
    """Late words from the old number stay with the customer who has it."""
    moved = await world.customer(external_id="77")
    await world.customer(NEW, external_id="78")
    await tell(world, move(world, PHONE, NEW, minutes=10), message(world, "1", PHONE, minutes=5))
    assert [event.customer_id for event in await world.rows(CustomerEvent)] == [moved]


async def test_a_strangers_word_before_the_change_ends_the_journey_of_who_they_turn_out_to_be(world: World) -> None:
    """A reply that began as a stranger's ends the shop's customer's journey, a stop that was lifted again too."""
    customer = await world.customer(NEW, external_id="77")
    enrollment = await world.enroll(customer, selected_at=NOON)
    old = Address(world.store_id, PHONE, None)
    await tell(
        world,
        message(world, "1", PHONE, minutes=1),
        PreferencePiece("stop", old, stop=True, at=later(minutes=2)),
        PreferencePiece("resume", old, stop=False, at=later(minutes=3)),
        move(world, PHONE, NEW, minutes=10),
    )
    assert await world.intents() == [(enrollment, "customer_replied"), (enrollment, "unsubscribed")]
    assert (await world.one(Customer, customer)).opted_out_at is None


async def test_what_a_stranger_wrote_long_ago_answers_no_journey_of_today(world: World) -> None:
    """Only what was heard since it began does."""
    await tell(world, message(world, "1", PHONE, minutes=1))
    customer = await world.customer(NEW, external_id="77")
    await world.enroll(customer, selected_at=later(hours=2))
    await tell(world, move(world, PHONE, NEW, minutes=10))
    assert await world.intents() == []
    assert (await world.one(Customer, customer)).last_inbound_at == later(minutes=1)


async def test_an_erased_mover_leaves_no_changes_behind(world: World) -> None:
    """The whole chain goes, also its part that nobody was seen to take; another customer's changes stay."""
    customer = await world.customer(external_id="77")
    other = await world.customer("+447700900500", external_id="78")
    await tell(
        world,
        move(world, PHONE, NEW, minutes=10),
        move(world, NEW, NEWEST, minutes=20),
        move(world, "+447700900777", PHONE, minutes=5),
        move(world, "+447700900500", PHONE, minutes=30),
    )
    async with world.database.write() as session:
        told = await everything_about(session, await session.get_one(Customer, customer))
        assert [one["new_phone"] for one in told["number_changes"]] == [NEW, NEWEST]
        row = await lock_customer(session, customer)
        await erase_customer(session, row, suppression_key=KEY, now=world.now)
    [left] = await world.rows(NumberMove)
    assert left.customer_id == other


async def test_raw_webhooks_that_name_an_earlier_number_go_with_the_erased(world: World) -> None:
    """What is found of a person by their old numbers is emptied as well."""
    customer = await world.customer(external_id="77")
    delivery = Delivery("whatsapp", "whatsapp", "raw", f"from {PHONE}", NOON, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces())
    await tell(world, move(world, PHONE, NEW, minutes=10))
    async with world.database.write() as session:
        row = await lock_customer(session, customer)
        await erase_customer(session, row, suppression_key=KEY, now=world.now)
    [raw] = [one for one in await world.rows(WebhookUpdate) if one.delivery_key == "raw"]
    assert raw.body == ""


async def test_changes_of_people_nobody_knows_go_with_the_number_and_with_the_shop(world: World) -> None:
    """Erasing somebody by a phone alone, or a whole store, leaves none."""
    await tell(world, move(world, PHONE, NEW, minutes=10), move(world, "+447700900777", "+447700900778"))
    async with world.database.write() as session:
        await erase_person(session, world.store_id, external_id=None, phone=NEW, suppression_key=KEY, now=world.now)
    assert [one.old_phone for one in await world.rows(NumberMove)] == ["+447700900777"]
    async with world.database.write() as session:
        await erase_unowned(session, world.store_id)
    assert await world.rows(NumberMove) == []


async def test_changes_are_kept_for_a_month(world: World) -> None:
    """By then nothing that was said before them can still come."""
    await world.customer(external_id="77")
    await tell(world, move(world, PHONE, NEW, minutes=10))
    for days, left in ((29, 1), (31, 0)):
        async with world.database.write() as session:
            await prune(session, raw_before=NOON, now=later(days=days))
        assert len(await world.rows(NumberMove)) == left


async def test_a_webhook_asks_for_changes_of_number_in_the_look_up_that_it_does_anyway(world: World) -> None:
    """A known customer's message costs one statement on customers and changes together, a stranger's two."""
    await world.customer(external_id="77")
    asked = []
    event.listen(
        world.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: asked.append(statement),
    )
    await tell(world, message(world, "1", PHONE))
    assert sum("number_move" in one for one in asked) == 1
    asked.clear()
    await tell(world, message(world, "2", NEW))
    assert sum("number_move" in one for one in asked) == 2
