"""Attribution follows what is learnt of a message, whenever it is learnt, and each version's own window."""

from datetime import datetime, timedelta

from sqlmodel import select

from models.enums import AttributedBy, EnrollmentState, SendState
from models.journey import WinBack
from models.money import Money
from models.tables import Enrollment, Order, Send
from storage.customers import lock_customer
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.orders import OrderFacts, apply_order
from storage.publishing import publish
from storage.statuses import Report, StatusPiece
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, World, later


async def tell(world: World, attempt: str, report: Report, at: datetime) -> None:
    """A status of that attempt."""
    code = 131026 if report is Report.FAILED else None
    piece = StatusPiece(f"{attempt}:{report}", world.number_id, f"wamid.{attempt}", report, at, attempt, code)
    delivery = Delivery("whatsapp", "whatsapp", f"{attempt}:{report}", "{}", world.now, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=(piece,)))


async def buy(world: World, customer: int, at: datetime, name: str = "1001") -> None:
    """An order of the customer."""
    async with world.database.write() as session:
        row = await lock_customer(session, customer)
        await apply_order(session, row, OrderFacts(name, at, at, Money(2500, "USD")), received_at=at, source="test")


async def attributed(world: World) -> dict[str, AttributedBy | None]:
    """What credits each order."""
    return {one.external_id: one.attributed_by for one in await world.rows(Order)}


async def test_a_message_of_which_only_its_going_is_told_late_gets_the_order_after_it(world: World) -> None:
    """The worker died with the answer and the order was faster than the status: the order belongs all the same."""
    customer = await world.customer(external_id="77")
    attempt = await world.claim(await world.enroll(customer))
    await buy(world, customer, later(minutes=2))
    assert await attributed(world) == {"1001": None}
    await tell(world, attempt, Report.SENT, later(minutes=1))
    assert await attributed(world) == {"1001": AttributedBy.WINDOW}


async def test_a_message_that_failed_after_it_was_taken_gets_nothing(world: World) -> None:
    """WhatsApp took it and told later that it never arrived: nobody received it; unless it arrives after all."""
    customer = await world.customer(external_id="77")
    attempt = await world.claim(await world.enroll(customer))
    await tell(world, attempt, Report.SENT, NOON)
    await buy(world, customer, later(minutes=2))
    assert await attributed(world) == {"1001": AttributedBy.WINDOW}
    await tell(world, attempt, Report.FAILED, later(minutes=3))
    assert await attributed(world) == {"1001": None}
    await tell(world, attempt, Report.DELIVERED, later(minutes=1))
    assert await attributed(world) == {"1001": AttributedBy.WINDOW}


async def test_each_message_has_the_window_of_its_own_version(world: World) -> None:
    """An edit of `attribution_days` changes nothing for those who entered before, whichever version came last."""
    customer = await world.customer(external_id="77")
    first = await world.enroll(customer, state=EnrollmentState.CLOSED, closed_at=later(hours=1))
    await world.claim(first, state=SendState.ACCEPTED)
    await buy(world, customer, later(days=4), "in the long window")
    world.now = later(days=30)
    second = await world.enroll(customer)
    shorter = WinBack.model_validate(DEFINITION.model_dump(mode="json") | {"attribution_days": 1})
    async with world.database.write() as session:
        _, version = await publish(session, world.store_id, shorter, now=world.now)
        (await session.get_one(Enrollment, second)).version_id = required_id(version.id)
    await world.claim(second, state=SendState.ACCEPTED)
    async with world.database.write() as session:
        for send, days in zip((await session.exec(select(Send).order_by(Send.id))).all(), (0, 30), strict=True):  # type: ignore[arg-type]
            send.settled_at = NOON + timedelta(days=days)
    await buy(world, customer, later(days=32), "beyond the short one")
    assert await attributed(world) == {"in the long window": AttributedBy.WINDOW, "beyond the short one": None}
