"""Launches: who was considered, what was decided about each, and who waits for a later day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import Table, bindparam, delete, func, insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LaunchState
from models.tables import Customer, EntryDecision, Launch, LaunchCandidate, Paced
from storage.stores import required_id

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
    """What was decided about one customer: an outcome, and the value and threshold that decided it."""

    customer_id: int
    outcome: str
    seen: str = ""
    threshold: str = ""
    day: date | None = None


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
class Qualified:
    """A customer who passed every rule, with what ranks them."""

    customer_id: int
    last_order_at: datetime | None


async def qualified(session: AsyncSession, launch_id: int) -> list[Qualified]:
    """Everybody who passed the rules and has no day yet, by the shop's customer id.

    Ids of digits are compared as numbers do: the shorter is the smaller.
    """
    rows = await session.exec(
        select(Customer.id, Customer.last_order_at)
        .join(LaunchCandidate, col(LaunchCandidate.customer_id) == col(Customer.id))
        .where(LaunchCandidate.launch_id == launch_id, LaunchCandidate.outcome == ELIGIBLE)
        .order_by(func.length(Customer.external_id), col(Customer.external_id))
    )
    return [Qualified(required_id(customer_id), at) for customer_id, at in rows]


@dataclass(frozen=True, slots=True)
class Placed:
    """A customer who passed the rules, on the day that was given; control has none."""

    customer_id: int
    outcome: str
    day: date | None


async def placed(session: AsyncSession, launch_id: int, *, limit: int) -> list[Placed]:
    """Those who are to be enrolled, paced or held out next."""
    rows = await session.exec(
        select(col(LaunchCandidate.customer_id), col(LaunchCandidate.outcome), col(LaunchCandidate.day))
        .where(LaunchCandidate.launch_id == launch_id, col(LaunchCandidate.outcome).in_(PENDING))
        .order_by(col(LaunchCandidate.customer_id))
        .limit(limit)
    )
    return [Placed(customer_id, outcome or "", day) for customer_id, outcome, day in rows]


async def decided_as(session: AsyncSession, launch_id: int, outcome: str) -> list[int]:
    """The customers of one outcome."""
    rows = await session.exec(
        select(LaunchCandidate.customer_id)
        .where(LaunchCandidate.launch_id == launch_id, LaunchCandidate.outcome == outcome)
        .order_by(col(LaunchCandidate.customer_id))
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
    """Write down who enters on which day."""
    if days:
        rows = [{"launch": launch_id, "customer": customer_id, "day": day} for customer_id, day in days.items()]
        await (await session.connection()).execute(_OF_CUSTOMER.values(day=bindparam("day")), rows)


async def record_decisions(
    session: AsyncSession, launch: Launch, decisions: Sequence[Decision], *, now: datetime
) -> None:
    """Write outcomes into the launch's account, and into the customer's story where the answer is a new one."""
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
    await append_decisions(session, launch.store_id, launch.journey_id, launch.version_id, decisions, now=now)


async def append_decisions(
    session: AsyncSession,
    store_id: int,
    journey_id: int,
    version_id: int,
    decisions: Sequence[Decision],
    *,
    now: datetime,
) -> None:
    """Write outcomes into the customers' stories where the answer is a new one."""
    ids = [decision.customer_id for decision in decisions]
    newest = (
        select(func.max(EntryDecision.id))
        .where(EntryDecision.journey_id == journey_id, col(EntryDecision.customer_id).in_(ids))
        .group_by(col(EntryDecision.customer_id))
    )
    latest = {
        decision.customer_id: decision.outcome
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
        }
        for decision in decisions
        if decision.outcome not in PENDING and latest.get(decision.customer_id) != decision.outcome
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


async def paced_by_day(session: AsyncSession, journey_id: int) -> dict[date, int]:
    """How many wait for which day."""
    rows = await session.exec(
        select(col(Paced.day), func.count()).where(Paced.journey_id == journey_id).group_by(col(Paced.day))
    )
    return dict(rows.all())


async def pace(session: AsyncSession, launch: Launch, customer_id: int, day: date) -> None:
    """Give a customer a later day; who has one keeps it."""
    waits = (
        await session.exec(
            select(Paced.id).where(Paced.journey_id == launch.journey_id, Paced.customer_id == customer_id)
        )
    ).first()
    if waits is None:
        session.add(
            Paced(
                store_id=launch.store_id,
                journey_id=launch.journey_id,
                version_id=launch.version_id,
                launch_id=required_id(launch.id),
                customer_id=customer_id,
                day=day,
            )
        )


async def paced_until(session: AsyncSession, journey_id: int, today: date, *, limit: int) -> list[Paced]:
    """Whose day has come, oldest day first."""
    rows = await session.exec(
        select(Paced)
        .where(Paced.journey_id == journey_id, col(Paced.day) <= today)
        .order_by(col(Paced.day), col(Paced.id))
        .limit(limit)
    )
    return list(rows)


async def unpace(session: AsyncSession, journey_id: int, customer_ids: Sequence[int]) -> None:
    """Take these customers off the journey's list of later days."""
    await session.exec(
        delete(Paced)
        .where(col(Paced.journey_id) == journey_id, col(Paced.customer_id).in_(list(customer_ids)))
        .execution_options(synchronize_session=False)
    )


async def next_paced_day(session: AsyncSession, journey_id: int) -> date | None:
    """The earliest day that anybody waits for."""
    return (await session.exec(select(func.min(col(Paced.day))).where(Paced.journey_id == journey_id))).one()
