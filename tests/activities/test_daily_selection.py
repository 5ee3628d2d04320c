"""An always-on win-back over months of days, on both databases: who enters on which day, and that nobody does twice."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import httpx
import pytest
from sqlmodel import select
from temporalio.client import Client
from temporalio.testing import ActivityEnvironment

from activities.audience import AudienceActivities
from activities.daily_selection import DailySelectionActivities
from activities.services import Services
from models.enums import ConsentState, ExitReason, JourneyState, LaunchState
from models.journey import WinBack
from models.orchestration import JourneyRef, LaunchRequest, LaunchStep, SelectPage
from models.tables import Customer, DailySelection, Enrollment, Journey, Launch, LaunchCandidate
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from storage.customers import lock_customer
from storage.daily_selections import keep_on
from storage.engine import Database
from storage.enrollments import close_enrollment
from storage.going_live import activate
from storage.publishing import publish
from storage.secrets import Cipher, new_key
from tests.worlds import DEFINITION, SHOP, World

FIRST_DAY = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
CHANGES = {"audience": {"inactive_days": 60, "re_entry_days": 65}}


@dataclass
class AlwaysOn:
    """A store whose journey selects every day, and its shop on the same clock."""

    world: World
    shop: ShopState
    services: Services
    orders: int = 0

    def order(self, customer: int, *, day: int) -> None:
        """Somebody orders on a day, counted from the first selection."""
        if customer not in self.shop.customers:
            record = CustomerRecord(
                customer,
                phone=f"+447700900{customer:03d}",
                consent=ConsentState.SUBSCRIBED,
                consent_updated_at=FIRST_DAY - timedelta(days=300),
            )
            self.shop.put_customer(record)
        self.orders += 1
        at = FIRST_DAY + timedelta(days=day, hours=1)
        self.shop.put_order(OrderRecord(1000 + self.orders, customer, at, Decimal("49.90"), "USD"))

    async def select(self, day: int) -> set[str]:
        """The selection of a day as Temporal begins and carries it out; the shop's ids of those who entered with it."""
        self.world.now = FIRST_DAY + timedelta(days=day)
        begun = await self._run(DailySelectionActivities(self.services).begin_day, JourneyRef(journey_id=1))
        asked = [
            call.kwargs["start_signal_args"][0]
            for call in self.services.temporal.start_workflow.await_args_list  # type: ignore[attr-defined]
        ]
        for launch_id in begun.launch_ids:
            assert LaunchRequest(launch_id=launch_id) in asked
            await self._carry_out(launch_id)
        return await self._entered(begun.launch_ids)

    async def _carry_out(self, launch_id: int) -> None:
        """What AudienceWorkflow does with a launch, up to the starting of journeys."""
        audience, step = AudienceActivities(self.services), LaunchStep(launch_id=launch_id)
        cursor: str | None = None
        while True:
            page = await self._run(audience.select_page, SelectPage(launch_id=launch_id, cursor=cursor))
            cursor = page.cursor
            if cursor is None:
                break
        while (await self._run(audience.judge_page, step)).remaining:
            pass
        await self._run(audience.rank, step)
        while (await self._run(audience.enroll_page, step)).remaining:
            pass
        await self._run(audience.finish_launch, step)

    async def _run(self, run: Any, ask: Any) -> Any:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, started_time=self.world.now)
        return await environment.run(run, ask)

    async def _entered(self, launch_ids: tuple[int, ...]) -> set[str]:
        async with self.world.database.read() as session:
            query = select(Customer.external_id).join(Enrollment)
            rows = await session.exec(query.where(Enrollment.launch_id.in_(launch_ids)))  # type: ignore[union-attr]
            return {one or "" for one in rows}

    async def close(self, customer: int, reason: ExitReason) -> None:
        """Their passage ends."""
        async with self.world.database.write() as session:
            row = (await session.exec(select(Customer).where(Customer.external_id == str(customer)))).one()
            await lock_customer(session, row.id or 0)
            query = select(Enrollment).where(Enrollment.customer_id == row.id).order_by(Enrollment.entered_at)  # type: ignore[arg-type]
            enrollment = (await session.exec(query)).all()[-1]
            await close_enrollment(session, enrollment, reason=reason, now=self.world.now)


@pytest.fixture
async def on(database: Database) -> AsyncIterator[AlwaysOn]:
    """The journey is active and always on since just before its first selection."""
    world = World(database, Cipher([new_key()]), now=FIRST_DAY - timedelta(hours=1))
    await world.add_store(shop_endpoint="http://127.0.0.1:9", shop_token="shop-token")
    shops = ShopifySandbox(world.clock)
    shop = shops.add_shop(ShopState(SHOP, token="shop-token", secret="shop-secret"))
    definition = WinBack.model_validate(DEFINITION.model_dump() | CHANGES)
    async with database.write() as session:
        journey, _ = await publish(session, world.store_id, definition, now=world.now)
        activate(journey, now=world.now)
        await keep_on(session, journey, at="09:30", limit=None, only_new=False, now=world.now)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=shops)) as http:
        services = Services(
            database=database,
            cipher=world.cipher,
            whatsapp=WhatsAppClient(http),
            shopify=ShopifyClient(http),
            temporal=mock.create_autospec(Client, instance=True),
        )
        yield AlwaysOn(world, shop, services)


async def test_who_becomes_inactive_enters_once_and_again_only_with_a_new_order_and_after_the_rest(
    on: AlwaysOn,
) -> None:
    """A buyer who lapses again waits for `re_entry_days`, who never buys again stays out, and each account adds up."""
    on.order(1, day=-60)  # inactive on the first day; buys on day 3, so inactive again on day 63
    on.order(2, day=-58)  # inactive on day 2, and never buys again
    on.order(3, day=5)  # inactive on day 65
    entered = {0: await on.select(0), 1: await on.select(1), 2: await on.select(2)}
    on.world.now = FIRST_DAY + timedelta(days=3)
    on.order(1, day=3)
    await on.close(1, ExitReason.PURCHASED)
    await on.close(2, ExitReason.COMPLETED)
    entered |= {day: await on.select(day) for day in (4, 62, 63, 64, 65, 66, 80)}
    assert {day: who for day, who in entered.items() if who} == {0: {"1"}, 2: {"2"}, 65: {"1", "3"}}

    launches: list[Launch] = await on.world.rows(Launch)
    assert [(one.day - FIRST_DAY.date()).days for one in launches if one.day] == sorted(entered)
    outcomes = await on.world.rows(LaunchCandidate)
    for launch in launches:
        own = [one.outcome for one in outcomes if one.launch_id == launch.id]
        assert (launch.state, len(own), None in own) == (LaunchState.DONE, launch.considered, False)
    on_day_64 = [one.outcome for one in outcomes if one.launch_id == launches[6].id]
    assert on_day_64 == ["re_entry", "re_entry"]


async def test_a_pause_lets_nobody_in_and_nobody_is_forgotten(on: AlwaysOn) -> None:
    """Who became inactive during it enters with the first selection after it."""
    on.order(1, day=-60)
    on.order(2, day=-59)
    assert await on.select(0) == {"1"}
    await _put(on, JourneyState.PAUSED)
    assert await on.select(1) == set()
    assert await on.select(2) == set()
    await _put(on, JourneyState.ACTIVE)
    assert await on.select(3) == {"2"}
    assert [one.day.day for one in await on.world.rows(Launch)] == [2, 5]


async def test_a_day_that_is_begun_again_after_a_crash_enrolls_nobody_twice(on: AlwaysOn) -> None:
    """The launch stands from the first try: the second asks for the same one, and carrying it out twice is once."""
    on.order(1, day=-60)
    away = mock.patch.object(on.services.temporal, "start_workflow", side_effect=ConnectionError)
    with away, pytest.raises(ConnectionError):
        await on.select(0)
    (stands,) = await on.world.rows(Launch)
    assert stands.state is LaunchState.SELECTING
    assert await on.select(0) == {"1"}
    assert await on.select(0) == set()
    assert (len(await on.world.rows(Launch)), len(await on.world.rows(Enrollment))) == (1, 1)


async def test_each_day_has_the_limit_of_the_schedule(on: AlwaysOn) -> None:
    """At most so many a day, by the shop's customer id; the others enter on the days after."""
    for number in range(1, 6):
        on.order(number, day=-60)
    async with on.world.database.write() as session:
        (await session.get_one(DailySelection, 1)).entrant_limit = 2
    assert [await on.select(day) for day in range(4)] == [{"1", "2"}, {"3", "4"}, {"5"}, set()]


async def _put(on: AlwaysOn, state: JourneyState) -> None:
    async with on.world.database.write() as session:
        (await session.get_one(Journey, 1)).state = state
