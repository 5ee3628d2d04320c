from collections import Counter
from typing import Any

from models.enums import ConsentState, EnrollmentState
from models.tables import Customer, Enrollment, SignalIntent
from storage.events import add_broadcast
from storage.intents import BROADCAST_PAGE, JITTER, expand_broadcast
from storage.journeys import publish
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, World

HOLDERS = 2 * BROADCAST_PAGE + 200
KEY = "template:800000000000001:hello:en"


async def _hold(world: World, count: int, key: str) -> None:
    """So many customers whose journeys hold for the key."""
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, DEFINITION, now=NOON)
        of_all: dict[str, Any] = {
            "store_id": world.store_id,
            "journey_id": required_id(journey.id),
            "version_id": required_id(version.id),
            "priority": 50,
            "state": EnrollmentState.HOLDING,
            "hold_key": key,
            "selected_at": NOON,
            "entered_at": NOON,
        }
        customers = [Customer(store_id=world.store_id, consent=ConsentState.SUBSCRIBED) for _ in range(count)]
        session.add_all(customers)
        await session.flush()
        ids = [required_id(customer.id) for customer in customers]
        session.add_all(Enrollment(id=f"enr-{one}", customer_id=one, entry_key=f"o-{one}", **of_all) for one in ids)


async def test_a_broadcast_to_more_than_two_pages_tells_each_holder_once(world: World) -> None:
    """1,200 who hold for a template are told in three pages, within half a minute, and nobody else is."""
    await _hold(world, HOLDERS, KEY)
    await _hold(world, 3, "number:1")
    async with world.database.write() as session:
        add_broadcast(session, KEY, now=NOON)
    pages = []
    while True:
        async with world.database.write() as session:
            if not await expand_broadcast(session, now=NOON):
                break
        pages.append(len(await world.rows(SignalIntent)) - 1)
    assert pages == [BROADCAST_PAGE, 2 * BROADCAST_PAGE, HOLDERS]
    broadcast, *told = await world.rows(SignalIntent)
    assert (broadcast.outcome, broadcast.settled_at) == ("expanded", NOON)
    holding = {one.id for one in await world.rows(Enrollment) if one.hold_key == KEY}
    assert Counter(one.enrollment_id for one in told) == Counter(holding)
    assert all(NOON <= one.next_try_at <= NOON + JITTER for one in told)
    assert max(Counter(one.next_try_at.replace(microsecond=0) for one in told).values()) < HOLDERS / 10
