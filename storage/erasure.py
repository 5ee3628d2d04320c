"""Erasing a person: nothing that tells who they are or what was said stays, and they are never written to again.

What stays is what counts and cannot be traced back from here: that messages went out and when, orders with their
amounts, reasons and times, the keyed hash of the phone, and the shop's own number of the customer. That number says
nothing to anybody but the shop, and without it the shop's next webhook or an import would make a new person of the
erased one.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, literal, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState, EnrollmentState, EventKind, ExitReason
from models.tables import (
    ChatMessage,
    Checkout,
    ConsentWriteBack,
    Conversation,
    ConversationRef,
    CouponIssue,
    Customer,
    CustomerEvent,
    Enrollment,
    EntryDecision,
    ExternalJourney,
    NumberMove,
    Order,
    Paced,
    RecipientWindow,
    Send,
    SendAttempt,
    UnmatchedStatus,
    WatchAnswer,
    WindowRecipient,
)
from storage.customers import SuppressionReason, suppress
from storage.events import record_event
from storage.ingest import insert_new, lock_customers
from storage.opt_outs import recompute
from storage.raw_bodies import empty_bodies, phone_traces
from storage.reachability import has_another_number
from storage.review_upkeep import forget_findings
from storage.sends import FORGOTTEN
from storage.shoppers import Shopper, find_shoppers
from storage.steps import forget_steps
from storage.stores import required_id


async def erase_customer(session: AsyncSession, customer: Customer, *, suppression_key: bytes, now: datetime) -> None:
    """Erase a locked customer with everybody who was merged into them; whatever runs ends with `data_erased`.

    Safe to repeat: what has come since the first time goes too.
    """
    traces = await erase_rows(session, [customer], suppression_key=suppression_key, now=now)
    await empty_bodies(session, customer.store_id, traces)


async def erase_person(
    session: AsyncSession,
    store_id: int,
    *,
    external_id: str | None,
    phone: str | None,
    suppression_key: bytes,
    now: datetime,
) -> list[Customer]:
    """Erase whoever has this number at the shop or this phone, and keep somebody unknown from ever becoming known.

    Args:
        session: a writing transaction.
        store_id: whose customer it is.
        external_id: the shop's number of the person.
        phone: in E.164. Where it belongs to another of the shop's customers, that one is left alone.
        suppression_key: keys the hash that stays.
        now: the time.

    Returns:
        The customers that were erased.
    """
    by_id, holder = await find_shoppers(session, Shopper(store_id, external_id, phone))
    if by_id is None and external_id is not None and (holder is None or holder.external_id is not None):
        row = {
            "store_id": store_id,
            "external_id": external_id,
            "phone_synthetic": False,
            "consent": ConsentState.NEVER_SUBSCRIBED,
        }
        await insert_new(session, Customer, [row], returning="id")
        by_id, holder = await find_shoppers(session, Shopper(store_id, external_id, phone))
    if holder is not None and external_id is not None and holder is not by_id:
        if holder.external_id is not None:
            holder = phone = None
        elif by_id is None:
            holder.external_id = external_id
    found = {required_id(one.id): one for one in (by_id, holder) if one is not None}
    traces = await erase_rows(session, list(found.values()), suppression_key=suppression_key, now=now)
    if phone is not None:
        await suppress(session, store_id, phone, reason=SuppressionReason.ERASED, key=suppression_key, now=now)
        traces |= phone_traces(phone) | await _erase_moves(session, store_id, phones=[phone])
    if external_id is not None:
        traces.add(external_id)
    await empty_bodies(session, store_id, traces)
    return list(found.values())


async def erase_rows(
    session: AsyncSession, customers: Sequence[Customer], *, suppression_key: bytes, now: datetime
) -> set[str]:
    """Erase locked customers but for the raw webhooks; the traces by which those are found are returned."""
    traces: set[str] = set()
    for customer in customers:
        merged = await session.exec(select(Customer.id).where(Customer.merged_into_id == customer.id))
        others = await lock_customers(session, [one for one in merged if one is not None])
        for person in (customer, *others.values()):
            traces |= await _erase(session, person, key=suppression_key, now=now)
    return traces


async def erase_unowned(session: AsyncSession, store_id: int) -> None:
    """Erase what a store keeps of people whom it could not name yet: carts, a chat tool's words, changes of number."""
    await _in_bulk(
        session,
        update(Checkout).where(col(Checkout.store_id) == store_id, col(Checkout.customer_id).is_(None)),
        url=None,
        items=[],
        idle_since=None,
    )
    unbound = col(ConversationRef.conversation_id).is_(None)
    await _in_bulk(session, delete(ConversationRef).where(col(ConversationRef.store_id) == store_id, unbound))
    await _in_bulk(session, delete(NumberMove).where(col(NumberMove.store_id) == store_id))


async def _erase(session: AsyncSession, customer: Customer, *, key: bytes, now: datetime) -> set[str]:
    customer_id = required_id(customer.id)
    await _end_journeys(session, customer, now=now)
    traces = {one for one in (customer.external_id, customer.wa_user_id) if one is not None}
    if customer.phone is not None:
        await suppress(session, customer.store_id, customer.phone, reason=SuppressionReason.ERASED, key=key, now=now)
        traces |= phone_traces(customer.phone)
    phones, users = ([one] if one is not None else [] for one in (customer.phone, customer.wa_user_id))
    traces |= await _erase_moves(session, customer.store_id, customer_id=customer_id, phones=phones, users=users)
    traces |= await _erase_sends(session, customer_id)
    traces |= await _erase_chats(session, customer_id)
    traces |= await _erase_purchases(session, customer_id)
    for table in (EntryDecision, Paced, ExternalJourney, ConsentWriteBack):
        of_them: Any = table.customer_id
        await _in_bulk(session, delete(table).where(col(of_them) == customer_id))
    await _blank_event_keys(session, customer_id)
    await _blank_recipient(session, customer_id)
    customer.phone = customer.wa_user_id = customer.first_name = customer.language = customer.time_zone = None
    customer.phone_synthetic = False
    has_another_number(customer)
    customer.last_inbound_at = customer.shop_updated_at = None
    customer.consent, customer.consent_source, customer.consent_at = ConsentState.REDACTED, "erased", now
    customer.erased_at = customer.erased_at or now
    recompute(customer)
    await session.flush()
    return traces


async def _erase_moves(
    session: AsyncSession,
    store_id: int,
    *,
    customer_id: int | None = None,
    phones: Sequence[str] = (),
    users: Sequence[str] = (),
) -> set[str]:
    """Which numbers they had before; the traces of those."""
    traces = set()
    for one in await forget_steps(session, store_id, customer_id=customer_id, phones=phones, users=users):
        traces |= phone_traces(one.phone) if one.phone is not None else set()
        traces |= {one.wa_user_id} if one.wa_user_id is not None else set()
    return traces


async def _end_journeys(session: AsyncSession, customer: Customer, *, now: datetime) -> None:
    running = await session.exec(
        select(Enrollment.id).where(
            Enrollment.customer_id == customer.id,
            col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL]),
        )
    )
    for enrollment_id in running.all():
        await record_event(
            session,
            customer,
            kind=EventKind.STOP,
            exit_reason=ExitReason.DATA_ERASED,
            occurred_at=now,
            received_at=now,
            source="erasure",
            dedupe_key=f"erase:{enrollment_id}",
            enrollment_id=enrollment_id,
        )


async def _erase_sends(session: AsyncSession, customer_id: int) -> set[str]:
    """Drafts and parameters; WhatsApp's message ids too, which hold the recipient's number in another writing.

    What stands in their place keeps a late status from bringing them back.
    """
    of_them = col(Send.customer_id) == customer_id
    sends = select(Send.id).where(of_them)
    of_sends = col(SendAttempt.send_id).in_(sends)
    known = await _known(session, select(SendAttempt.wamid).where(of_sends))
    wamids = {wamid for wamid in known if not wamid.startswith(FORGOTTEN)}
    await _in_bulk(session, update(SendAttempt).where(of_sends), wamid=literal(FORGOTTEN) + col(SendAttempt.id))
    await _in_bulk(session, delete(UnmatchedStatus).where(col(UnmatchedStatus.wamid).in_(wamids)))
    await _in_bulk(session, update(Send).where(of_them), parameters={}, free_text=None, coupon_code=None)
    return wamids


async def _erase_chats(session: AsyncSession, customer_id: int) -> set[str]:
    chats = select(Conversation.id).where(Conversation.customer_id == customer_id)
    in_chats = col(ChatMessage.conversation_id).in_(chats)
    wamids = await _known(session, select(ChatMessage.wamid).where(in_chats))
    refs = await _known(
        session, select(ConversationRef.external_id).where(col(ConversationRef.conversation_id).in_(chats))
    )
    await _in_bulk(session, delete(ChatMessage).where(in_chats))
    await _in_bulk(session, delete(ConversationRef).where(col(ConversationRef.conversation_id).in_(chats)))
    await _in_bulk(session, delete(WatchAnswer).where(col(WatchAnswer.conversation_id).in_(chats)))
    await forget_findings(session, customer_id)
    await _in_bulk(
        session,
        update(Conversation).where(col(Conversation.customer_id) == customer_id),
        context={},
        last_spoken_at=None,
        last_spoken_key=None,
        silent_since=None,
        customer_wrote_at=None,
        customer_heard_at=None,
    )
    return wamids | refs


async def _erase_purchases(session: AsyncSession, customer_id: int) -> set[str]:
    """Links, items and personal codes; a code is replaced alike in order and issue, so that attribution stands."""
    carts = (await session.exec(select(Checkout).where(Checkout.customer_id == customer_id))).all()
    for cart in carts:
        cart.url, cart.items, cart.idle_since = None, [], None
    await _in_bulk(session, delete(WatchAnswer).where(col(WatchAnswer.checkout_id).in_([one.id for one in carts])))
    renamed = {}
    for issue in (await session.exec(select(CouponIssue).where(CouponIssue.customer_id == customer_id))).all():
        renamed[issue.code.casefold()] = issue.code = f"erased-{issue.id}"
    orders = (await session.exec(select(Order).where(Order.customer_id == customer_id))).all()
    for order in orders:
        order.discount_codes = [renamed.get(code.strip().casefold(), code) for code in order.discount_codes]
    await session.flush()
    traces = {order.external_id for order in orders} | {cart.token for cart in carts}
    return traces | {cart.external_id for cart in carts if cart.external_id is not None}


async def _blank_event_keys(session: AsyncSession, customer_id: int) -> None:
    """Keys of events from before they were digests, which name messages by WhatsApp's id."""
    events = await session.exec(
        select(CustomerEvent).where(
            CustomerEvent.customer_id == customer_id,
            or_(col(CustomerEvent.dedupe_key).contains("wamid"), col(CustomerEvent.dedupe_key).contains("+")),
        )
    )
    for event in events.all():
        event.dedupe_key = f"erased:{event.id}"


async def _blank_recipient(session: AsyncSession, customer_id: int) -> None:
    """Whom we have written to lately; the places that they fill in WhatsApp's limits stay filled."""
    rows = await session.exec(
        select(WindowRecipient)
        .join(RecipientWindow, col(RecipientWindow.id) == WindowRecipient.window_id)
        .where(WindowRecipient.customer_id == customer_id)
        # A claim of anybody else's lets go of old ones under the counts' locks, the portfolio's first.
        .order_by(col(RecipientWindow.key).desc())
        .with_for_update(of=WindowRecipient)
    )
    for row in rows.all():
        row.recipient, row.customer_id = f"{FORGOTTEN}{secrets.token_hex(16)}", None


async def _known(session: AsyncSession, query: Any) -> set[str]:
    found: Iterable[str | None] = await session.exec(query)
    return {one for one in found if one is not None}


async def _in_bulk(session: AsyncSession, statement: Any, **values: Any) -> None:
    if values:
        statement = statement.values(**values)
    await session.exec(statement.execution_options(synchronize_session=False))
