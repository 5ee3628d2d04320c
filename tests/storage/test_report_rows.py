"""Reports from both databases: they come to what the statistics come to, also after people were merged and erased."""

from collections import Counter
from datetime import date, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from models.enums import AttributedBy, EnrollmentState, JourneyState, LeftOut
from models.money import Money
from models.tables import Journey, Order
from reports.export.columns import ReportRow, RowKind
from reports.export.stream import context_of, row_pages
from reports.export.totals import Totals
from storage.customers import lock_customer
from storage.diagnosis import journeys_about
from storage.erasure import erase_customer
from storage.journeys import find_journey
from storage.merging import merge_customers
from storage.publishing import propose
from storage.statistics.period import Period
from storage.statistics.totals import totals as counted
from storage.stores import required_id
from tests.reporting import CODE, DAY, HOUR, JOURNEY, Reporting, win_back
from tests.worlds import NOON, World

LONDON = ZoneInfo("Europe/London")
EVER = Period(zone=LONDON)


@pytest.fixture
async def told(world: World) -> Reporting:
    """A journey with a row of every kind."""
    reporting = Reporting(world)
    await reporting.tell()
    return reporting


async def report(world: World, period: Period = EVER, *, name: str = JOURNEY, page: int = 500) -> list[ReportRow]:
    """All rows."""
    async with world.database.read() as session:
        context = await context_of(session, await find_journey(session, world.store_id, name), period)
    return [row async for _, rows in row_pages(world.database, context, page=page) for row in rows]


async def compare(world: World, period: Period) -> Totals:
    """The rows' totals, which are those of the statistics of the same days."""
    totals = Totals()
    rows = await report(world, period)
    totals.add(rows)
    async with world.database.read() as session:
        journey = await find_journey(session, world.store_id, JOURNEY)
        assert journey.id is not None
        told = await counted(session, journey.id, period)
    count = told.counts
    assert totals.rows[RowKind.MESSAGE] == count["messages:sent"] + count["messages:possibly_sent"]
    assert totals.possibly_sent == count["messages:possibly_sent"]
    assert sum(totals.attributed.values()) == count["orders"]
    for word in AttributedBy:
        assert totals.attributed[word] == count[f"orders:{word}"]
    assert {key: (one.by[AttributedBy.WINDOW], one.by[AttributedBy.COUPON]) for key, one in totals.earned.items()} == {
        key: (Money(one.window, key).amount, Money(one.coupon, key).amount) for key, one in told.revenue.items()
    }
    for key in ("control", "paced", *(f"left_out:{word}" for word in LeftOut if word is not LeftOut.PACED)):
        assert totals.reasons[key] == count[key], key
    for key, number in totals.reasons.items():
        if key.startswith(("skipped:", "failed:")):
            assert number == count[f"messages:{key}"], key
    return totals


async def test_totals_are_those_of_the_statistics(told: Reporting) -> None:
    """Over all days, and over each stretch of them, which together make the whole."""
    whole = await compare(told.world, EVER)
    assert sum(whole.rows.values()) == 26
    days = [None, date(2026, 11, 22), date(2026, 11, 23), date(2026, 11, 25), None]
    parts = [await compare(told.world, Period(first, end, LONDON)) for first, end in pairwise(days)]
    assert sum((Counter(one.rows) for one in parts), Counter()) == Counter(whole.rows)
    assert sum((one.reasons for one in parts), Counter()) == whole.reasons


async def test_nothing_depends_on_the_pages(told: Reporting) -> None:
    """One customer a page, or all at once: the same rows in the same order, each order once."""
    rows = await report(told.world)
    assert await report(told.world, page=1) == rows
    orders = [row.order_id for row in rows if row.kind is RowKind.ORDER]
    assert len(orders) == len(set(orders)) == 12


async def test_why_an_order_is_not_the_journeys(told: Reporting) -> None:
    """Each reason by the rule that decided; an order of neither time nor tie is not in the report."""
    why = {row.order_id: row.why for row in await report(told.world) if row.kind is RowKind.ORDER}
    assert [why[f"{5000 + n}"] for n in (1, 4, 6, 7, 8, 9)] == [
        "before the first message",
        "outside the window: more than 5 days after the last message received",
        "a test order",
        "cancelled",
        "refunded in full",
        "voided: never paid",
    ]
    assert why["5011"] == "belongs to journey other"
    assert why["5012"] == "control: held out, so nothing was sent"
    assert why["5013"] == "no message has reached the customer"
    assert [why[f"{5000 + n}"] for n in (2, 3, 5)] == [None, None, None]
    assert "5010" not in why


async def test_an_order_is_shown_until_both_times_are_over(world: World) -> None:
    """Until the holdout's horizon, which is not in it, or the end of the last window, which is, whichever is later."""
    reporting = Reporting(world)
    await reporting.journey(win_back(code=None))
    late = await reporting.enroll("Late", horizon_at=NOON + 2 * DAY)
    await reporting.send(late, at=NOON, received=NOON + DAY)
    early = await reporting.enroll("Early", horizon_at=NOON + 9 * DAY)
    await reporting.send(early, at=NOON)
    second = timedelta(seconds=1)
    for name, last in (("Late", NOON + 6 * DAY), ("Early", NOON + 9 * DAY - second)):
        for at in (NOON - second, NOON, last, last + second):
            await reporting.order(name, at, test=True)  # which belongs to nobody
    shown = [(row.first_name, row.order_date) for row in await report(world)]
    assert [at for name, at in shown if name == "Late" and at] == [NOON, NOON + 6 * DAY]
    assert [at for name, at in shown if name == "Early" and at] == [NOON, NOON + 9 * DAY - second]


async def test_an_erased_customer_has_neither_number_nor_name(told: Reporting) -> None:
    """What was sent and bought still counts; who it was cannot be read any more."""
    before = await compare(told.world, EVER)
    async with told.world.database.write() as session:
        ana = await lock_customer(session, told.people["Ana"])
        await erase_customer(session, ana, suppression_key=b"k", now=NOON + 21 * DAY)
    after = await compare(told.world, EVER)
    rows = [row for row in await report(told.world) if row.customer_id == "100"]
    assert {(row.contact, row.first_name) for row in rows} == {(None, None)}
    assert (after.rows, after.earned) == (before.rows, before.earned)


async def test_merged_customers_are_one_contact(told: Reporting) -> None:
    """Everything of both stands under the one who is kept, and the totals stay those of the statistics."""
    before = await compare(told.world, EVER)
    async with told.world.database.write() as session:
        kept, gone = await lock_customer(session, told.people["Ben"]), await lock_customer(session, told.people["Ana"])
        await merge_customers(session, kept, gone, now=NOON + 21 * DAY)
    after = await compare(told.world, EVER)
    rows = await report(told.world)
    assert "100" not in {row.customer_id for row in rows}
    assert {row.contact for row in rows if row.customer_id == "101"} == {"+447700900001"}
    assert after.rows[RowKind.MESSAGE] == before.rows[RowKind.MESSAGE]
    orders = [row.order_id for row in rows if row.kind is RowKind.ORDER]
    assert len(orders) == len(set(orders))


async def test_an_attributed_order_counts_whatever_else_is_gone(told: Reporting) -> None:
    """Of somebody who is in no journey any more it has a row too, so that no total loses it."""
    zoe = await told.person("Zoe")
    async with told.world.database.write() as session:
        journey_id, _ = told.journeys[JOURNEY]
        session.add(
            Order(
                store_id=told.world.store_id,
                customer_id=zoe,
                external_id="7001",
                ordered_at=NOON,
                updated_at=NOON,
                total_minor=100,
                currency="USD",
                attributed_by=AttributedBy.WINDOW,
                attributed_journey_id=journey_id,
            )
        )
    (row,) = [row for row in await report(told.world, page=2) if row.order_id == "7001"]
    assert (row.attributed, row.first_name, row.version) == (True, "Zoe", None)


async def test_who_entered_after_all_is_not_left_out(world: World) -> None:
    """A decision from before the entry says nothing any more; one from after it does."""
    reporting = Reporting(world)
    await reporting.journey(win_back())
    await reporting.leave_out("Ana", LeftOut.RECENT_ORDER, at=NOON - DAY)
    await reporting.enroll("Ana")
    await reporting.enroll("Ben", state=EnrollmentState.CLOSED, closed_at=NOON + HOUR)
    await reporting.leave_out("Ben", LeftOut.RE_ENTRY, at=NOON + 30 * DAY)
    await reporting.leave_out("Cy", LeftOut.PACED)
    reasons = [(row.first_name, row.reason) for row in await report(world)]
    assert reasons == [
        ("Ana", "state:waiting"),
        ("Ben", "closed:failed"),
        ("Ben", "left_out:re_entry"),
        ("Cy", "taken_off"),
    ]


async def test_a_version_that_was_only_proposed_leaves_nobody_out(world: World) -> None:
    """Neither in the report nor in the statistics: whoever it would leave out has the answer that they had."""
    reporting = Reporting(world)
    journey_id = await reporting.journey(win_back())
    await reporting.leave_out("Ana", LeftOut.NO_CONSENT)
    async with world.database.write() as session:
        (await session.get_one(Journey, journey_id)).state = JourneyState.ACTIVE
        _, version = await propose(session, world.store_id, win_back(code="OTHER5"), now=NOON)
    reporting.journeys[JOURNEY] = journey_id, required_id(version.id)
    for name in ("Ana", "Ben"):
        await reporting.leave_out(name, LeftOut.RECENT_ORDER)
    assert [(row.first_name, row.reason) for row in await report(world)] == [("Ana", "left_out:no_consent")]
    async with world.database.write() as session:
        found = (await counted(session, journey_id, EVER)).counts
        (await session.get_one(Journey, journey_id)).state = JourneyState.ARCHIVED
        await session.flush()
        asked = {name: await journeys_about(session, world.store_id, reporting.people[name]) for name in ("Ana", "Ben")}
    assert {name: len(journeys) for name, journeys in asked.items()} == {"Ana": 1, "Ben": 0}
    assert {key for key, number in found.items() if number and key.startswith("left_out")} == {
        "left_out",
        "left_out:no_consent",
    }


async def test_several_versions_and_passages(world: World) -> None:
    """A row names its own passage's version, and a code counts as used only where it is that version's."""
    reporting = Reporting(world)
    await reporting.journey(win_back(code="OLD5"))
    first = await reporting.enroll("Ana", state=EnrollmentState.CLOSED, closed_at=NOON + DAY)
    await reporting.send(first)
    async with world.database.read() as session:
        before = await context_of(session, await find_journey(session, world.store_id, JOURNEY), EVER)
    await reporting.journey(win_back(code=CODE))
    second = await reporting.enroll("Ana", at=NOON + 60 * DAY)
    await reporting.send(second, at=NOON + 60 * DAY)
    await reporting.order("Ana", NOON + HOUR, codes=("old5", "X"))
    await reporting.order("Ana", NOON + 61 * DAY, codes=("OLD5", "comeback10"))
    rows = await report(world)
    told = [(row.kind, row.version, row.coupon) for row in rows if row.kind is not RowKind.NOT_RECEIVED]
    assert told == [
        (RowKind.MESSAGE, 1, None),
        (RowKind.ORDER, 1, "old5"),
        (RowKind.MESSAGE, 2, None),
        (RowKind.ORDER, 2, "comeback10"),
    ]
    earlier = [row async for _, rows in row_pages(world.database, before) for row in rows]
    # A version that was published since a report began is for the next one; an order of the journey's counts at once.
    assert [row.version for row in earlier] == [1, 1, None]
