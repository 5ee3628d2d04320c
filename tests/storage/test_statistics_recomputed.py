"""Attribution, statistics and holdout equal a slow recomputation over random stories, on both databases."""

import itertools
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from models.holdout import Arm
from models.tables import (
    CouponIssue,
    Customer,
    Enrollment,
    EntryDecision,
    Journey,
    JourneyVersion,
    Order,
    Send,
    SendAttempt,
    Store,
)
from storage.engine import Database
from storage.holdout_arms import holdout_arms
from storage.secrets import Cipher, new_key
from storage.statistics.times import Times
from storage.statistics.totals import totals
from storage.stores import holdout_salt
from tests import recomputation as anew
from tests.happenings import PEOPLE, Happening, Story
from tests.worlds import World

_OFTEN = (*["enter"] * 4, *["send"] * 4, *["status"] * 4, *["order"] * 4, "write", "end", "end", "news", "news")
_SELDOM = ("refund", "merge", "erase", "stop", "leave out")
_STORIES = int(os.environ.get("REKINDLE_STORIES", "10"))
"""How many are told; a hunt for faults asks for a thousand."""
_stories = itertools.count(1)

happenings = st.lists(
    st.tuples(
        st.sampled_from(_OFTEN + _SELDOM),
        st.integers(0, PEOPLE - 1),
        st.integers(0, 11),
        st.integers(0, 62),
        st.integers(0, 14),
    ),
    min_size=15,
    max_size=60,
)


def rank(lengths: list[int]) -> Times:
    """The percentiles of the nearest rank."""
    ordered, number = sorted(lengths), len(lengths)
    if not ordered:
        return Times()
    return Times(number, ordered[-(-number * 50 // 100) - 1], ordered[-(-number * 90 // 100) - 1])


async def rows_of(world: World) -> dict[str, list[Any]]:
    """All rows of the story's store."""
    found: dict[str, list[Any]] = {}
    async with world.database.read() as session:
        for table in (Customer, Enrollment, EntryDecision, Order, Send, CouponIssue):
            query = select(table).where(col(table.store_id) == world.store_id).order_by(col(table.id))
            found[table.__name__] = list(await session.exec(query))
        of_store = col(Journey.store_id) == world.store_id
        versions = select(JourneyVersion).join(Journey, col(Journey.id) == JourneyVersion.journey_id)
        found["JourneyVersion"] = list(await session.exec(versions.where(of_store)))
        attempts = select(SendAttempt).join(Send, col(Send.id) == SendAttempt.send_id)
        found["SendAttempt"] = list(await session.exec(attempts.where(col(Send.store_id) == world.store_id)))
    return found


tales = given(happened=happenings, salt=st.integers(0, 20))


@tales
@settings(max_examples=_STORIES, suppress_health_check=list(HealthCheck))
async def test_what_sqlite_counts_is_what_happened(
    sqlite_database: Database, happened: list[Happening], salt: int
) -> None:
    """Whatever happened in whatever order: orders belong, numbers count and arms stand as a slow reckoning says."""
    await tell_and_check(sqlite_database, happened, salt)


@tales
@settings(max_examples=_STORIES // 2, suppress_health_check=list(HealthCheck))
async def test_what_postgresql_counts_is_what_happened(
    postgres_database: Database, happened: list[Happening], salt: int
) -> None:
    """The same on the other database, which is asked in other words here and there."""
    await tell_and_check(postgres_database, happened, salt)


async def tell_and_check(database: Database, happened: list[Happening], salt: int) -> None:
    """Let the story happen in a store of its own, and compare."""
    story = Story(World(database, Cipher([new_key()])))
    await story.begin(next(_stories), salt)
    await story.live(happened)
    rows = await rows_of(story.world)
    sales = {key: anew.sale_of(told, story.refunds.get(key, {}).values()) for key, told in story.told.items() if told}
    check_orders(rows, sales)
    await check_draws(story, rows)
    for journey_id in story.journeys:
        await check_numbers(story, rows, journey_id, sales)
        for later in (timedelta(days=3), timedelta(days=60)):
            await check_arms(story, rows, journey_id, sales, later)


def check_orders(rows: dict[str, list[Any]], sales: dict[str, anew.Sale]) -> None:
    """What is left of each order, and where it belongs."""
    for order in rows["Order"]:
        sale = sales[order.external_id]
        assert order.total_minor == sale.left
        attributed = (
            order.attributed_by,
            order.attributed_journey_id,
            order.attributed_enrollment_id,
            order.attributed_send_id,
        )
        expected = anew.attribution(rows, order) if sale.counts else None
        assert attributed == (expected or (None,) * 4)


async def check_draws(story: Story, rows: dict[str, list[Any]]) -> None:
    """Everybody is in the arm that the keyed hash of their shop's number says, for good."""
    store = await story.world.one(Store, story.world.store_id)
    salt = holdout_salt(store, story.world.cipher)
    for one in rows["Enrollment"]:
        definition = anew.definition_of(rows, one)
        of_theirs = [
            anew.in_control(
                salt=salt,
                journey=definition["name"],
                customer=customer.external_id,
                percent=definition["audience"].get("control_percent", 0),
            )
            for customer in rows["Customer"]
            # Who entered under one name may be somebody else by now.
            if customer.external_id and anew.person_of(rows, customer.id) == anew.person_of(rows, one.customer_id)
        ]
        assert one.control in of_theirs


async def check_numbers(story: Story, rows: dict[str, list[Any]], journey_id: int, sales: dict[str, anew.Sale]) -> None:
    """Every number of the statistics, and the partition that adds up."""
    expected = anew.numbers(rows, journey_id, sales, story.wrote)
    async with story.world.database.read() as session:
        found = await totals(session, journey_id)
    assert +found.counts == +expected.counts
    money = {currency: [one.window, one.coupon, one.with_code] for currency, one in found.revenue.items()}
    assert money == dict(expected.revenue)
    assert found.to_reply == rank(expected.to_reply)
    assert found.to_order == rank(expected.to_order)
    parts = (number for key, number in found.counts.items() if key.startswith(("state:", "closed:")))
    assert sum(parts) == found.counts["started"]


async def check_arms(
    story: Story, rows: dict[str, list[Any]], journey_id: int, sales: dict[str, anew.Sale], later: timedelta
) -> None:
    """Both arms as they stand so much later."""
    now = story.world.now + later
    expected = anew.holdout(rows, journey_id, sales, now=now)
    async with story.world.database.read() as session:
        found = await holdout_arms(session, journey_id, now=now)
    for control, standing in ((False, found.treated), (True, found.control)):
        assert standing == replace(standing, **{"unheld": 0, "running": 0, "compared": 0} | expected.stands[control])
    assert {one.control_percent: (one.treated, one.control) for one in found.strata} == {
        percent: tuple(
            Arm(side.customers, side.converted, {currency: dict(spent) for currency, spent in side.spent.items()})
            for side in (sides[False], sides[True])
        )
        for percent, sides in expected.strata.items()
    }
