"""Room for one more recipient: never more than WhatsApp allows, on both databases and with many workers."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.enums import AttemptStatus, EnrollmentState, HoldReason, JourneyKind, StoreEventKind
from models.tables import (
    Customer,
    Enrollment,
    Journey,
    Number,
    RecipientWindow,
    SendAttempt,
    SignalIntent,
    Store,
    StoreEvent,
    WindowRecipient,
)
from policies.allowance import COUNTED_FOR, TURN_AFTER, kept_from
from storage.allowances import NoRoom, Wanted, find_room
from storage.engine import Database
from storage.enrollments import set_holding, set_waiting
from storage.erasure import erase_customer
from storage.number_news import note_limit, note_quality
from storage.recipient_windows import forget_old
from storage.stores import required_id
from tests.worlds import NOON, PHONE_NUMBER_ID, WABA, World, later, make_world

LONDON = ZoneInfo("Europe/London")
WIN_BACK, FOLLOW_UP = JourneyKind.WIN_BACK, JourneyKind.FOLLOW_UP
ROOM = f"allowance:{PHONE_NUMBER_ID}"


@dataclass
class Desk:
    """A store with people in a journey, who ask for room as a claim does."""

    world: World
    people: list[int] = field(default_factory=list)
    enrollments: list[str] = field(default_factory=list)

    async def ask(
        self,
        person: int,
        at: datetime = NOON,
        *,
        kind: JourneyKind = WIN_BACK,
        database: Database | None = None,
        holds: bool = True,
    ) -> NoRoom | None:
        """Take room for a message, or wait; None if there was room."""
        async with (database or self.world.database).write() as session:
            enrollment = await session.get_one(Enrollment, self.enrollments[person])
            customer = await session.get_one(Customer, self.people[person])
            room = await find_room(
                session,
                Wanted(
                    number=await session.get_one(Number, self.world.number_id),
                    address=customer.phone or customer.wa_user_id or "",
                    customer_id=required_id(customer.id),
                    kind=kind,
                    enrollment=enrollment,
                    zone=LONDON,
                    at=at,
                ),
                self.world.cipher,
            )
            if isinstance(room, NoRoom):
                if holds:
                    reason = HoldReason.PORTFOLIO_LIMIT
                    set_holding(session, enrollment, reason=reason, key=room.key, until=room.until, now=at)
                return room
            if room is not None:
                await room.take()
            set_waiting(enrollment, stage=1, due_at=at, stages=2)
            return None

    async def set(self, *, at: datetime = NOON, limit: int | None = None, quality: str | None = None) -> None:
        """Meta tells something of the number."""
        async with self.world.database.write() as session:
            number = await session.get_one(Number, self.world.number_id)
            if limit is not None:
                note_limit(session, number, limit, at=at, now=at)
            if quality is not None:
                await note_quality(session, number, quality, at=at, now=at)

    async def warm_up(self, rule: str) -> None:
        """Staff give the number a warm-up."""
        async with self.world.database.write() as session:
            (await session.get_one(Number, self.world.number_id)).warm_up = rule

    async def used(self, key: str) -> int:
        """How many a count has, by its row; it has as many rows."""
        (window,) = [one for one in await self.world.rows(RecipientWindow) if one.key == key]
        rows = [one for one in await self.world.rows(WindowRecipient) if one.window_id == window.id]
        assert window.used == len(rows)
        assert window.used_kept == sum(one.kept for one in rows)
        return len(rows)

    async def told(self) -> list[str]:
        """Who was told that there is more room."""
        return [one.broadcast_key for one in await self.world.rows(SignalIntent) if one.broadcast_key]


async def open_desk(database: Database, people: int, **news: object) -> Desk:
    """A desk for so many people in a store of its own."""
    return await open_desk_in(await make_world(database), people, **news)


async def open_desk_in(world: World, people: int, **news: object) -> Desk:
    """The same in a store that is there."""
    desk = Desk(world)
    for number in range(people):
        person = await desk.world.customer(f"+{447700900100 + number}", external_id=str(number))
        desk.people.append(person)
        desk.enrollments.append(await desk.world.enroll(person))
    if news:
        await desk.set(**news)  # type: ignore[arg-type]
    return desk


walks = st.lists(st.tuples(st.integers(0, 900), st.integers(0, 7), st.booleans()), min_size=1, max_size=25)


@pytest.fixture
async def desk(sqlite_database: Database) -> Desk:
    """Eight people and no limit yet."""
    return await open_desk(sqlite_database, 8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limit=st.integers(1, 6), walk=walks)
async def test_the_count_is_what_a_naive_one_says(desk: Desk, limit: int, walk: list[tuple[int, int, bool]]) -> None:
    """Over any times, people and kinds: room is given exactly when the last day's distinct recipients leave it."""
    async with desk.world.database.write() as session:
        number = await session.get_one(Number, desk.world.number_id)
        number.portfolio_id, number.daily_limit = f"p-{next(_FRESH)}", limit
    at, written_to = NOON, dict[int, tuple[datetime, bool]]()
    for minutes, person, kept in walk:
        at += timedelta(minutes=minutes, seconds=1)
        day = {one: was for one, was in written_to.items() if was[0] > at - COUNTED_FOR}
        kind = FOLLOW_UP if kept else WIN_BACK
        others = sum(not was[1] for was in day.values())
        fits = person in day or (len(day) < limit and (kept or others < kept_from(limit, kind)))
        assert (await desk.ask(person, at, kind=kind, holds=False) is None) == fits
        if fits:
            written_to[person] = (at, day[person][1] if person in day else kept)
        assert sum(was[0] > at - timedelta(days=1) for was in written_to.values()) <= limit


_FRESH = count()


@pytest.mark.parametrize("tier", [1, 3, 8])
async def test_many_workers_at_once_never_pass_the_limit(database: Database, tier: int) -> None:
    """Claims from several connections pools race for the last places: as many get one as there are, and nobody else."""
    people = 24
    desk = await open_desk(database, people, limit=tier)
    url = database.engine.url.render_as_string(hide_password=False)
    others = [database, Database(url), Database(url)]
    try:
        answers = await asyncio.gather(
            *(desk.ask(one, kind=FOLLOW_UP, database=others[one % 3], holds=False) for one in range(people))
        )
    finally:
        for other in others[1:]:
            await other.close()
    assert sum(answer is None for answer in answers) == tier
    assert await desk.used(f"portfolio:waba-{WABA}") == tier


async def test_those_who_wait_are_given_one_place_each(world: World) -> None:
    """Of seven who wait for three places, three come a day later, three two days later; a newcomer steals none."""
    desk = await open_desk_in(world, 11, limit=3)
    for person in range(3):
        assert await desk.ask(person, later(minutes=person), kind=FOLLOW_UP) is None
    waits = [await desk.ask(person, later(minutes=10), kind=FOLLOW_UP) for person in range(3, 10)]
    places = [later(minutes=one) for one in range(3)]
    assert [one.until if one else None for one in waits] == [
        *(place + TURN_AFTER for place in places),
        *(place + 2 * TURN_AFTER for place in places),
        places[0] + 3 * TURN_AFTER,
    ]
    first = later(minutes=0) + TURN_AFTER
    newcomer = await desk.ask(10, first, kind=FOLLOW_UP)
    assert newcomer is not None
    assert newcomer.until == places[1] + 3 * TURN_AFTER
    assert await desk.ask(3, first, kind=FOLLOW_UP) is None
    assert await desk.ask(4, first, kind=FOLLOW_UP) is not None
    assert await desk.ask(4, later(minutes=1) + TURN_AFTER, kind=FOLLOW_UP) is None
    assert await desk.used(f"portfolio:waba-{WABA}") == 3


async def test_a_place_that_nobody_comes_for_is_given_to_others(world: World) -> None:
    """An hour after their turn somebody else may have it; those who left keep nobody waiting."""
    desk = await open_desk_in(world, 4, limit=1)
    assert await desk.ask(0, kind=FOLLOW_UP) is None
    assert await desk.ask(1, kind=FOLLOW_UP) is not None
    turn = NOON + TURN_AFTER
    assert await desk.ask(2, turn + timedelta(minutes=59), kind=FOLLOW_UP) is not None
    assert await desk.ask(3, turn + timedelta(minutes=61), kind=FOLLOW_UP) is None


async def test_a_fifth_stays_free_for_follow_ups_and_carts(world: World) -> None:
    """Win-backs fill four fifths and wait, each for a win-back's place; a follow-up still goes and waits apart."""
    desk = await open_desk_in(world, 9, limit=5)
    answers = [await desk.ask(person, later(minutes=person)) for person in range(5)]
    assert [one is None for one in answers] == [True, True, True, True, False]
    assert answers[4] == NoRoom(NOON + TURN_AFTER, f"portfolio:waba-{WABA}")
    assert await desk.ask(5, later(minutes=6), kind=FOLLOW_UP) is None
    assert await desk.ask(6, later(minutes=7), kind=FOLLOW_UP) == NoRoom(
        NOON + TURN_AFTER, f"portfolio:waba-{WABA}:kept"
    )
    await desk.set(limit=10)
    assert sorted(await desk.told()) == sorted([f"portfolio:waba-{WABA}", f"portfolio:waba-{WABA}:kept", ROOM])
    assert await desk.ask(4, later(minutes=8)) is None


async def test_somebody_who_is_counted_costs_nothing_more(world: World) -> None:
    """A second message within the day needs no room, and lets the person count from then on."""
    desk = await open_desk_in(world, 2, limit=1)
    assert await desk.ask(0) is None
    assert await desk.ask(0, later(hours=12)) is None
    assert await desk.ask(1, NOON + TURN_AFTER) == NoRoom(later(hours=12) + TURN_AFTER, f"portfolio:waba-{WABA}")
    assert await desk.ask(0, later(days=3)) is None
    assert await desk.used(f"portfolio:waba-{WABA}") == 1


async def test_a_clock_that_goes_back_counts_on(world: World) -> None:
    """Activities are claimed in another order than they started: who is counted later leaves later."""
    desk = await open_desk_in(world, 3, limit=2)
    assert await desk.ask(0, later(seconds=10), kind=FOLLOW_UP) is None
    assert await desk.ask(1, NOON, kind=FOLLOW_UP) is None
    answer = await desk.ask(2, NOON + COUNTED_FOR + timedelta(seconds=5), kind=FOLLOW_UP)
    assert answer is not None
    assert answer.until == later(seconds=10) + TURN_AFTER


async def test_a_lowered_limit_lets_as_many_leave_first_as_are_too_many(world: World) -> None:
    """Nobody is let in until there are fewer than the new limit."""
    desk = await open_desk_in(world, 5, limit=4)
    for person in range(4):
        await desk.ask(person, later(minutes=person), kind=FOLLOW_UP)
    await desk.set(limit=2)
    answer = await desk.ask(4, later(hours=1), kind=FOLLOW_UP)
    assert answer is not None
    assert answer.until == later(minutes=2) + TURN_AFTER
    assert await desk.ask(4, answer.until, kind=FOLLOW_UP) is None


async def test_stores_of_one_portfolio_share_its_limit(world: World) -> None:
    """The same phone at two stores is one recipient, another one is another; a stranger's portfolio is its own."""
    desk = await open_desk_in(world, 2, limit=1)
    other = await world.add_store("other", phone_number_id="2", shop_domain="b.example", waba_id="9", portfolio_id="p")
    async with world.database.write() as session:
        (await session.get_one(Number, world.number_id)).portfolio_id = "p"
    mine = await desk.ask(0)
    assert mine is None
    first, number_id = world.store_id, world.number_id
    world.store_id = other
    world.number_id = next(one.id for one in await world.rows(Number) if one.store_id == other)
    there = Desk(world)
    for phone in ("+447700900100", "+447700900101"):
        there.people.append(await world.customer(phone, external_id=phone))
        there.enrollments.append(await world.enroll(there.people[-1]))
    await there.set(limit=1)
    assert await there.ask(0, later(minutes=1)) is None
    assert await there.ask(1, later(minutes=1)) is not None
    world.store_id, world.number_id = first, number_id


async def test_a_limit_that_is_told_late_counts_what_was_sent_before(world: World) -> None:
    """The first count is made from our own attempts of the last day, those that failed at once left out."""
    desk = await open_desk_in(world, 6)
    world.now = later(days=-2)
    await world.claim(desk.enrollments[0])
    world.now = later(hours=-20)
    for person in (1, 2, 3):
        await world.claim(desk.enrollments[person])
    async with world.database.write() as session:
        failed = await session.get_one(SendAttempt, f"{desk.enrollments[3]}:1:1:1")
        failed.status = AttemptStatus.FAILED
    world.now = NOON
    await desk.set(limit=4)
    assert await desk.ask(4) is None
    assert await desk.used(f"portfolio:waba-{WABA}") == 3
    answer = await desk.ask(5)
    assert answer is not None
    assert later(hours=-20) + TURN_AFTER <= answer.until <= later(hours=-20, seconds=1) + TURN_AFTER


async def test_a_number_without_limits_is_not_counted(world: World) -> None:
    """No row is written while Meta tells of no limit and the number is green and not warmed up."""
    desk = await open_desk_in(world, 1, limit=-1, quality="GREEN")
    assert await desk.ask(0) is None
    assert await world.rows(RecipientWindow) == []


async def test_a_warm_up_takes_a_step_on_each_day_on_which_it_sends(world: World) -> None:
    """Two a day, then three, then four; a week without a message is no step; who waits is told of the new day's."""
    desk = await open_desk_in(world, 12, limit=-1)
    await desk.warm_up("start=2,grow=1.5,ceiling=tier")

    async def sent(days: int, *people: int) -> int:
        answers = [await desk.ask(one, later(days=days, minutes=one)) for one in people]
        return sum(one is None for one in answers)

    assert await sent(0, 0, 1, 2) == 2
    assert await desk.told() == []
    assert await sent(8, 3, 4, 5, 6) == 3
    assert await sent(10, 7, 8, 9, 10, 11) == 4
    (window,) = [one for one in await world.rows(RecipientWindow) if one.key == ROOM]
    assert (window.sending_days, window.last_day) == (3, later(days=10).date())


async def test_the_next_day_of_a_warm_up_lets_those_who_wait_ask_again(world: World) -> None:
    """What they were promised was reckoned with the day before's number."""
    desk = await open_desk_in(world, 5, limit=-1)
    await desk.warm_up("start=1,grow=2,ceiling=tier")
    assert await desk.ask(0) is None
    waits = [await desk.ask(person) for person in (1, 2)]
    assert [one.key for one in waits if one] == [ROOM, ROOM]
    assert await desk.ask(1, NOON + TURN_AFTER) is None
    assert await desk.told() == [ROOM]
    assert await desk.ask(2, NOON + TURN_AFTER) is None


async def test_a_yellow_number_may_do_half(world: World) -> None:
    """Of a limit of four two are left, recounted from what was sent; when it is green again, who waits is told."""
    desk = await open_desk_in(world, 6, limit=4)
    await world.claim(desk.enrollments[0])
    await desk.set(quality="YELLOW")
    assert [await desk.ask(person, kind=FOLLOW_UP) is None for person in (1, 2)] == [True, False]
    assert await desk.used(ROOM) == 2
    await world.claim(desk.enrollments[1])
    await desk.set(quality="GREEN", at=later(hours=1))
    assert ROOM in await desk.told()
    assert [await desk.ask(person, later(hours=1), kind=FOLLOW_UP) is None for person in (2, 3, 4)] == [
        True,
        True,
        False,
    ]
    (event, second) = await world.rows(StoreEvent)
    assert event.kind is second.kind is StoreEventKind.NUMBER_QUALITY_CHANGED
    assert event.detail == {"number": PHONE_NUMBER_ID, "quality": "YELLOW", "before": "UNKNOWN"}
    assert (event.mail_outcome, second.mail_outcome) == (None, None)


async def test_red_is_told_by_mail_and_its_end_releases_who_waits(world: World) -> None:
    """One mail for one change, whatever is told again; the number's own key is released when it is better."""
    async with world.database.write() as session:
        (await session.get_one(Store, world.store_id)).alert_emails = ["owner@example.com"]
    desk = await open_desk_in(world, 1, quality="RED")
    await desk.set(quality="RED", at=later(hours=1))
    (event,) = await world.rows(StoreEvent)
    assert event.mail_next_at == NOON
    await desk.set(quality="GREEN", at=later(hours=2))
    assert f"number:{PHONE_NUMBER_ID}" in await desk.told()


async def test_whom_we_wrote_to_is_forgotten_after_the_day(world: World) -> None:
    """Upkeep lets go of them whether or not somebody needs the place, and the count stays right."""
    desk = await open_desk_in(world, 2, limit=5)
    assert await desk.ask(0) is None
    assert await desk.ask(1, later(hours=2)) is None
    async with world.database.write() as session:
        await forget_old(session, await session.get_one(Number, world.number_id), now=NOON + COUNTED_FOR)
    assert await desk.used(f"portfolio:waba-{WABA}") == 1


async def test_an_erased_recipient_still_counts_and_can_be_told_by_nobody(world: World) -> None:
    """Meta goes on counting: the place stays taken, and who it was is gone."""
    desk = await open_desk_in(world, 2, limit=1)
    assert await desk.ask(0, kind=FOLLOW_UP) is None
    (before,) = await world.rows(WindowRecipient)
    async with world.database.write() as session:
        customer = await session.get_one(Customer, desk.people[0], with_for_update=True)
        await erase_customer(session, customer, suppression_key=b"key", now=NOON)
    (after,) = await world.rows(WindowRecipient)
    assert after.customer_id is None
    assert after.recipient.startswith("erased:")
    assert before.recipient not in after.recipient
    assert await desk.ask(1, kind=FOLLOW_UP) is not None
    assert (await world.rows(Journey))[0].id == 1
    assert (await world.one(Enrollment, desk.enrollments[1])).state is EnrollmentState.HOLDING
