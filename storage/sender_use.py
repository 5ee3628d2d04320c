"""How much of its limits a number has used, for people to look at."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Number, RecipientWindow, WindowRecipient
from models.warm_up import WarmUp
from policies.allowance import COUNTED_FOR, has_allowance, number_allowance, tier_of
from policies.throughput import messages_per_second
from storage.recipient_windows import allowance_key, is_behind, portfolio_key


@dataclass(frozen=True, slots=True)
class SenderUse:
    """A number's limits and what is used of them.

    Attributes:
        quality: Meta's colour for it, None if not told.
        daily_limit: new recipients of the portfolio in 24 hours; None for no limit, or none told.
        recipients: how many the portfolio has had; None where nothing is counted yet.
        allowance: the number's own share of that, while it is warmed up or its quality is low; None for none.
        allowance_recipients: how many the number has had.
        warm_up: its rule.
        warm_up_day: today's day of it, counted in days on which the number sends.
        messages_per_second: how fast it sends.
    """

    quality: str | None
    daily_limit: int | None
    recipients: int | None
    allowance: int | None
    allowance_recipients: int | None
    warm_up: WarmUp | None
    warm_up_day: int | None
    messages_per_second: int

    @property
    def is_full(self) -> bool:
        """Whether nobody new can be written to just now."""
        pairs = ((self.recipients, self.daily_limit), (self.allowance_recipients, self.allowance))
        return any(used is not None and most is not None and used >= most for used, most in pairs)


async def sender_use(session: AsyncSession, number: Number, *, zone: ZoneInfo, now: datetime) -> SenderUse:
    """What the number may do now, in the store's zone."""
    warm_up = WarmUp.parse(number.warm_up) if number.warm_up is not None else None
    tier = tier_of(number.daily_limit)
    found = await session.exec(
        select(RecipientWindow).where(col(RecipientWindow.key).in_([portfolio_key(number), allowance_key(number)]))
    )
    windows = {one.key: one for one in found}
    own = windows.get(allowance_key(number))
    before_today = 0
    if own is not None:
        before_today = own.sending_days - (own.last_day == now.astimezone(zone).date())
    has_own = has_allowance(warm_up, number.quality)
    portfolio = windows.get(portfolio_key(number))
    return SenderUse(
        quality=number.quality,
        daily_limit=tier,
        recipients=await _used(session, portfolio, number, now=now) if tier is not None else None,
        allowance=number_allowance(tier, warm_up, before_today, number.quality) if has_own else None,
        allowance_recipients=await _used(session, own, number, now=now) if has_own else None,
        warm_up=warm_up,
        warm_up_day=before_today + 1 if warm_up is not None else None,
        messages_per_second=messages_per_second(number.messages_per_second, number.throughput),
    )


async def _used(session: AsyncSession, window: RecipientWindow | None, number: Number, *, now: datetime) -> int | None:
    if window is None or is_behind(window, number):
        return None
    counted = select(func.count()).where(
        WindowRecipient.window_id == window.id, col(WindowRecipient.at) > now - COUNTED_FOR
    )
    return (await session.exec(counted)).one()
