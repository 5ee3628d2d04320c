"""What happened on each store-local day of a simulation, read back from the rows that it left.

A simulation's database is thrown away and small, so moments are sorted into days here, not in SQL.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import CreditKind, HoldReason, LeftOut, SendState
from models.tables import (
    AnalysisCall,
    Enrollment,
    EntryDecision,
    ModelCall,
    Order,
    Review,
    Send,
    SendAttempt,
    Store,
    TimelineEntry,
)
from policies.calendar import local_date

_NOT_CHARGED = (SendState.FAILED, SendState.SKIPPED, SendState.DRAFTED)


@dataclass(slots=True)
class DayFacts:
    """One store-local day.

    Attributes:
        entered: passages that began.
        sent: messages that WhatsApp accepted.
        holds: stages that began to wait, by what for.
        put_off: who was told that the day has no room for them (`max_per_day`) and that they wait for a later one.
        credits: what was spent, by what on.
        orders: that belong to a journey; of their minor units `revenue` is the sum in each currency.
    """

    day: date
    entered: int = 0
    sent: int = 0
    holds: Counter[HoldReason] = field(default_factory=Counter)
    put_off: int = 0
    credits: Counter[CreditKind] = field(default_factory=Counter)
    orders: int = 0
    revenue: Counter[str] = field(default_factory=Counter)


async def days(session: AsyncSession, first: datetime, until: datetime, zone: ZoneInfo) -> list[DayFacts]:
    """Every day from that of the opening to that of the end, also the uneventful ones.

    Args:
        session: of the simulation's one store.
        first: the opening.
        until: the end of the simulation; what is on record from later counts on the last day.
        zone: the store's.
    """
    begin, end = local_date(first, zone), local_date(until, zone)
    found = [DayFacts(begin + timedelta(days=n)) for n in range((end - begin).days + 1)]

    def day_of(at: datetime) -> DayFacts:
        return found[min(max((local_date(at, zone) - begin).days, 0), len(found) - 1)]

    for at in await session.exec(select(Enrollment.entered_at).where(col(Enrollment.control).is_(False))):
        day_of(at).entered += 1
    accepted = select(SendAttempt.accepted_at).where(col(SendAttempt.accepted_at).is_not(None))
    for accepted_at in filter(None, await session.exec(accepted)):
        day_of(accepted_at).sent += 1
    holds = select(TimelineEntry.at, TimelineEntry.reason).where(TimelineEntry.what == "holding")
    for at, reason in await session.exec(holds):
        day_of(at).holds[HoldReason(reason or "")] += 1
    for at in await _put_off(session):
        day_of(at).put_off += 1
    for at, kind, price in await _charges(session):
        day_of(at).credits[kind] += price
    orders = select(Order.ordered_at, Order.currency, Order.total_minor).where(col(Order.attributed_by).is_not(None))
    for ordered_at, currency, minor in await session.exec(orders):
        day = day_of(ordered_at)
        day.orders += 1
        day.revenue[currency] += minor
    return found


async def _put_off(session: AsyncSession) -> list[datetime]:
    told = list(await session.exec(select(EntryDecision.at).where(EntryDecision.outcome == LeftOut.PACED.value)))
    return [*told, *await session.exec(select(Review.at).where(Review.left_out == LeftOut.PACED))]


async def _charges(session: AsyncSession) -> Iterable[tuple[datetime, CreditKind, int]]:
    """What a ledger would say: a message once however many attempts it took, and every call of the model."""
    store = (await session.exec(select(Store))).one()
    messages = (
        select(func.min(SendAttempt.accepted_at))
        .join(Send, col(Send.id) == col(SendAttempt.send_id))
        .where(col(SendAttempt.accepted_at).is_not(None), col(Send.state).not_in(_NOT_CHARGED))
        .group_by(col(Send.id))
    )
    spent = [(at, CreditKind.MESSAGE, store.message_credits) for at in await session.exec(messages) if at is not None]
    texts = await session.exec(select(ModelCall.at))
    spent += [(at, CreditKind.GENERATION, store.generation_credits) for at in texts]
    verdicts = await session.exec(select(AnalysisCall.at))
    return spent + [(at, CreditKind.ANALYSIS, store.analysis_credits) for at in verdicts]
