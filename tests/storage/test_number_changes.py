import pytest

from models.tables import ChatMessage, Customer, CustomerEvent
from storage.ingest import Delivery
from storage.ingest_messages import MessagePiece
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.number_changes import MovePiece
from storage.people import Address
from tests.worlds import NOON, PHONE, World

NEW = "+447700900999"


def message(world: World, wamid: str, phone: str) -> MessagePiece:
    """A text from that number."""
    return MessagePiece(
        f"in:{wamid}", Address(world.store_id, phone, None), world.number_id, wamid, "text", "hi", None, NOON
    )


async def take(world: World, key: str, pieces: WhatsAppPieces) -> None:
    """One request with these pieces."""
    await ingest_whatsapp(
        world.database, Delivery("whatsapp", "whatsapp", key, "{}", world.now, world.store_id), pieces
    )


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
