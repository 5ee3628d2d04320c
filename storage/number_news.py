"""What Meta says of a number's limit and colour, from a webhook or a health check: the newest word stands.

Either changes what is counted from now on, so the counts are made anew at the next claim; and where there is more room
or less caution than before, whoever waited is told.
"""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import StoreEventKind
from models.tables import Number
from policies.allowance import Quality, quality_of, tier_of
from storage.allowances import release_waiting
from storage.events import add_broadcast
from storage.store_events import record_store_event
from storage.stores import required_id


def note_limit(session: AsyncSession, number: Number, limit: int, *, at: datetime, now: datetime) -> None:
    """The portfolio's limit as told for this number, -1 for none. The caller has locked the number."""
    before, after = tier_of(number.daily_limit), tier_of(limit)
    number.daily_limit, number.limit_at = limit, at
    if (before is None) != (after is None):
        number.counts_from = now
    if before is not None and (after is None or after > before):
        release_waiting(session, number, now=now)


async def note_quality(session: AsyncSession, number: Number, word: str | None, *, at: datetime, now: datetime) -> None:
    """The number's colour in Meta's words; None for no complaint. The caller has locked the number.

    A red number sends no marketing until it is better, so its people are told by mail.
    """
    before, after = quality_of(number.quality), quality_of(word)
    told_before, number.quality, number.quality_at = number.quality, word, at
    if after is before:
        return
    number.counts_from = now
    if after.value < before.value:
        release_waiting(session, number, now=now)
    if before is Quality.BAD:
        add_broadcast(session, f"number:{number.phone_number_id}", now=now)
    number_id = required_id(number.id)
    await record_store_event(
        session,
        number.store_id,
        StoreEventKind.NUMBER_QUALITY_CHANGED,
        dedupe_key=f"quality:{number_id}:{after.name.lower()}:{at.isoformat()}",
        at=at,
        number_id=number_id,
        detail={"number": number.phone_number_id, "quality": word or "UNKNOWN", "before": told_before or "UNKNOWN"},
        mail=after is Quality.BAD,
    )
