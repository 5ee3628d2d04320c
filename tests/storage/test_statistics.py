"""A journey's numbers against what was counted by hand, on both databases."""

from collections import Counter
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from storage.customers import lock_customer
from storage.erasure import erase_customer
from storage.ingest import lock_customers
from storage.merging import merge_customers
from storage.statistics.grouping import By, RowLabel
from storage.statistics.lists import Listed, UnknownKeyError, keys_of, list_rows
from storage.statistics.period import EVER, Period
from storage.statistics.times import Times
from storage.statistics.totals import Revenue, Totals, totals, totals_by
from tests.counted import COUNTS, CREDITS, FIRST_DAY, Counted, at, count_one_of_each
from tests.worlds import World

LONDON = ZoneInfo("Europe/London")


@pytest.fixture
async def told(world: World) -> Counted:
    """The journey with one passage of every sort."""
    return await count_one_of_each(world)


async def count(told: Counted, period: Period = EVER) -> Totals:
    """The journey's numbers."""
    async with told.world.database.read() as session:
        return await totals(session, told.journey_id, period)


async def split(told: Counted, by: By, period: Period = EVER) -> list[tuple[RowLabel, Totals]]:
    """The numbers in rows."""
    async with told.world.database.read() as session:
        return await totals_by(session, told.journey_id, by, zone=LONDON, period=period)


async def opened(told: Counted, key: str, period: Period = EVER, *, page: int = 1000) -> list[Listed]:
    """Everything behind a number, page by page."""
    found: list[Listed] = []
    async with told.world.database.read() as session:
        while True:
            after = found[-1].id if found else None
            rows = await list_rows(session, told.journey_id, key, period, after=after, limit=page)
            found += rows
            if len(rows) < page:
                return found


async def every_key(told: Counted) -> list[str]:
    """The keys of the journey, with the codes that there are."""
    async with told.world.database.read() as session:
        keys = await keys_of(session, told.journey_id)
    return [key for key in keys if not key.endswith("CODE")] + [key for key in COUNTS if ":failed:" in key]


def added(rows: list[tuple[RowLabel, Totals]]) -> tuple[Counter[str], int, dict[str, tuple[int, int, int]]]:
    """Counts, credits and revenue of all rows together."""
    counts: Counter[str] = sum((found.counts for _, found in rows), Counter())
    revenue: dict[str, tuple[int, int, int]] = {}
    for _, found in rows:
        for currency, one in found.revenue.items():
            window, coupon, with_code = revenue.get(currency, (0, 0, 0))
            revenue[currency] = (window + one.window, coupon + one.coupon, with_code + one.with_code)
    return counts, sum(found.credits for _, found in rows), revenue


async def test_every_number_is_what_was_counted_by_hand(told: Counted) -> None:
    """Passages, messages, orders, credits and times of one passage of every sort."""
    found = await count(told)
    assert dict(found.counts) == COUNTS
    assert dict(found.revenue) == {"USD": Revenue(3600, 4000, 6500), "EUR": Revenue(1000, 0, 0)}
    assert found.credits == CREDITS
    # Dee, Noa and Sam after two hours, Fay after a day; Sam's order after six, the others after 13, 57.5 and 135.
    assert found.to_reply == Times(4, 2 * 3600, 24 * 3600)
    assert found.to_order == Times(4, 13 * 3600, 135 * 3600)


async def test_where_they_are_and_how_it_ended_sums_to_those_who_started(told: Counted) -> None:
    """The partition leaves nobody out and counts nobody twice."""
    counts = (await count(told)).counts
    parts = sum(number for key, number in counts.items() if key.startswith(("state:", "closed:")))
    assert (
        parts == counts["started"] == sum(counts[key] for key in counts if key.startswith("state:")) + counts["closed"]
    )
    states = sum(number for key, number in counts.items() if key.startswith("messages:state:"))
    assert states == 12


async def test_every_number_can_be_opened(told: Counted) -> None:
    """A list has as many rows as its number says, each once, whatever the size of a page."""
    counts = (await count(told)).counts
    for key in await every_key(told):
        rows = await opened(told, key)
        assert (key, len(rows), len({row.id for row in rows})) == (key, counts[key], counts[key])
        assert [row.at for row in rows if row.at is not None] == sorted(row.at for row in rows if row.at is not None)


async def test_pages_are_the_list(told: Counted) -> None:
    """Whatever the size of a page, everything comes once and in its order, also where several have the same moment."""
    for key in ("started", "messages:sent", "orders", "left_out"):
        assert await opened(told, key, page=2) == await opened(told, key)


async def test_a_period_opens_what_it_counts(told: Counted) -> None:
    """Numbers and lists are narrowed alike."""
    sunday = Period(FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2), LONDON)
    counts = (await count(told, sunday)).counts
    # From midnight on, twelve hours after the first noon, until the next, which is 23 hours later.
    assert {key: counts[key] for key in ("started", "messages:sent", "orders", "left_out", "paced", "control")} == {
        "started": 1,
        "messages:sent": 1,
        "orders": 1,
        "left_out": 1,
        "paced": 0,
        "control": 0,
    }
    for key in ("started", "closed", "control", "paced", "left_out", "orders", "messages:sent", "stage:1:replied"):
        assert (key, len(await opened(told, key, sunday))) == (key, counts[key])


@pytest.mark.parametrize("by", list(By))
async def test_rows_add_up_to_the_whole(told: Counted, by: By) -> None:
    """By version, day, week or coupon, in all time or in a period, nothing is lost and nothing counted twice."""
    for period in (EVER, Period(FIRST_DAY, FIRST_DAY + timedelta(days=1), LONDON)):
        whole, rows = await count(told, period), await split(told, by, period)
        counts, credits_, revenue = added(rows)
        assert counts == whole.counts
        assert credits_ == whole.credits
        assert revenue == {currency: (one.window, one.coupon, one.with_code) for currency, one in whole.revenue.items()}


async def test_a_period_may_reach_to_the_ends_of_the_calendar(told: Counted) -> None:
    """Whoever writes year 1 for "from the beginning" gets everything."""
    assert (await count(told, Period(date.min, date.max, LONDON))).counts == COUNTS


async def test_periods_that_meet_add_up(told: Counted) -> None:
    """What is before a day and what is from that day on are everything."""
    for days in range(4):
        border = FIRST_DAY + timedelta(days=days)
        before, after = await count(told, Period(None, border, LONDON)), await count(told, Period(border, None, LONDON))
        assert before.counts + after.counts == Counter(COUNTS)


async def test_each_fact_has_its_own_local_day(told: Counted) -> None:
    """The Sunday on which the clocks go forward has 23 hours; entering, ending and ordering each have their day."""
    rows = {label.day: found.counts for label, found in await split(told, By.DAY)}
    days = [FIRST_DAY + timedelta(days=number) for number in range(4)]
    assert [rows[day]["started"] for day in days] == [14, 1, 0, 0]
    assert [rows[day]["closed"] for day in days] == [5, 4, 0, 1]
    assert [rows[day]["orders"] for day in days] == [0, 1, 0, 2]
    assert [rows[day]["paced"] for day in days] == [0, 0, 1, 0]
    assert [rows[day]["completed"] for day in days] == [2, 1, 0, 1]
    weeks = [(label.day, found.counts["started"]) for label, found in await split(told, By.WEEK)]
    assert weeks == [(date(2026, 3, 23), 15), (date(2026, 3, 30), 0)]


async def test_versions_and_coupons_have_their_own_numbers(told: Counted) -> None:
    """A passage counts for the version that it entered with, and for that one's coupon."""
    versions = {label.version: found for label, found in await split(told, By.VERSION)}
    assert {number: found.counts["started"] for number, found in versions.items()} == {1: 13, 2: 2}
    assert (versions[1].to_reply.number, versions[2].to_reply) == (3, Times(1, 24 * 3600, 24 * 3600))
    coupons = {label.coupon: found for label, found in await split(told, By.COUPON)}
    assert set(coupons) == {"BACK10", "personal 10%"}
    assert coupons["personal 10%"].revenue == {"USD": Revenue(0, 4000, 4000)}
    assert coupons["BACK10"].credits == 8


async def test_a_list_says_who_and_why(told: Counted) -> None:
    """Each row has what belongs to its subject; somebody who was merged is shown as who they are now."""
    [merged] = await opened(told, "closed:customer_merged")
    assert (merged.first_name, merged.phone, merged.customer_id) == ("Ann", "+447700900001", "1")
    assert (merged.enrollment_id, merged.reason, merged.at) == ("enr-Ros", "customer_merged", at(13))
    [failed] = await opened(told, "stage:2:failed:131049")
    assert (failed.stage, failed.code, failed.state, failed.version) == (1, 131049, "accepted", 1)
    [coupon] = await opened(told, "orders:coupon")
    assert (str(coupon.total), coupon.attributed_by, coupon.version) == ("40.00 USD", "coupon", 2)
    [left] = await opened(told, "left_out:no_consent")
    assert (left.first_name, left.reason, left.seen, left.threshold) == ("Pia", "no_consent", "seen", "asked")
    [paced] = await opened(told, "paced")
    assert (paced.day, paced.at) == (FIRST_DAY + timedelta(days=2), None)
    [held] = await opened(told, "holding:hours")
    assert (held.reason, held.stage) == ("hours", 0)
    [watching] = await opened(told, "state:watching")
    assert watching.stage is None


async def test_an_unknown_key_is_refused_with_those_that_there_are(told: Counted) -> None:
    """Whoever mistypes one finds the right one in the refusal."""
    for key in ("", "start", "closed:bought", "stage:3:sent", "stage:0:sent", "stage:1:failed:x", "messages:failed:-1"):
        with pytest.raises(UnknownKeyError, match=r"exited:unsubscribed, .*stage:2:failed:CODE"):
            await opened(told, key)


async def test_a_code_that_nobody_has_seen_has_no_rows(told: Counted) -> None:
    """Every code of WhatsApp's is a key, also one too large for a database's number."""
    assert await opened(told, "messages:failed:999") == []
    with pytest.raises(UnknownKeyError):
        await opened(told, f"messages:failed:{2**31}")


async def test_a_page_behind_a_row_that_is_none_of_the_numbers_is_empty(told: Counted) -> None:
    """A made-up `after` is no error and shows nothing twice."""
    async with told.world.database.read() as session:
        for after in ("enr-Nobody", "x" * 40, "9" * 30, "enr-\0", "enr-\udcff"):
            for key in ("started", "orders"):
                assert await list_rows(session, told.journey_id, key, after=after, limit=5) == []


async def test_erasing_everybody_changes_no_number_of_what_happened(told: Counted) -> None:
    """What was done and bought still counts; only what was decided about those who never entered is gone."""
    before = await count(told)
    async with told.world.database.write() as session:
        for customer_id in told.customers.values():
            customer = await lock_customer(session, customer_id)
            await erase_customer(session, customer, suppression_key=b"k" * 32, now=told.world.now)
    after = await count(told)
    gone = {"paced", "left_out", "left_out:no_consent"}
    assert after.counts == Counter({key: number for key, number in COUNTS.items() if key not in gone})
    assert (after.revenue, after.credits) == (before.revenue, before.credits)
    assert (after.to_reply, after.to_order) == (before.to_reply, before.to_order)
    assert {(row.phone, row.first_name) for row in await opened(told, "started")} == {(None, None)}


async def test_people_who_turn_out_to_be_one_are_counted_as_before(told: Counted) -> None:
    """Nobody's passage, message or order is lost or counted twice, and each list still has its number of rows."""
    before = await count(told)
    async with told.world.database.write() as session:
        for kept, gone in (("Tom", "Bea"), ("Kim", "Dee"), ("Max", "Fay"), ("Pia", "Sam")):
            found = await lock_customers(session, [told.customers[kept], told.customers[gone]])
            await merge_customers(session, found[told.customers[kept]], found[told.customers[gone]], now=told.world.now)
    after = await count(told)
    # Sam's decisions and Pia's are one story now, and the newest of them still leaves out.
    assert after.counts == before.counts
    assert after.revenue == before.revenue
    assert (after.to_reply, after.to_order) == (before.to_reply, before.to_order)
    rows = await opened(told, "closed:purchased")
    assert [(row.enrollment_id, row.first_name) for row in rows] == [("enr-Bea", "Tom")]
    assert len(await opened(told, "orders")) == COUNTS["orders"]


async def test_a_journey_without_anybody_has_zeros(world: World) -> None:
    """Nothing is divided by nothing, and no row is made up."""
    async with world.database.write() as session:
        told = Counted(world, session)
        await told.open()
    found = await count(told)
    assert (found.counts, dict(found.revenue), found.credits, found.to_reply) == (Counter(), {}, 0, Times())
    assert await split(told, By.DAY) == []
    assert [found.is_empty for _, found in await split(told, By.VERSION)] == [True, True]
    assert await opened(told, "started") == []
