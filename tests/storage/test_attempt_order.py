"""Attempts, their workers' records and their statuses in any order: what must hold of a send whatever comes first."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.enums import AttemptStatus, SendState
from models.tables import Send, SendAttempt
from storage.customers import lock_customer
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.sends import claim, is_over, record_accepted, record_failed, record_unknown, settle
from storage.status_matching import apply_kept_statuses
from storage.statuses import Report, StatusPiece
from tests.worlds import NOON, World, later

_numbers = itertools.count(1)


class Fate(Enum):
    """What really becomes of an attempt, whoever hears of it and when."""

    REFUSED = auto()
    FAILS = auto()
    """Taken, and reported as failed later."""
    ARRIVES = auto()


class Told(Enum):
    """What an attempt's worker hears of it."""

    ANSWER = auto()
    NOTHING = auto()
    """The line breaks."""


_REPORTS = {
    Fate.REFUSED: (),
    Fate.FAILS: (Report.SENT, Report.FAILED),
    Fate.ARRIVES: (Report.SENT, Report.DELIVERED, Report.READ),
}
_SECONDS = {Report.SENT: 1, Report.DELIVERED: 2, Report.READ: 3, Report.FAILED: 4}

Step = tuple[str, int]
steps = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.just(0)),
        st.tuples(st.just("park"), st.just(0)),
        st.tuples(st.just("record"), st.integers(0, 2)),
        st.tuples(st.just("report"), st.integers(0, 8)),
    ),
    max_size=10,
)
fates = st.tuples(*[st.tuples(st.sampled_from(Fate), st.sampled_from(Told))] * 3)


@dataclass
class Story:
    """One send, its attempts so far, and what is still to be told of them."""

    world: World
    fates: tuple[tuple[Fate, Told], ...]
    enrollment: str = ""
    customer: int = 0
    attempts: list[str] = field(default_factory=list)
    unrecorded: set[int] = field(default_factory=set)
    was_over: bool = False

    async def begin(self) -> None:
        """A customer in a journey, and the first claim."""
        number = next(_numbers)
        self.customer = await self.world.customer(f"+4477009{number:05d}", external_id=f"c{number}")
        self.enrollment = await self.world.enroll(self.customer, id=f"enr-order-{number}")
        self.attempts.append(await self.world.claim(self.enrollment))
        self.unrecorded.add(0)

    async def take(self, step: Step) -> None:
        """Let one thing happen, and look whether what must hold holds."""
        match step:
            case "claim", _ if len(self.attempts) < len(self.fates):
                await self._claim()
            case "park", _:
                await self._park()
            case "record", which if which in self.unrecorded:
                before = await self.rows()
                await self._record(which)
                self._others_are_untouched(before, await self.rows(), which)
            case "report", which if which // 3 < len(self.attempts):
                before = await self.rows()
                await self.report(which // 3, [which % 3])
                self._others_are_untouched(before, await self.rows(), which // 3)
            case _:
                return
        send = await self.send()
        assert is_over(send) or not self.was_over
        self.was_over = is_over(send)

    async def report(self, which: int, reports: Sequence[int]) -> None:
        """Tell some of an attempt's statuses, which may have been told before; half of them lack our own id."""
        told = _REPORTS[self.fates[which][0]]
        pieces = [
            StatusPiece(
                f"{self.attempts[which]}:{report}:{len(self.attempts) % 2}",
                self.world.number_id,
                f"wamid.{self.attempts[which]}",
                report,
                later(seconds=10 * which + _SECONDS[report]),
                self.attempts[which] if report is not Report.DELIVERED else None,
                131000 if report is Report.FAILED else None,
            )
            for report in (told[one] for one in reports if one < len(told))
        ]
        delivery = Delivery("whatsapp", "whatsapp", f"d{next(_numbers)}", "{}", NOON, self.world.store_id)
        await ingest_whatsapp(self.world.database, delivery, WhatsAppPieces(statuses=tuple(pieces)))

    async def send(self) -> Send:
        """The send."""
        return (await self.world.attempt(self.attempts[0]))[1]

    async def rows(self) -> list[SendAttempt]:
        """The attempts, oldest first."""
        async with self.world.database.read() as session:
            return [await session.get_one(SendAttempt, one) for one in self.attempts]

    async def _claim(self) -> None:
        async with self.world.database.write() as session:
            await lock_customer(session, self.customer)
            send = await session.get_one(Send, (await self.send()).id)
            claimed = await claim(session, send, number_id=self.world.number_id, used_template=True, now=NOON)
        if claimed is None:
            return
        assert Fate.ARRIVES not in {fate for fate, _ in self.fates[: len(self.attempts)]}, "sent twice"
        self.unrecorded.add(len(self.attempts))
        self.attempts.append(claimed)

    async def _park(self) -> None:
        async with self.world.database.write() as session:
            await lock_customer(session, self.customer)
            send = await session.get_one(Send, (await self.send()).id)
            if send.state in (SendState.IN_FLIGHT, SendState.UNKNOWN):
                settle(send, SendState.PARKED, now=NOON)

    async def _record(self, which: int) -> None:
        self.unrecorded.discard(which)
        async with self.world.database.write() as session:
            await lock_customer(session, self.customer)
            attempt = await session.get_one(SendAttempt, self.attempts[which])
            send = await session.get_one(Send, attempt.send_id)
            match self.fates[which]:
                case _, Told.NOTHING:
                    record_unknown(send, attempt)
                case Fate.REFUSED, Told.ANSWER:
                    record_failed(send, attempt, code=131000, now=NOON)
                case _, Told.ANSWER:
                    record_accepted(send, attempt, wamid=f"wamid.{attempt.id}", held=False, now=NOON)
                    await apply_kept_statuses(session, attempt, now=NOON)

    @staticmethod
    def _others_are_untouched(before: list[SendAttempt], after: list[SendAttempt], which: int) -> None:
        for number, (old, new) in enumerate(zip(before, after, strict=True)):
            assert number == which or old.model_dump() == new.model_dump()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fates=fates, walk=steps)
async def test_whatever_comes_first_nothing_goes_twice_and_the_truth_comes_out(
    world: World, fates: tuple[tuple[Fate, Told], ...], walk: list[Step]
) -> None:
    """No attempt follows one that arrives, none spoils another, what is over stays over, and in the end it is known."""
    story = Story(world, fates)
    await story.begin()
    for step in walk:
        await story.take(step)
    for which in range(len(story.attempts)):
        # By now every worker has come back, and every status has been told.
        if which in story.unrecorded:
            await story.take(("record", which))
        await story.report(which, (2, 1, 0))
    rows, send = await story.rows(), await story.send()
    for row, (fate, told) in zip(rows, fates, strict=False):
        match fate, told:
            case Fate.ARRIVES, _:
                assert (row.status, row.delivered_at is None) == (AttemptStatus.READ, False)
            case Fate.REFUSED, Told.NOTHING:
                assert row.status is AttemptStatus.UNKNOWN
            case _:
                assert row.status is AttemptStatus.FAILED
    if Fate.ARRIVES in {fate for fate, _ in fates[: len(rows)]}:
        assert send.state is SendState.ACCEPTED
        assert send.received_at is not None
    else:
        assert send.received_at is None
