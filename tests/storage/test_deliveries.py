"""A delivery from its first try to its end, and the endpoint that takes nothing any more."""

import json
from datetime import timedelta

import pytest

from models.enums import (
    DeliveryState,
    EndpointEnd,
)
from models.tables import (
    OutgoingEvent,
    SignalIntent,
    WebhookDelivery,
    WebhookEndpoint,
)
from storage.deliveries import (
    NotRetriableError,
    note_delivered,
    send_again,
    take_delivery,
)
from storage.endpoints import (
    disable_endpoint,
    enable_endpoint,
    send_test,
)
from storage.intents import take_due
from storage.upkeep import prune
from tests.listening import closes, failed, listens, taken
from tests.worlds import NOON, World, later


async def test_a_delivery_goes_its_way_once(world: World) -> None:
    """Taken, put off, taken again, delivered; then it is over, and a late failure of an older try changes nothing."""
    endpoint = await listens(world)
    await closes(world, await world.enroll(await world.customer()))
    first = await taken(world, hours=1)
    assert await failed(world, first, hours=1)
    (delivery,) = await world.rows(WebhookDelivery)
    assert (delivery.state, delivery.last_status) == (DeliveryState.WAITING, 500)
    assert delivery.next_try_at > later(hours=1)
    assert (await world.one(WebhookEndpoint, endpoint)).failing_since == later(hours=1)
    second = await taken(world, hours=2)
    assert (second.tries, second.first_try_at) == (2, later(hours=1))
    async with world.database.write() as session:
        await note_delivered(session, second, status=204, now=later(hours=2))
    assert not await failed(world, first, hours=3)
    (delivery,) = await world.rows(WebhookDelivery)
    assert (delivery.state, delivery.last_status) == (DeliveryState.DELIVERED, 204)
    row = await world.one(WebhookEndpoint, endpoint)
    assert (row.failing_since, row.last_delivered_at) == (None, later(hours=2))
    async with world.database.write() as session:
        assert await take_delivery(session, delivery.id, now=later(hours=4)) is DeliveryState.DELIVERED


async def test_an_endpoint_that_takes_something_now_and_then_is_left_alone(world: World) -> None:
    """Only a day without any success disables it; what waits for it then is withdrawn, and can be sent again."""
    endpoint = await listens(world)
    for number in range(3):
        await closes(world, await world.enroll(await world.customer(f"+44770090013{number}")))
    await failed(world, await taken(world, 1), hours=0)
    due = await taken(world, 2, hours=20)
    async with world.database.write() as session:
        await note_delivered(session, due, status=200, now=later(hours=20))
    await failed(world, await taken(world, 3, hours=23), hours=23)
    await failed(world, await taken(world, 1, hours=30), hours=30)
    assert (await world.one(WebhookEndpoint, endpoint)).disabled_at is None
    await failed(world, await taken(world, 3, hours=47), hours=47)
    assert (await world.one(WebhookEndpoint, endpoint)).disabled_reason is EndpointEnd.FAILING
    async with world.database.write() as session:
        assert await take_delivery(session, 3, now=later(hours=48)) is DeliveryState.FAILED
        with pytest.raises(NotRetriableError, match="disabled"):
            await send_again(session, world.store_id, 3, now=later(hours=48))
        await enable_endpoint(session, world.store_id, endpoint)
        again = await send_again(session, world.store_id, 3, now=later(hours=48))
        assert (again.delivery.round, again.delivery.tries) == (1, 0)
        with pytest.raises(NotRetriableError, match="on its way"):
            await send_again(session, world.store_id, 3, now=later(hours=48))
    intents = [one.enrollment_id for one in await world.rows(SignalIntent) if one.signal == "start_delivery"]
    assert len(set(intents)) == len(intents) == 4


async def test_a_delivery_that_nobody_came_for_can_be_sent_again(world: World) -> None:
    """Its workflow was ended by hand, or Temporal has lost it: what is long overdue is on its way no more."""
    await listens(world)
    await closes(world, await world.enroll(await world.customer()))
    due = await taken(world, hours=2)
    await failed(world, due, hours=2)
    (row,) = await world.rows(WebhookDelivery)
    assert row.next_try_at is not None
    async with world.database.write() as session:
        for too_early in (later(hours=2), row.next_try_at + timedelta(minutes=59)):
            with pytest.raises(NotRetriableError, match="on its way"):
                await send_again(session, world.store_id, 1, now=too_early)
        again = await send_again(session, world.store_id, 1, now=row.next_try_at + timedelta(hours=1))
        assert (again.delivery.round, again.delivery.tries, again.delivery.state) == (1, 0, DeliveryState.WAITING)


async def test_a_try_of_an_earlier_round_says_nothing_of_the_next(world: World) -> None:
    """A worker that was thought lost learns at last that its request broke: the round that staff began goes on."""
    await listens(world)
    await closes(world, await world.enroll(await world.customer()))
    lost = await taken(world)
    await failed(world, await taken(world, hours=24), hours=24)
    async with world.database.write() as session:
        await enable_endpoint(session, world.store_id, 1)
        await send_again(session, world.store_id, 1, now=later(hours=25))
    assert not await failed(world, lost, hours=25)
    (row,) = await world.rows(WebhookDelivery)
    assert (row.state, row.round) == (DeliveryState.WAITING, 1)


async def test_what_is_meant_for_a_disabled_endpoint_is_withdrawn(world: World) -> None:
    """But a test reaches it, and says nothing about it."""
    endpoint = await listens(world)
    await closes(world, await world.enroll(await world.customer()))
    async with world.database.write() as session:
        await disable_endpoint(session, world.store_id, endpoint, reason=EndpointEnd.STAFF, now=NOON)
        test_id = await send_test(session, world.store_id, endpoint, now=NOON)
    async with world.database.write() as session:
        assert await take_delivery(session, 1, now=NOON) is DeliveryState.WITHDRAWN
    due = await taken(world, test_id)
    assert json.loads(due.body)["data"] == {"store": "shop", "endpoint": endpoint}
    await failed(world, due)
    assert (await world.one(WebhookEndpoint, endpoint)).failing_since is None
    async with world.database.write() as session:
        assert await take_delivery(session, 99, now=NOON) is DeliveryState.WITHDRAWN


async def test_starts_of_deliveries_wait_behind_replies(world: World) -> None:
    """Thousands may end at once, and a reply must not wait behind what they are told."""
    await listens(world)
    await closes(world, await world.enroll(await world.customer()))
    async with world.database.write() as session:
        session.add(
            SignalIntent(
                enrollment_id="enr-1", signal="customer_replied", created_at=later(hours=2), next_try_at=later(hours=2)
            )
        )
    async with world.database.write() as session:
        page = await take_due(session, now=later(hours=3), limit=1)
    assert [one.signal for one in page] == ["customer_replied"]


async def test_old_deliveries_go_and_what_is_under_way_stays(world: World) -> None:
    """A month after they were settled, with their events."""
    await listens(world)
    for number in range(2):
        await closes(world, await world.enroll(await world.customer(f"+44770090013{number}")))
    due = await taken(world, 1)
    async with world.database.write() as session:
        await note_delivered(session, due, status=200, now=NOON)
    async with world.database.write() as session:
        await prune(session, raw_before=later(days=31), now=later(days=31))
    assert [one.id for one in await world.rows(WebhookDelivery)] == [2]
    assert [one.id for one in await world.rows(OutgoingEvent)] == [2]
