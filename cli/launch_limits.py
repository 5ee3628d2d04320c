"""What a launch's preview says of the number's limits: how many a day may be reached, and what becomes of the plan."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cli.preview import Preview
from models.journey import JourneyDefinition
from policies.allowance import KEPT_KINDS, kept_from, number_allowance
from policies.calendar import add_span, local_date
from policies.reach import Reach, reach
from storage.engine import Database
from storage.sender_use import SenderUse, sender_use
from storage.stores import StoreParts

_LOWEST_TIER = 250
"""Meta's lowest limit: a launch that keeps below it exceeds none, whichever it is."""
_DAY = timedelta(days=1)


async def limit_warnings(
    database: Database, parts: StoreParts, definition: JourneyDefinition, preview: Preview, *, now: datetime
) -> list[str]:
    """What the limits of the store's number do to the launch; empty if there is room for all of it."""
    if not preview.messages_by_day:
        return []
    zone = ZoneInfo(parts.store.time_zone)
    async with database.read() as session:
        use = await sender_use(session, parts.number, zone=zone, now=now)
    today = local_date(now, zone)
    wanted = [0] * ((max(preview.messages_by_day) - today).days + 1)
    for day, count in preview.messages_by_day.items():
        wanted[max((day - today).days, 0)] += count
    warnings = []
    if parts.number.daily_limit is None and max(wanted) > _LOWEST_TIER:
        warnings.append(
            f"Meta has not told how many new people a day this number may write to (`store check` asks); the lowest "
            f"limit is {_LOWEST_TIER}, up to {max(wanted)} messages are planned for one day, and nothing here keeps "
            "them within a limit that is not known"
        )
    hold_for = definition.sending.hold_for
    found = reach(wanted, lambda day: _room(use, definition, day), (add_span(now, hold_for, zone) - now) // _DAY)
    if found is not None:
        warnings.append(_in_words(found, use, definition, planned=len(wanted)))
    return warnings


def _room(use: SenderUse, definition: JourneyDefinition, day: int) -> int | None:
    """How many new people the journey may write to, so many days from today; today others have had some of it."""
    rooms = []
    if use.daily_limit is not None:
        share = kept_from(use.daily_limit, definition.kind)
        rooms.append(share - (use.recipients or 0) if day == 0 else share)
    if use.allowance is not None:
        before = (use.warm_up_day or 1) - 1 + day
        own = number_allowance(use.daily_limit, use.warm_up, before, use.quality)
        if own is not None:
            rooms.append(own - (use.allowance_recipients or 0) if day == 0 else own)
    return max(min(rooms), 0) if rooms else None


def _in_words(found: Reach, use: SenderUse, definition: JourneyDefinition, *, planned: int) -> str:
    rules = definition.sending
    limits = []
    if use.daily_limit is not None:
        kept = "" if definition.kind in KEPT_KINDS else ", a fifth of it kept for follow-ups and carts"
        limits.append(f"the portfolio's limit is {use.daily_limit} in 24 hours{kept}")
    if use.allowance is not None:
        why = "warm-up" if use.warm_up is not None else "low quality"
        limits.append(f"the number's own is {use.allowance} for now ({why})")
    lost = "the stage is skipped" if rules.on_expire == "skip" else "the customer's journey ends"
    given_up = f"about {found.lost} wait longer than hold_for ({rules.hold_for}), and then {lost}" if found.lost else ""
    ends = f"it takes about {found.days} days instead of {planned}" if found.days > planned else ""
    late = f"about {found.waiting} go a day or more late" if found.waiting else ""
    effects = "; ".join(filter(None, (late, ends, given_up)))
    return (
        f"up to {found.wanted} messages are planned for one day, and the number may write to {found.room} new people "
        f"when the room first runs out ({'; '.join(limits)}): {effects}. A lower sending.max_per_day (now "
        f"{rules.max_per_day}) or a longer hold_for loses fewer"
    )
