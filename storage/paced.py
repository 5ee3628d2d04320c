"""Who waits for a later day, and how many a day is given to already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast
from zoneinfo import ZoneInfo

from sqlalchemy import Table, bindparam, delete, func, insert, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.sending import SendingRules
from models.tables import Launch, Paced
from policies.pacing import Waiter, put_off
from policies.schedule import sending_hours
from storage.entry import entered_on
from storage.journeys import latest_version

_PACED = cast("Table", Paced.__table__)  # type: ignore[attr-defined]
_MOVE = update(_PACED).where(_PACED.c.id == bindparam("row")).values(day=bindparam("to"))


@dataclass(frozen=True, slots=True)
class Wait:
    """A customer's later day, and whether they wait for it as one of the control group."""

    day: date
    control: bool


async def paced_by_day(session: AsyncSession, journey_id: int) -> dict[date, int]:
    """How many to be written to wait for which day; the control group takes no room."""
    rows = await session.exec(
        select(col(Paced.day), func.count())
        .where(Paced.journey_id == journey_id, col(Paced.control).is_(False))
        .group_by(col(Paced.day))
    )
    return dict(rows.all())


async def pace(session: AsyncSession, launch: Launch, waits: Mapping[int, Wait]) -> None:
    """Give these customers their later days; who has one keeps it.

    They will enter with what new entrants get by then (`storage.publishing`), which is the newest version already now.
    """
    if not waits:
        return
    version = await latest_version(session, launch.journey_id)
    known = set(
        await session.exec(
            select(Paced.customer_id).where(
                Paced.journey_id == launch.journey_id, col(Paced.customer_id).in_(list(waits))
            )
        )
    )
    rows = [
        {
            "store_id": launch.store_id,
            "journey_id": launch.journey_id,
            "version_id": launch.version_id if version is None else version.id,
            "launch_id": launch.id,
            "customer_id": customer_id,
            "control": wait.control,
            "day": wait.day,
        }
        for customer_id, wait in waits.items()
        if customer_id not in known
    ]
    if rows:
        await (await session.connection()).execute(insert(_PACED), rows)


async def paced_until(session: AsyncSession, journey_id: int, today: date, *, limit: int) -> list[Paced]:
    """Whose day has come, oldest day first."""
    rows = await session.exec(
        select(Paced)
        .where(Paced.journey_id == journey_id, col(Paced.day) <= today)
        .order_by(col(Paced.day), col(Paced.id))
        .limit(limit)
    )
    return list(rows)


async def give_days_again(
    session: AsyncSession, journey_id: int, rules: SendingRules, zone: ZoneInfo, *, first: date, earlier: bool
) -> None:
    """Give everybody who waits a day anew; their order stays.

    Args:
        session: a writing transaction that holds the journey alone.
        journey_id: what they wait to enter.
        rules: how many enter a day, and on which days.
        zone: the store's, whose days they are.
        first: the first day that may be given.
        earlier: whether somebody's day may come earlier than it was.
    """
    rows = await session.exec(
        select(col(Paced.id), col(Paced.day), col(Paced.control))
        .where(Paced.journey_id == journey_id)
        .order_by(col(Paced.day), col(Paced.id))
    )
    waiting = [(key, Waiter(day, control)) for key, day, control in rows]
    days = put_off(
        (Waiter(first, one.control) if earlier else one for _, one in waiting),
        entered_today=await entered_on(session, journey_id, first, zone),
        today=first,
        max_per_day=rules.max_per_day,
        hours=sending_hours(rules),
    )
    moves = [{"row": key, "to": day} for (key, one), day in zip(waiting, days, strict=True) if one.day != day]
    if moves:
        await (await session.connection()).execute(_MOVE, moves)


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
