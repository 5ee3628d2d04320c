"""Launches: who was considered, and what was decided about each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import Table, bindparam, func, insert, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LaunchState
from models.tables import EntryDecision, Launch, LaunchCandidate
from storage.decisions import counts

ELIGIBLE = "eligible"
"""Passed every rule and waits to be enrolled on its day."""
CONTROL_DUE = "control_due"
"""Passed every rule, was drawn into the control group, and waits to be written down as such."""
ENTERED = "entered"
CONTROL = "control"
PACED = "paced"
PENDING = frozenset({ELIGIBLE, CONTROL_DUE})

# Launches touch thousands of rows: they go to the database as lists, not as objects one by one.
_CANDIDATES = cast("Table", LaunchCandidate.__table__)  # type: ignore[attr-defined]
_OF_CUSTOMER = update(_CANDIDATES).where(
    _CANDIDATES.c.launch_id == bindparam("launch"), _CANDIDATES.c.customer_id == bindparam("customer")
)


class UnknownLaunchError(LookupError):
    """There is no launch with that id."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about one customer: an outcome, and the value and threshold that decided it.

    `basis` is the value said without regard to the moment (`policies.eligibility.RuleResult`); the value itself if it
    is left out.
    """

    customer_id: int
    outcome: str
    seen: str = ""
    threshold: str = ""
    day: date | None = None
    basis: str | None = None

    @property
    def ground(self) -> str:
        """What makes it the same answer as another one with the same outcome."""
        return self.seen if self.basis is None else self.basis

    def is_news(self, before: EntryDecision | None) -> bool:
        """Whether it says something else than what was decided about the customer before."""
        if before is None or before.outcome != self.outcome:
            return True
        same = before.basis == self.ground if before.basis is not None else before.seen == self.seen
        return not same or before.threshold != self.threshold


async def get_launch(session: AsyncSession, launch_id: int) -> Launch:
    """The launch.

    Raises:
        UnknownLaunchError: there is none with that id.
    """
    launch = await session.get(Launch, launch_id, populate_existing=True)
    if launch is None:
        msg = f"there is no launch {launch_id}"
        raise UnknownLaunchError(msg)
    return launch


async def open_launch(
    session: AsyncSession,
    *,
    store_id: int,
    journey_id: int,
    version_id: int,
    limit: int | None,
    now: datetime,
    only_new: bool = False,
    state: LaunchState = LaunchState.SELECTING,
) -> Launch:
    """Write down that a selection is wanted, now or when the journey goes live."""
    launch = Launch(
        store_id=store_id,
        journey_id=journey_id,
        version_id=version_id,
        entrant_limit=limit,
        only_new=only_new,
        state=state,
        requested_at=now,
    )
    session.add(launch)
    await session.flush()
    return launch


async def add_candidates(session: AsyncSession, launch_id: int, customer_ids: Sequence[int]) -> None:
    """Consider these customers, each once."""
    known = set(
        await session.exec(
            select(LaunchCandidate.customer_id).where(
                LaunchCandidate.launch_id == launch_id, col(LaunchCandidate.customer_id).in_(list(customer_ids))
            )
        )
    )
    new = [one for one in dict.fromkeys(customer_ids) if one not in known]
    if new:
        rows = [{"launch_id": launch_id, "customer_id": customer_id} for customer_id in new]
        await session.exec(insert(_CANDIDATES), params=rows)


async def undecided(session: AsyncSession, launch_id: int, *, limit: int) -> list[int]:
    """Considered customers about whom nothing is decided yet."""
    rows = await session.exec(
        select(LaunchCandidate.customer_id)
        .where(LaunchCandidate.launch_id == launch_id, col(LaunchCandidate.outcome).is_(None))
        .order_by(col(LaunchCandidate.customer_id))
        .limit(limit)
    )
    return list(rows)


@dataclass(frozen=True, slots=True)
class Placed:
    """A customer who passed the rules, whether to be written to or held out, on the day that was given."""

    customer_id: int
    outcome: str
    day: date | None


async def placed(session: AsyncSession, launch_id: int, *, limit: int) -> list[Placed]:
    """Those who are to be enrolled, paced or held out next, by customer id: both arms in turn."""
    found: list[Placed] = []
    for pending in sorted(PENDING):  # one after the other: of both at once a database would sort all that are left
        rows = await session.exec(
            select(col(LaunchCandidate.customer_id), col(LaunchCandidate.outcome), col(LaunchCandidate.day))
            .where(LaunchCandidate.launch_id == launch_id, LaunchCandidate.outcome == pending)
            .order_by(col(LaunchCandidate.customer_id))
            .limit(limit)
        )
        found += [Placed(customer_id, outcome or "", day) for customer_id, outcome, day in rows]
    return sorted(found, key=lambda one: one.customer_id)[:limit]


async def decided_as(session: AsyncSession, launch_id: int, outcome: str, *, after: int, limit: int) -> list[int]:
    """The customers of one outcome; a page of them, by id beyond `after`."""
    rows = await session.exec(
        select(LaunchCandidate.customer_id)
        .where(
            LaunchCandidate.launch_id == launch_id,
            LaunchCandidate.outcome == outcome,
            col(LaunchCandidate.customer_id) > after,
        )
        .order_by(col(LaunchCandidate.customer_id))
        .limit(limit)
    )
    return list(rows)


async def give_up(session: AsyncSession, launch_id: int, *, error: str, now: datetime) -> None:
    """End a launch that is not over: declined, interrupted, or impossible."""
    launch = await get_launch(session, launch_id)
    if launch.state not in (LaunchState.DONE, LaunchState.FAILED):
        launch.state = LaunchState.FAILED
        launch.error = error
        launch.finished_at = now


async def count_pending(session: AsyncSession, launch_id: int) -> int:
    """How many are still to be enrolled, paced or held out."""
    pending = select(func.count()).where(
        LaunchCandidate.launch_id == launch_id, col(LaunchCandidate.outcome).in_(PENDING)
    )
    return (await session.exec(pending)).one()


async def count_undecided(session: AsyncSession, launch_id: int) -> int:
    """How many of the considered have not been judged yet."""
    left = select(func.count()).where(LaunchCandidate.launch_id == launch_id, col(LaunchCandidate.outcome).is_(None))
    return (await session.exec(left)).one()


async def planned_days(session: AsyncSession, launch_id: int) -> dict[date, int]:
    """How many were given which day and have not entered yet."""
    rows = await session.exec(
        select(col(LaunchCandidate.day), func.count())
        .where(LaunchCandidate.launch_id == launch_id, LaunchCandidate.outcome == ELIGIBLE)
        .group_by(col(LaunchCandidate.day))
    )
    return {day: count for day, count in rows if day is not None}


async def give_days(session: AsyncSession, launch_id: int, days: Mapping[int, date]) -> None:
    """Write down who enters on which day, and who of the control group would."""
    if days:
        rows = [{"launch": launch_id, "customer": customer_id, "day": day} for customer_id, day in days.items()]
        await (await session.connection()).execute(_OF_CUSTOMER.values(day=bindparam("day")), rows)


async def record_decisions(
    session: AsyncSession,
    launch: Launch,
    decisions: Sequence[Decision],
    *,
    now: datetime,
    version_id: int | None = None,
) -> None:
    """Write outcomes into the launch's account, and into the customer's story where the answer is a new one.

    Args:
        session: a writing transaction.
        launch: in whose account the customers stand.
        decisions: one for each customer at most.
        now: when it was decided.
        version_id: by whose rules; the launch's own if it is not given.
    """
    if decisions:
        connection = await session.connection()
        await connection.execute(
            _OF_CUSTOMER.values(outcome=bindparam("outcome"), day=bindparam("day")),
            [
                {
                    "launch": launch.id,
                    "customer": decision.customer_id,
                    "outcome": decision.outcome,
                    "day": decision.day,
                }
                for decision in decisions
            ],
        )
    version_id = launch.version_id if version_id is None else version_id
    await append_decisions(session, launch.store_id, launch.journey_id, version_id, decisions, now=now)


async def append_decisions(
    session: AsyncSession,
    store_id: int,
    journey_id: int,
    version_id: int,
    decisions: Sequence[Decision],
    *,
    now: datetime,
) -> None:
    """Write outcomes into the customers' stories where the answer is a new one.

    By a version that is only proposed, they become part of the story when it is published.
    """
    ids = [decision.customer_id for decision in decisions]
    newest = (
        select(func.max(EntryDecision.id))
        .where(
            EntryDecision.journey_id == journey_id,
            col(EntryDecision.customer_id).in_(ids),
            or_(col(EntryDecision.version_id) == version_id, counts()),
        )
        .group_by(col(EntryDecision.customer_id))
    )
    latest = {
        decision.customer_id: decision
        for decision in await session.exec(select(EntryDecision).where(col(EntryDecision.id).in_(newest)))
    }
    news = [
        {
            "store_id": store_id,
            "journey_id": journey_id,
            "version_id": version_id,
            "customer_id": decision.customer_id,
            "at": now,
            "outcome": decision.outcome,
            "seen": decision.seen,
            "threshold": decision.threshold,
            "basis": decision.ground,
        }
        for decision in decisions
        if decision.outcome not in PENDING and decision.is_news(latest.get(decision.customer_id))
    ]
    if news:
        connection = await session.connection()
        await connection.execute(insert(cast("Table", EntryDecision.__table__)), news)  # type: ignore[attr-defined]


async def outcomes(session: AsyncSession, launch_id: int) -> dict[str, int]:
    """How many of the considered have which outcome; `` for those not decided yet."""
    rows = await session.exec(
        select(LaunchCandidate.outcome, func.count())
        .where(LaunchCandidate.launch_id == launch_id)
        .group_by(col(LaunchCandidate.outcome))
    )
    return {outcome or "": count for outcome, count in rows}
