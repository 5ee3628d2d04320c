"""Two customers that turn out to be one: everything of one row goes over to the other, which stands for both.

The shop merges customers, and a person known from WhatsApp alone turns out to be one of the shop's. The row that is
given up stays: with its shop id, and its phone where the other has one of its own, it leads to the one that is kept
(`merged_into_id`). Chains are never longer than one step.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, update
from sqlalchemy.orm import aliased
from sqlmodel import and_, col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState, EnrollmentState, EventKind, ExitReason
from models.tables import (
    ChatMessage,
    Checkout,
    ConsentWriteBack,
    Conversation,
    ConversationAnalysis,
    ConversationRef,
    CouponIssue,
    Customer,
    CustomerEvent,
    Enrollment,
    EntryDecision,
    ExternalJourney,
    NumberMove,
    Order,
    OutgoingEvent,
    Paced,
    PrivacyRequest,
    Review,
    Send,
    WatchAnswer,
)
from policies.attribution import counts
from policies.opt_out import is_newer_consent
from storage.attribution import attribute_orders
from storage.chats import recount
from storage.checkouts import settle_idle
from storage.conversations import move, set_context, set_open
from storage.enrollments import close_enrollment, open_enrollment
from storage.events import record_event
from storage.opt_outs import facts_changed
from storage.review_upkeep import join_reviews
from storage.stores import required_id
from storage.watches import wake_for_checkout, wake_for_conversation

_NO_ENROLLMENT: Final = "merged"
"""Events of the given-up customer that fell into no journey of theirs must end none of the kept one's."""

_MOVED: Final = (
    Order,
    Checkout,
    Send,
    EntryDecision,
    CouponIssue,
    ConsentWriteBack,
    PrivacyRequest,
    CustomerEvent,
    NumberMove,
    OutgoingEvent,
    Review,
    ConversationAnalysis,
)
"""Tables whose rows change hands without a unique key that could forbid it."""


async def merge_customers(session: AsyncSession, kept: Customer, gone: Customer, *, now: datetime) -> None:
    """Make one customer of two locked ones.

    The journey of the customer who is given up ends with `customer_merged`; the kept one's goes on, unless the other
    has stopped us or has bought since it began. Somebody who is held out stays so, while the kept customer is in none.
    """
    kept_id, gone_id = required_id(kept.id), required_id(gone.id)
    if kept_id == gone_id or gone.merged_into_id is not None:
        return
    was_out = kept.opted_out_at is not None
    await _end_journey(session, gone, kept_id=kept_id, now=now)
    await _move_rows(session, kept_id=kept_id, gone_id=gone_id)
    await _move_conversations(session, kept, gone_id=gone_id, now=now)
    await _move_identity(session, kept, gone)
    gone.merged_into_id = kept_id
    await _in_bulk(session, update(Customer).where(col(Customer.merged_into_id) == gone_id), merged_into_id=kept_id)
    _merge_facts(kept, gone)
    await facts_changed(session, kept, now=now)
    await session.flush()
    if kept.opted_out_at is not None and not was_out:
        await record_event(
            session,
            kept,
            kind=EventKind.UNSUBSCRIBED,
            exit_reason=ExitReason.UNSUBSCRIBED,
            occurred_at=kept.opted_out_at,
            received_at=now,
            source="merge",
            dedupe_key=f"merge:{gone_id}:unsubscribed",
        )
    await _tell_of_orders(session, kept, gone_id=gone_id, now=now)
    await attribute_orders(session, kept_id)
    await _look_at_carts(session, kept_id, now=now)


async def _end_journey(session: AsyncSession, gone: Customer, *, kept_id: int, now: datetime) -> None:
    enrollment = await open_enrollment(session, required_id(gone.id))
    if enrollment is None:
        return
    if enrollment.state is EnrollmentState.CONTROL:
        if await _can_move(session, enrollment, kept_id=kept_id):
            # It has no workflow that knows whose it is: the draw holds for the person that they are.
            return
    else:
        await record_event(
            session,
            gone,
            kind=EventKind.STOP,
            exit_reason=ExitReason.CUSTOMER_MERGED,
            occurred_at=now,
            received_at=now,
            source="merge",
            dedupe_key=f"merge:{enrollment.id}",
            enrollment_id=enrollment.id,
        )
    # Closed at once: two open enrollments of one customer cannot be written down.
    await close_enrollment(session, enrollment, reason=ExitReason.CUSTOMER_MERGED, now=now)


async def _can_move(session: AsyncSession, enrollment: Enrollment, *, kept_id: int) -> bool:
    """Whether an open enrollment can be the kept customer's: they have none, and did not enter for the same before."""
    same = and_(col(Enrollment.journey_id) == enrollment.journey_id, col(Enrollment.entry_key) == enrollment.entry_key)
    in_the_way = select(Enrollment.id).where(
        Enrollment.customer_id == kept_id, or_(col(Enrollment.state) != EnrollmentState.CLOSED, same)
    )
    return (await session.exec(in_the_way.limit(1))).first() is None


async def _move_rows(session: AsyncSession, *, kept_id: int, gone_id: int) -> None:
    await _pin_events(session, gone_id)
    other: Any = aliased(Enrollment)
    twice = select(other.id).where(
        other.customer_id == kept_id,
        other.journey_id == col(Enrollment.journey_id),
        other.entry_key == col(Enrollment.entry_key),
    )
    of_gone = update(Enrollment).where(col(Enrollment.customer_id) == gone_id, ~twice.exists())
    await _in_bulk(session, of_gone, customer_id=kept_id)
    for table in _MOVED:
        key: Any = table.customer_id
        await _in_bulk(session, update(table).where(col(key) == gone_id), customer_id=kept_id)
    await _move_unless_known(session, Paced, Paced.journey_id, kept_id=kept_id, gone_id=gone_id)
    await _move_unless_known(session, ExternalJourney, ExternalJourney.name, kept_id=kept_id, gone_id=gone_id)


async def _move_unless_known(session: AsyncSession, table: Any, key: Any, *, kept_id: int, gone_id: int) -> None:
    """Rows of which a customer has one a key: where both have it, the kept customer's stands."""
    known = (await session.exec(select(key).where(table.customer_id == kept_id))).all()
    of_gone = col(table.customer_id) == gone_id
    await _in_bulk(session, delete(table).where(of_gone, col(key).in_(known)))
    await _in_bulk(session, update(table).where(of_gone), customer_id=kept_id)


async def _pin_events(session: AsyncSession, gone_id: int) -> None:
    """Tie the given-up customer's events to the enrollments during which they happened, or to none."""
    enrollments = (await session.exec(select(Enrollment).where(Enrollment.customer_id == gone_id))).all()
    loose = await session.exec(
        select(CustomerEvent).where(CustomerEvent.customer_id == gone_id, col(CustomerEvent.enrollment_id).is_(None))
    )
    for event in loose.all():
        during = (
            one.id
            for one in enrollments
            if required_id(event.id) > one.after_event_id
            and (one.closed_at is None or event.received_at <= one.closed_at)
        )
        event.enrollment_id = next(during, _NO_ENROLLMENT)
    await session.flush()


async def _move_conversations(session: AsyncSession, kept: Customer, *, gone_id: int, now: datetime) -> None:
    kept_id = required_id(kept.id)
    rows = await session.exec(select(Conversation).where(col(Conversation.customer_id).in_([kept_id, gone_id])))
    conversations = rows.all()
    ours = {one.number_id: one for one in conversations if one.customer_id == kept_id}
    for one in conversations:
        if one.customer_id != gone_id:
            continue
        if one.number_id not in ours:
            one.customer_id = kept_id
            await session.flush()
            continue
        await _join(session, kept, ours[one.number_id], one, now=now)


async def _join(
    session: AsyncSession, kept: Customer, conversation: Conversation, gone: Conversation, *, now: datetime
) -> None:
    """Put one chat into another of the same number; of column, state and context the newer one stands."""
    conversation_id, gone_id = required_id(conversation.id), required_id(gone.id)
    told_twice = select(ChatMessage.external_id).where(
        ChatMessage.conversation_id == conversation_id, col(ChatMessage.external_id).is_not(None)
    )
    of_gone = col(ChatMessage.conversation_id) == gone_id
    await _in_bulk(session, delete(ChatMessage).where(of_gone, col(ChatMessage.external_id).in_(told_twice)))
    await _in_bulk(session, update(ChatMessage).where(of_gone), conversation_id=conversation_id)
    for table in (ConversationRef, Enrollment):
        key: Any = table.conversation_id
        await _in_bulk(session, update(table).where(col(key) == gone_id), conversation_id=conversation_id)
    await _in_bulk(session, delete(WatchAnswer).where(col(WatchAnswer.conversation_id) == gone_id))
    await join_reviews(session, conversation_id, gone_id)
    if gone.context_at is not None:
        set_context(conversation, gone.context, at=gone.context_at)
    if gone.column_at is not None:
        await move(session, kept, conversation, gone.board_column, at=gone.column_at, now=now)
    if gone.open_at is not None:
        await set_open(session, kept, conversation, is_open=gone.is_open, at=gone.open_at, now=now)
    conversation.customer_heard_at = _later(conversation.customer_heard_at, gone.customer_heard_at)
    await session.delete(gone)
    await session.flush()
    await recount(session, conversation)
    await wake_for_conversation(session, conversation, now=now)


async def _move_identity(session: AsyncSession, kept: Customer, gone: Customer) -> None:
    """Name, phone and user id go over where the kept customer has none; an erased one is given nothing back."""
    if kept.erased_at is not None:
        return
    phone, synthetic, user = gone.phone, gone.phone_synthetic, gone.wa_user_id
    takes_phone, takes_user = kept.phone is None and phone is not None, kept.wa_user_id is None and user is not None
    if takes_phone:
        gone.phone, gone.phone_synthetic = None, False
    if takes_user:
        gone.wa_user_id = None
    # Both are unique in a store: given up first, then taken.
    await session.flush()
    if takes_phone:
        kept.phone, kept.phone_synthetic = phone, synthetic
    if takes_user:
        kept.wa_user_id = user
    kept.first_name = kept.first_name or gone.first_name
    kept.language = kept.language or gone.language
    kept.time_zone = kept.time_zone or gone.time_zone
    gone.first_name = None


def _merge_facts(kept: Customer, gone: Customer) -> None:
    """The newest of each fact stands, whosever it was."""
    if gone.stopped_at is not None and (kept.stopped_at is None or gone.stopped_at > kept.stopped_at):
        kept.stopped_at, kept.stopped_source = gone.stopped_at, gone.stopped_source
    kept.meta_stop_at = _later(kept.meta_stop_at, gone.meta_stop_at)
    kept.meta_resume_at = _later(kept.meta_resume_at, gone.meta_resume_at)
    kept.last_inbound_at = _later(kept.last_inbound_at, gone.last_inbound_at)
    if gone.consent_at is None:
        takes_consent = kept.consent_at is None and kept.consent is ConsentState.NEVER_SUBSCRIBED
    else:
        takes_consent = is_newer_consent(gone.consent, gone.consent_at, kept.consent, kept.consent_at)
    if takes_consent and kept.erased_at is None:
        kept.consent, kept.consent_at, kept.consent_source = gone.consent, gone.consent_at, gone.consent_source
    if gone.last_order_at is not None and (kept.last_order_at is None or gone.last_order_at > kept.last_order_at):
        kept.last_order_at, kept.last_order_external_id = gone.last_order_at, gone.last_order_external_id
        kept.last_order_minor, kept.last_order_currency = gone.last_order_minor, gone.last_order_currency


async def _tell_of_orders(session: AsyncSession, kept: Customer, *, gone_id: int, now: datetime) -> None:
    """An order that the other customer placed during the kept one's journey ends it: the person has bought."""
    enrollment = await open_enrollment(session, required_id(kept.id))
    if enrollment is None or enrollment.state is EnrollmentState.CONTROL:
        return
    since = await session.exec(
        select(Order)
        .where(Order.customer_id == kept.id, col(Order.ordered_at) >= enrollment.selected_at)
        .order_by(col(Order.ordered_at))
        .execution_options(populate_existing=True)
    )
    order = next((one for one in since if counts(one)), None)
    if order is not None:
        await record_event(
            session,
            kept,
            kind=EventKind.ORDER_PLACED,
            exit_reason=ExitReason.PURCHASED,
            occurred_at=order.ordered_at,
            received_at=now,
            source="merge",
            dedupe_key=f"merge:{gone_id}:order:{order.external_id}",
            order_id=required_id(order.id),
            enrollment_id=enrollment.id,
        )


async def _look_at_carts(session: AsyncSession, kept_id: int, *, now: datetime) -> None:
    carts = await session.exec(
        select(Checkout)
        .where(Checkout.customer_id == kept_id, col(Checkout.idle_since).is_not(None))
        .execution_options(populate_existing=True)
    )
    for checkout in carts.all():
        await settle_idle(session, checkout)
        await wake_for_checkout(session, checkout, now=now)


async def _in_bulk(session: AsyncSession, statement: Any, **values: Any) -> None:
    if values:
        statement = statement.values(**values)
    await session.exec(statement.execution_options(synchronize_session=False))


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)
