"""Numbers that may not send: their pauses, the message that finds out whether one is over, countries, credentials."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import CursorResult, update
from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, EnrollmentState, PauseCause, StoreEventKind
from models.orchestration import Released
from models.tables import Enrollment, Journey, JourneyPause, Number, SendAttempt
from policies.sender import PROBE_ANSWERS_WITHIN, Pause
from policies.whatsapp_reactions import explain, is_told_later, rest_after
from storage.events import add_broadcast, add_intent
from storage.pausing import journey_key, pause_by_itself, resume_by_itself
from storage.store_events import record_store_event
from storage.stores import required_id

_log = logging.getLogger(__name__)

BY_ACCOUNT: Final = "account:"
"""How the reason of a pause begins that only the account's own news may lift before its time."""
_REFUSED: Final = "refused:"
"""How the reason of a pause begins that a code has caused."""
_PAYMENT_CODES: Final = frozenset({131042})
COUNTRY_RESTS: Final = timedelta(days=30)
"""For how long a country is left out before it is tried again, unless staff allow it sooner."""


def pause_of(number: Number) -> Pause | None:
    """The number's pause as it is on record, which may be over."""
    return Pause(number.paused_until, number.probe_at) if number.paused_reason is not None else None


def pause_code(number: Number) -> int | None:
    """WhatsApp's code that paused the number; None where its account did, or nothing."""
    _, begun, code = (number.paused_reason or "").partition(_REFUSED)
    return int(code) if begun and code.isdecimal() else None


def by_code(number: Number) -> bool:
    """Whether a refusal paused the number, and not Meta's news of its account."""
    return (number.paused_reason or "").startswith(_REFUSED.rstrip(":"))


def is_unpaid(number: Number) -> bool:
    """Whether Meta wants to be paid first."""
    return pause_code(number) in _PAYMENT_CODES


async def pause_sender(session: AsyncSession, number_id: int, code: int | None, *, now: datetime) -> Number | None:
    """A refusal says that nothing may go from this number for now; everybody else holds without a request.

    What Meta has told of the whole account is known better, and may last longer; once its time is over, it says no
    more than any other pause.
    """
    number = await locked_number(session, number_id)
    if number is None or (
        (number.paused_reason or "").startswith(BY_ACCOUNT)
        and (number.paused_until is None or now < number.paused_until)
    ):
        return number
    began = number.paused_reason is None
    number.paused_reason = f"{_REFUSED}{code}" if code is not None else _REFUSED.rstrip(":")
    number.paused_until, number.probe_at = now + rest_after(code), None
    if began:
        await _tell(session, number, StoreEventKind.SENDER_PAUSED, code, now=now)
    if is_unpaid(number):
        await pause_by_itself(session, number.store_id, PauseCause.PAYMENT_PROBLEM, now=now, detail={"code": code})
    await session.flush()
    return number


async def end_pause(session: AsyncSession, number_id: int, *, now: datetime) -> bool:
    """The number may send: whoever waits for it is told. Whether it was paused until now."""
    number = await locked_number(session, number_id)
    if number is None or number.paused_reason is None:
        return False
    number.paused_reason = number.paused_until = number.probe_at = None
    await session.flush()
    add_broadcast(session, f"number:{number.phone_number_id}", now=now)
    await note_paid(session, number, now=now)
    return True


async def note_paid(session: AsyncSession, number: Number, *, now: datetime) -> None:
    """A number that may send is paid for, whatever its pause was called at last; what the bill paused goes on.

    Repeated at every look at the number, because a journey that somebody else holds at that moment stays as it is.
    """
    if number.paused_reason is None:
        await resume_by_itself(session, number.store_id, PauseCause.PAYMENT_PROBLEM, now=now)


async def heed_probes(
    session: AsyncSession, claims: Mapping[int, datetime], *, now: datetime, told_by_status: bool = True
) -> None:
    """A message of a number has gone: its pause is over, if the message was claimed after the pause's time.

    That Meta has merely taken one is no proof against a code that it may tell of it later; a second one, with nothing
    bad told of the first in the meantime, is, because statuses can be lost.

    Args:
        session: a writing transaction.
        claims: when the newest such message was claimed, by the number's id.
        now: the time.
        told_by_status: that it went; else Meta has only taken it.
    """
    if not claims:
        return
    over = (
        select(Number)
        .where(
            col(Number.id).in_(sorted(claims)), col(Number.paused_reason).is_not(None), col(Number.paused_until) <= now
        )
        .order_by(col(Number.id))
        .with_for_update(key_share=True)  # chats and attempts that only name it go on being written
        .execution_options(populate_existing=True)
    )
    for number in (await session.exec(over)).all():
        number_id, until = required_id(number.id), number.paused_until
        if until is None or claims[number_id] < until:
            continue
        if told_by_status or not is_told_later(pause_code(number)) or await _was_taken(session, number, now=now):
            await end_pause(session, number_id, now=now)


async def _was_taken(session: AsyncSession, number: Number, *, now: datetime) -> bool:
    """Whether an earlier message since the pause's time was taken, and nothing was told of it since."""
    earlier = select(SendAttempt.id).where(
        SendAttempt.number_id == number.id,
        col(SendAttempt.claimed_at) >= number.paused_until,
        col(SendAttempt.claimed_at) <= now - PROBE_ANSWERS_WITHIN,
        col(SendAttempt.accepted_at).is_not(None),
        SendAttempt.status != AttemptStatus.FAILED,
    )
    return (await session.exec(earlier.limit(1))).first() is not None


async def take_probe(session: AsyncSession, number_id: int, *, now: datetime) -> bool:
    """Take the right to find out whether a pause that is over has ended; one message at a time has it."""
    taken = await session.exec(
        update(Number)
        .where(
            col(Number.id) == number_id,
            or_(
                col(Number.probe_at).is_(None),
                col(Number.probe_at) < col(Number.paused_until),
                col(Number.probe_at) <= now - PROBE_ANSWERS_WITHIN,
            ),
        )
        .values(probe_at=now)
        .execution_options(synchronize_session=False)
    )
    return cast("CursorResult[Any]", taken).rowcount == 1


async def let_probe(session: AsyncSession, number: Number, *, now: datetime) -> bool:
    """Wake one of those who wait for a number whose pause is over; False when nobody waits."""
    keys = [f"number:{number.phone_number_id}"]
    if is_unpaid(number):
        # Nobody's own timer runs while the journeys are paused, so one of theirs has to be asked: one that may probe.
        paused = (
            select(JourneyPause.journey_id)
            .join(Journey, col(Journey.id) == JourneyPause.journey_id)
            .where(Journey.store_id == number.store_id, col(JourneyPause.ended_at).is_(None))
            .group_by(col(JourneyPause.journey_id))
            .having(func.min(JourneyPause.cause) == PauseCause.PAYMENT_PROBLEM, func.count() == 1)
        )
        keys += [journey_key(one) for one in await session.exec(paused)]
    waiting = await session.exec(
        select(Enrollment.id)
        .where(
            Enrollment.store_id == number.store_id,
            Enrollment.state == EnrollmentState.HOLDING,
            col(Enrollment.hold_key).in_(keys),
        )
        .order_by(col(Enrollment.id))
        .limit(1)
    )
    first = waiting.first()
    if first is None:
        return False
    add_intent(session, first, "released", Released(key=keys[0]).model_dump(mode="json"), now=now)
    return True


async def waits_for_payment_alone(session: AsyncSession, journey_id: int) -> bool:
    """Whether nothing else pauses the journey, so that one of its messages may find out."""
    causes = await session.exec(
        select(JourneyPause.cause).where(JourneyPause.journey_id == journey_id, col(JourneyPause.ended_at).is_(None))
    )
    return set(causes) == {PauseCause.PAYMENT_PROBLEM}


async def refuse_credential(session: AsyncSession, number_id: int, code: int | None, *, now: datetime) -> None:
    """Meta refuses the number's token, its permission or its id: the store's journeys pause until it is mended."""
    number = await locked_number(session, number_id)
    if number is None:
        return
    if number.credential_ok:
        number.credential_ok = False
        await _tell(session, number, StoreEventKind.CREDENTIAL_REFUSED, code, now=now)
    await pause_by_itself(session, number.store_id, PauseCause.CREDENTIAL_REFUSED, now=now, detail={"code": code})


async def block_country(
    session: AsyncSession, waba_id: str, region: str, code: int | None, *, number_id: int, now: datetime
) -> None:
    """No number of the account writes to people of that region for a while."""
    numbers = await _of_account(session, waba_id)
    for number in numbers:
        known = is_blocked(number, region, now)
        number.blocked_countries = {**number.blocked_countries, region: (now + COUNTRY_RESTS).isoformat()}
        if not known and number.id == number_id:
            await _tell(session, number, StoreEventKind.SENDER_PAUSED, code, now=now, country=region)
    await session.flush()


async def allow_country(session: AsyncSession, waba_id: str, region: str) -> bool:
    """Staff's word that the account may write there again; whether it was blocked."""
    blocked = False
    for number in await _of_account(session, waba_id):
        blocked |= region in number.blocked_countries
        number.blocked_countries = {name: at for name, at in number.blocked_countries.items() if name != region}
    await session.flush()
    return blocked


def is_blocked(number: Number, region: str | None, now: datetime) -> bool:
    """Whether the number's account may not write to people of that region."""
    until = number.blocked_countries.get(region) if region is not None else None
    return until is not None and now < datetime.fromisoformat(until)


def blocked_regions(number: Number, now: datetime) -> dict[str, datetime]:
    """The regions that are left out at present, each with the moment at which that ends."""
    ends = {region: datetime.fromisoformat(at) for region, at in sorted(number.blocked_countries.items())}
    return {region: at for region, at in ends.items() if now < at}


async def tell_of_account(session: AsyncSession, number: Number, event: str, *, now: datetime) -> None:
    """The store's people hear that Meta has stopped the account."""
    number_id = required_id(number.id)
    until = number.paused_until.isoformat() if number.paused_until is not None else None
    await record_store_event(
        session,
        number.store_id,
        StoreEventKind.SENDER_PAUSED,
        dedupe_key=f"sender.paused:{number_id}:{event}:{now.isoformat()}",
        at=now,
        number_id=number_id,
        detail={"event": event, "until": until},
    )


async def locked_number(session: AsyncSession, number_id: int) -> Number | None:
    """The number, locked as it is now; chats and attempts that only name it go on being written."""
    found = await session.exec(
        select(Number)
        .where(Number.id == number_id)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.first()


async def _of_account(session: AsyncSession, waba_id: str) -> Sequence[Number]:
    found = await session.exec(
        select(Number)
        .where(Number.waba_id == waba_id)
        .order_by(col(Number.id))
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    )
    return found.all()


async def _tell(
    session: AsyncSession,
    number: Number,
    kind: StoreEventKind,
    code: int | None,
    *,
    now: datetime,
    country: str | None = None,
) -> None:
    number_id = required_id(number.id)
    _log.error("whatsapp: number %s: %s, code %s", number_id, kind.value, code)
    detail: dict[str, Any] = {"code": code, "text": explain(code)}
    if country is not None:
        detail["country"] = country
    elif kind is StoreEventKind.SENDER_PAUSED and number.paused_until is not None:
        detail["until"] = number.paused_until.isoformat()
    await record_store_event(
        session,
        number.store_id,
        kind,
        dedupe_key=f"{kind.value}:{number_id}:{country or ''}:{now.isoformat()}",
        at=now,
        number_id=number_id,
        detail=detail,
    )
