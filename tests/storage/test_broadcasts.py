from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from models.enums import ConsentState, EnrollmentState
from models.tables import Customer, Enrollment, SignalIntent
from storage.events import add_broadcast, add_intent
from storage.intents import BROADCAST_PAGE, JITTER, PAGE, expand_broadcast, take_due
from storage.publishing import publish
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


async def test_a_reply_does_not_wait_behind_releases(world: World) -> None:
    """However many releases are due, and for however long, what has just happened to somebody is told first."""
    async with world.database.write() as session:
        for number in range(PAGE + 50):
            add_intent(session, f"enr-{number}", "released", {"key": KEY}, now=NOON)
        add_intent(session, "enr-replied", "customer_replied", {}, now=NOON + timedelta(seconds=20))
        add_intent(session, "enr-settled", "attempt_settled", {}, now=NOON + timedelta(seconds=10))
    async with world.database.write() as session:
        page = await take_due(session, now=NOON + timedelta(seconds=30))
    assert [one.signal for one in page[:3]] == ["attempt_settled", "customer_replied", "released"]
    assert len(page) == PAGE


async def test_the_releases_of_many_take_as_long_as_their_number_needs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,200 at ten a second are spread over two minutes, by the count at the first page, and tell nobody of that."""
    monkeypatch.setattr("storage.intents.RELEASED_PER_SECOND", 10)
    await _hold(world, HOLDERS, KEY)
    async with world.database.write() as session:
        add_broadcast(session, KEY, now=NOON)
    more = True
    while more:
        async with world.database.write() as session:
            more = await expand_broadcast(session, now=NOON)
    _, *told = await world.rows(SignalIntent)
    seconds = sorted((one.next_try_at - NOON).total_seconds() for one in told)
    assert 60 < seconds[-1] <= HOLDERS / 10
    assert all(sum(at <= one < at + 1 for one in seconds) < 40 for at in range(0, 120, 10))
    assert {tuple(one.payload) for one in told} == {("key",)}
