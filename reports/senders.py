"""A store's number with its limits, as documents show it."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from reports.documents import SenderView, WarmUpView
from storage.sender_use import SenderUse, sender_use
from storage.stores import StoreParts


async def sender_of(session: AsyncSession, parts: StoreParts, *, now: datetime) -> SenderUse:
    """What the store's number may do, and has done of it."""
    return await sender_use(session, parts.number, zone=ZoneInfo(parts.store.time_zone), now=now)


def sender_view(use: SenderUse) -> SenderView:
    """The same as a document."""
    rule = use.warm_up
    return SenderView(
        quality=use.quality,
        daily_limit=use.daily_limit,
        recipients=use.recipients,
        allowance=use.allowance,
        allowance_recipients=use.allowance_recipients,
        warm_up=None
        if rule is None or use.warm_up_day is None
        else WarmUpView(
            start=rule.start, grow=f"{rule.grow.normalize():f}", ceiling=str(rule.ceiling), day=use.warm_up_day
        ),
        messages_per_second=use.messages_per_second,
    )


def in_words(sender: SenderView) -> str:
    """One line for a person."""
    if sender.daily_limit is None:
        words = ["no daily limit"]
    elif sender.recipients is None:
        words = [f"{sender.daily_limit} new recipients a day"]
    else:
        words = [f"{sender.recipients} of {sender.daily_limit} new recipients in 24 hours"]
    if sender.warm_up is not None:
        words.append(f"warm-up day {sender.warm_up.day}")
    if sender.allowance is not None:
        used = "" if sender.allowance_recipients is None else f" ({sender.allowance_recipients} used)"
        words.append(f"the number itself may have {sender.allowance}{used}")
    return ", ".join(
        [*words, f"quality {sender.quality or 'UNKNOWN'}", f"{sender.messages_per_second} messages a second"]
    )
