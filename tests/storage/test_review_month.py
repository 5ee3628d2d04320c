"""A month of reviews in which anything may happen: each last message is analysed once, and none is forgotten."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from models.enums import (
    MessageAuthor,
)
from models.tables import Conversation, TrackingRun
from storage.engine import Database
from storage.secrets import Cipher, new_key
from tests.reviewing import Reviews, tracking
from tests.worlds import NOON, World

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)

_stores = itertools.count(1)
_happenings = st.one_of(
    *[st.tuples(st.just("write"), st.integers(0, 1), st.sampled_from([0, 0, 0, 5, 26, 47]))] * 3,
    st.tuples(st.just("answer"), st.integers(0, 1)),
    *[st.tuples(st.just("run"))] * 2,
    st.tuples(st.just("stopped"), st.integers(0, 2)),
    st.tuples(st.just("killed"), st.integers(0, 2)),
    st.tuples(st.just("lost"), st.integers(0, 2)),
    st.tuples(st.just("two"), st.integers(0, 2)),
)
_steps = st.tuples(st.sampled_from([0, 1, 1, 3, 12, 23, 24, 25, 72]), _happenings)
"""Hours that pass, and what happens then."""


class Month:
    """A store's month: two chats, and runs that are stopped, killed, lost or beside each other."""

    def __init__(self, reviews: Reviews, customers: list[int]) -> None:
        self.reviews, self.customers = reviews, customers
        self.now = NOON
        self.asked: list[tuple[int, str]] = []
        self.at: dict[int, list[datetime]] = {}
        self.theirs: dict[int, bool] = {}
        self._runs = itertools.count(1)

    async def live(self, hours: int, happening: tuple[Any, ...]) -> None:
        """Let so much time pass, and one thing happen."""
        self.now += hours * HOUR + MINUTE
        match happening:
            case ("write", who, late):
                await self.reviews.say(self.customers[who], self.now - late * HOUR, heard=self.now)
            case ("answer", who):
                await self.reviews.say(self.customers[who], self.now, author=MessageAuthor.AGENT)
            case ("run",):
                await self.run()
            case ("stopped", done):
                run = await self.reviews.consider(self.key(), now=self.now, limit=2)
                await self.analyse(run, most=done)
                await self.reviews.finish(run, now=self.now, stop_reason="no_credits")
            case ("killed", pages):
                key = self.key()
                run = await self.begin(key)
                for _ in range(pages):
                    await self.reviews.page(run, now=self.now, limit=1)
                self.now += HOUR
                await self.run(key)
            case ("lost", pages):
                run = await self.begin(self.key())
                for _ in range(pages):
                    await self.reviews.page(run, now=self.now, limit=1)
                await self.analyse(run, most=1)
            case ("two", pages):
                first, second = await self.begin(self.key()), await self.begin(self.key())
                for _ in range(pages):
                    await self.reviews.page(second, now=self.now, limit=2)
                    await self.reviews.page(first, now=self.now, limit=1)
                await self.run(second.run_key)
                await self.run(first.run_key)

    def key(self) -> str:
        """The next run's."""
        return f"run-{next(self._runs)}"

    async def begin(self, key: str) -> TrackingRun:
        """A run that considers nobody yet."""
        run = await self.reviews.begin(key, now=self.now)
        assert run is not None
        return run

    async def run(self, key: str | None = None) -> None:
        """A run from its beginning to its end."""
        run = await self.reviews.consider(key or self.key(), now=self.now, limit=2)
        await self.analyse(run)
        await self.reviews.finish(run, now=self.now)

    async def analyse(self, run: TrackingRun, *, most: int = 1000) -> None:
        """Its analyses, written down."""
        asked = await self.reviews.analyse(run, now=self.now, most=most)
        self.asked += asked
        for chat, _ in asked:
            self.at.setdefault(chat, []).append(run.started_at)


async def _live(database: Database, steps: list[tuple[int, tuple[Any, ...]]]) -> None:
    n = next(_stores)
    world = World(database, Cipher([new_key()]))
    names = {"phone_number_id": f"9{n:014}", "shop_domain": f"s{n}.myshopify.com"}
    await world.add_store(f"s{n}", waba_id=f"8{n:014}", **names)
    reviews = Reviews(world)
    await reviews.launch(tracking())
    month = Month(reviews, [await world.customer(f"+44770090010{n}", external_id=f"c{n}") for n in range(2)])
    await month.run()
    for hours, happening in steps:
        await month.live(hours, happening)
    for _ in range(2):
        month.now += 25 * HOUR
        await month.run()
    assert len(month.asked) == len(set(month.asked))
    for times in month.at.values():
        assert all(b - a >= DAY - 30 * MINUTE for a, b in itertools.pairwise(sorted(times)))
    async with database.read() as session:
        chats = await session.exec(
            select(Conversation).where(
                Conversation.store_id == world.store_id,
                col(Conversation.silent_since).is_(None),
                col(Conversation.last_spoken_key).is_not(None),
            )
        )
        for chat in chats:
            assert (chat.id, chat.last_spoken_key) in month.asked


_WRITES, _RUNS = ("write", 0, 0), ("run",)
_AGAIN: list[tuple[int, tuple[Any, ...]]] = [(1, _WRITES), (1, _RUNS), (1, _WRITES), (1, _RUNS)]
"""Two runs on one day, and a message between them: it is left to the next one."""


@example(steps=_AGAIN)
@example(steps=[*_AGAIN, (23, ("lost", 0))])
@example(steps=[(1, _WRITES), (1, ("lost", 0))])
@example(steps=[(1, ("write", 0, 26))])
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(_steps, max_size=12))
async def test_every_last_message_is_analysed_exactly_once(
    database: Database, steps: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """Whatever days are off and however runs are stopped, killed, lost or doubled: none twice, and none forgotten."""
    await _live(database, steps)
