"""Sends and their attempts: the draft, the claim that commits before the POST, and the record after it (promise 1)."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Table, bindparam, func, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm.attributes import set_committed_value
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, MessageAuthor, SendState, SkipReason
from models.tables import ChatMessage, Conversation, Send, SendAttempt, Template, UnmatchedStatus
from storage.chats import ensure_conversation, make_own
from storage.engine import is_sqlite
from storage.enrollments import EnrollmentFacts
from storage.stores import required_id

FORGOTTEN: Final = "erased:"
"""How the id of a message begins whose customer was erased: WhatsApp's own id holds their number."""
CLAIMABLE = (SendState.DRAFTED, SendState.FAILED)
SETTLED = (SendState.ACCEPTED, SendState.SKIPPED, SendState.PARKED)
POSSIBLY_SENT = (SendState.ACCEPTED, SendState.IN_FLIGHT, SendState.UNKNOWN, SendState.PARKED)
"""What counts as sent wherever writing to somebody too often would be the worse mistake."""
_OPEN = frozenset({SendState.IN_FLIGHT, SendState.UNKNOWN, SendState.PARKED})
"""An attempt is out, and nobody has said what became of it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a stage will say: a text for the open service window, a template with its parameters, or both."""

    template_name: str | None = None
    template_language: str | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    coupon_code: str | None = None
    free_text: str | None = None
    written_by: str | None = None
    prompt_version: str | None = None


def attempt_id(enrollment_id: str, stage: int, occurrence: int, attempt: int) -> str:
    """The id under which an attempt travels as `biz_opaque_callback_data`; stage and occurrence count from 1 in it."""
    return f"{enrollment_id}:{stage + 1}:{occurrence + 1}:{attempt}"


async def find_send(session: AsyncSession, enrollment_id: str, stage: int, occurrence: int) -> Send | None:
    """The send of a stage, if it was ever prepared."""
    return (
        await session.exec(
            select(Send)
            .where(Send.enrollment_id == enrollment_id, Send.stage == stage, Send.occurrence == occurrence)
            .execution_options(populate_existing=True)
        )
    ).first()


async def ensure_send(session: AsyncSession, facts: EnrollmentFacts, stage: int, occurrence: int) -> Send:
    """The send of a stage, made if this is the first time that the stage is prepared."""
    send = await find_send(session, facts.enrollment.id, stage, occurrence)
    if send is None:
        send = Send(
            store_id=required_id(facts.store.id),
            journey_id=required_id(facts.journey.id),
            enrollment_id=facts.enrollment.id,
            customer_id=required_id(facts.customer.id),
            stage=stage,
            occurrence=occurrence,
            state=SendState.DRAFTED,
        )
        session.add(send)
        await session.flush()
    return send


def save_draft(send: Send, draft: Draft, *, now: datetime) -> None:
    """Store what will be said, over an older draft that was never sent; an approval of that one is then void."""
    send.revision += 1
    send.substituted_for = None
    send.template_name = draft.template_name
    send.template_language = draft.template_language
    send.parameters = draft.parameters
    send.coupon_code = draft.coupon_code
    send.free_text = draft.free_text
    send.written_by = draft.written_by
    send.prompt_version = draft.prompt_version
    send.drafted_at = now


# A claim and a chat line are written as rows rather than as objects: the session's bookkeeping costs more than they do.
_SENDS = cast("Table", Send.__table__)  # type: ignore[attr-defined]
_ATTEMPT = insert(cast("Table", SendAttempt.__table__))  # type: ignore[attr-defined]
_CHAT_MESSAGES = cast("Table", ChatMessage.__table__)  # type: ignore[attr-defined]
_CHAT_MESSAGE_SQLITE = sqlite.insert(_CHAT_MESSAGES).on_conflict_do_nothing()
_CHAT_MESSAGE_POSTGRES = postgresql.insert(_CHAT_MESSAGES).on_conflict_do_nothing()
_CLAIM = (
    update(_SENDS)
    .where(
        _SENDS.c.id == bindparam("send_id"),
        _SENDS.c.attempt == bindparam("seen"),
        _SENDS.c.state.in_(CLAIMABLE),
        # Parked and then found not sent: it failed, and its stage is over all the same.
        _SENDS.c.settled_at.is_(None),
    )
    .values(attempt=bindparam("number"), state=SendState.IN_FLIGHT)
)


async def claim(session: AsyncSession, send: Send, *, number_id: int, used_template: bool, now: datetime) -> str | None:
    """Take the right to POST once: compare and set the attempt number, and write the attempt down.

    The caller holds the customer's lock and commits before the request leaves. A worker that read the send before
    another one claimed it finds its number gone, so it can never post too.

    Returns:
        The attempt's id, or None when somebody else has the claim.
    """
    number = send.attempt + 1
    await session.flush()
    claimed = await (await session.connection()).execute(
        _CLAIM, {"send_id": required_id(send.id), "seen": send.attempt, "number": number}
    )
    if claimed.rowcount != 1:
        return None
    # The row has these values already; an assignment would write them a second time.
    set_committed_value(send, "attempt", number)
    set_committed_value(send, "state", SendState.IN_FLIGHT)
    new_id = attempt_id(send.enrollment_id, send.stage, send.occurrence, number)
    attempt = {
        "id": new_id,
        "send_id": required_id(send.id),
        "number_id": number_id,
        "number": number,
        "status": AttemptStatus.CLAIMED,
        "used_template": used_template,
        "claimed_at": now,
    }
    await (await session.connection()).execute(_ATTEMPT, attempt)
    return new_id


async def get_attempt(session: AsyncSession, wanted: str) -> SendAttempt | None:
    """The attempt with that id."""
    return await session.get(SendAttempt, wanted, populate_existing=True)


async def tries_with(session: AsyncSession, send: Send, code: int | None) -> int:
    """How many of the send's attempts ended with that code, this one among them; None counts those without a code."""
    await session.flush()
    same = col(SendAttempt.error_code).is_(None) if code is None else SendAttempt.error_code == code
    query = select(func.count()).where(SendAttempt.send_id == send.id, SendAttempt.status == AttemptStatus.FAILED, same)
    return (await session.exec(query)).one()


async def all_failed(session: AsyncSession, send: Send) -> bool:
    """Whether every attempt of the send is known to have failed: an older one may have gone against its refusal."""
    await session.flush()
    query = select(func.count()).where(SendAttempt.send_id == send.id, SendAttempt.status != AttemptStatus.FAILED)
    return (await session.exec(query)).one() == 0


async def latest_attempt(session: AsyncSession, send: Send) -> SendAttempt | None:
    """The send's newest attempt."""
    return await get_attempt(session, attempt_id(send.enrollment_id, send.stage, send.occurrence, send.attempt))


def is_forgotten(attempt: SendAttempt) -> bool:
    """Whether it went to somebody who was erased since."""
    return (attempt.wamid or "").startswith(FORGOTTEN)


def record_accepted(send: Send, attempt: SendAttempt, *, wamid: str, held: bool, now: datetime) -> None:
    """Meta took the message. A status that was faster than this record is kept.

    An older attempt of which a status has told that it failed after all says nothing of the newer one.
    """
    withdraw_refusal(attempt)
    if not is_forgotten(attempt):
        attempt.wamid = wamid
    attempt.accepted_at = now
    if attempt.status in (AttemptStatus.CLAIMED, AttemptStatus.UNKNOWN):
        attempt.status = AttemptStatus.HELD_BY_META if held else AttemptStatus.ACCEPTED
    if attempt.status is not AttemptStatus.FAILED or attempt.number == send.attempt:
        settle_as_sent(send, now=now)


def record_failed(send: Send, attempt: SendAttempt, *, code: int | None, now: datetime) -> None:
    """Meta says that it did not take the message: a further attempt may follow.

    What a status has told of this attempt in the meantime is known better, and stays.
    """
    if attempt.status in (AttemptStatus.CLAIMED, AttemptStatus.UNKNOWN):
        attempt.status = AttemptStatus.FAILED
        attempt.error_code = code
        attempt.failed_at = now
    if attempt.status is AttemptStatus.FAILED:
        not_sent(send, attempt)


def record_unknown(send: Send, attempt: SendAttempt) -> None:
    """Nobody knows whether the message left: nothing more is posted for this send until a status settles it.

    What a status has told before the answer broke off is known, and stays.
    """
    if attempt.status is AttemptStatus.CLAIMED:
        attempt.status = AttemptStatus.UNKNOWN
    if attempt.status is AttemptStatus.UNKNOWN and send.state is SendState.IN_FLIGHT:
        send.state = SendState.UNKNOWN


def not_sent(send: Send, attempt: SendAttempt) -> None:
    """An attempt failed. A further one may follow if it was the newest, and if the stage is not over."""
    if attempt.number == send.attempt and send.state in _OPEN:
        send.state = SendState.FAILED


def withdraw_refusal(attempt: SendAttempt) -> None:
    """Take back that an attempt failed, since WhatsApp speaks of its message: it was taken after all.

    Only for one of whose message WhatsApp has never spoken before, so that its failure is what an answer seemed to say
    or what somebody of ours took to be so. A failure that a status has told stands.
    """
    if attempt.status is AttemptStatus.FAILED and attempt.wamid is None:
        attempt.status, attempt.failed_at, attempt.error_code = AttemptStatus.UNKNOWN, None, None


def settle_as_sent(send: Send, *, now: datetime) -> None:
    """The customer has the message, or will have it: no further attempt may follow, whatever was believed before.

    A stage that was over already stays over since then: the next one counts from that moment.
    """
    send.state = SendState.ACCEPTED
    send.skip_reason = None
    send.settled_at = send.settled_at or now


def reopen(send: Send) -> None:
    """The message was taken and has failed since: a further attempt may follow in its stage."""
    send.state = SendState.FAILED
    send.settled_at = send.skip_reason = None


def is_over(send: Send) -> bool:
    """Whether the stage is over for this send, also where its message failed in the end: nothing more is posted."""
    return send.state in SETTLED or send.settled_at is not None


def settle(send: Send, state: SendState, *, now: datetime, reason: SkipReason | None = None) -> None:
    """The stage is over for this send; the first settlement stands."""
    if is_over(send):
        return
    send.state = state
    send.settled_at = now
    send.skip_reason = reason


async def template_of(session: AsyncSession, waba_id: str, name: str, language: str) -> Template | None:
    """Our mirror of a template."""
    return (
        await session.exec(
            select(Template).where(Template.waba_id == waba_id, Template.name == name, Template.language == language)
        )
    ).first()


async def earlier_texts(session: AsyncSession, customer_id: int, *, limit: int = 20) -> list[str]:
    """What journeys have said to the customer lately, newest first, so that nothing is said twice.

    A text that the model wrote is told without the words of the template that it went in.
    """
    rows = await session.exec(
        select(func.coalesce(Send.free_text, ChatMessage.text))
        .select_from(ChatMessage)
        .join(Conversation, col(Conversation.id) == ChatMessage.conversation_id)
        .join(SendAttempt, col(SendAttempt.id) == ChatMessage.attempt_id, isouter=True)
        .join(Send, col(Send.id) == SendAttempt.send_id, isouter=True)
        .where(Conversation.customer_id == customer_id, ChatMessage.author == MessageAuthor.JOURNEY)
        .order_by(col(ChatMessage.at).desc())
        .limit(limit)
    )
    return [text for text in rows if text]


async def write_chat(
    session: AsyncSession,
    facts: EnrollmentFacts,
    attempt: SendAttempt,
    *,
    conversation_id: int | None,
    text: str,
    kind: str,
    now: datetime,
) -> None:
    """Put our message into the customer's chat, which is opened if there is none yet.

    Of one that was on its way while its customer was erased nothing is kept.
    """
    if facts.customer.erased_at is not None:
        return
    if conversation_id is None:
        conversation = await ensure_conversation(
            session,
            store_id=required_id(facts.store.id),
            number_id=required_id(facts.number.id),
            customer_id=required_id(facts.customer.id),
        )
        conversation_id = required_id(conversation.id)
    line = {
        "conversation_id": conversation_id,
        "wamid": attempt.wamid,
        "inbound": False,
        "author": MessageAuthor.JOURNEY,
        "kind": kind,
        "text": text,
        "at": now,
        "attempt_id": attempt.id,
    }
    insert_line = _CHAT_MESSAGE_SQLITE if is_sqlite(session) else _CHAT_MESSAGE_POSTGRES
    written = await (await session.connection()).execute(insert_line, line)
    if written.rowcount != 1 and attempt.wamid is not None:
        # An echo of this very message was faster than our own record of it.
        await make_own(session, {attempt.wamid: attempt.id}, text=text, kind=kind, now=now)


_UNMATCHED = (
    select(UnmatchedStatus)
    .where(
        UnmatchedStatus.wamid == bindparam("wamid"),
        or_(UnmatchedStatus.number_id == bindparam("number_id"), col(UnmatchedStatus.number_id).is_(None)),
    )
    .order_by(col(UnmatchedStatus.id))
)


async def take_unmatched(session: AsyncSession, wamid: str, *, number_id: int) -> list[UnmatchedStatus]:
    """Statuses that came before the message's id was stored, oldest first; they are removed from the waiting list."""
    found = (await session.exec(_UNMATCHED, params={"wamid": wamid, "number_id": number_id})).all()
    for status in found:
        await session.delete(status)
    return list(found)
