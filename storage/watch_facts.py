"""What the rules look at in a customer's conversation or cart, and the customer with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.journey import AbandonedCart, FollowUp
from models.money import Money
from models.tables import Checkout, Conversation, Enrollment
from policies.eligibility import RuleResult
from policies.watch_rules import OpenCart, Silence, evaluate_cart, evaluate_follow_up
from policies.watching import covers_column, entry_moment
from storage.considered import Considered, considered
from storage.subjects import Subject, sent_in_a_row
from storage.watch_queue import Scope


@dataclass(frozen=True, slots=True)
class Asked:
    """A customer with a silence or a cart, and every rule's answer.

    Attributes:
        who: the customer; its subject is the conversation or checkout as it is now.
        since: when it went quiet; None if it is not quiet any more, or not this watch's.
        at: when it may enter at the earliest.
    """

    who: Considered
    since: datetime | None
    at: datetime | None
    results: list[RuleResult]


async def ask_rules(
    session: AsyncSession,
    scope: Scope,
    subjects: Mapping[int, int | None],
    *,
    suppression_key: bytes,
    currency: str,
    now: datetime,
    lock: bool = False,
) -> list[Asked]:
    """Every rule about these customers.

    Args:
        session: with `lock`, a writing transaction.
        scope: the watch.
        subjects: the conversation's or checkout's id by the customer's; None for the newest of that customer.
        suppression_key: of the store.
        currency: of the store.
        now: the moment of the question.
        lock: whether the customers stay locked; their conversations and carts are then read as they are under it.
    """
    people = await considered(
        session, scope.journey_id, list(subjects), suppression_key=suppression_key, now=now, lock=lock
    )
    counts = await sent_in_a_row(session, scope.journey_id, [one.candidate.customer_id for one in people])
    asked = []
    for who in people:
        subject_id = subjects[who.candidate.customer_id]
        match scope.definition:
            case FollowUp():
                asked.append(await _ask_silence(session, scope, who, subject_id, counts, now=now))
            case AbandonedCart():
                asked.append(await _ask_cart(session, scope, who, subject_id, currency, now=now))
    return asked


async def _ask_silence(
    session: AsyncSession,
    scope: Scope,
    who: Considered,
    conversation_id: int | None,
    counts: Mapping[int, int],
    *,
    now: datetime,
) -> Asked:
    definition, customer_id = scope.definition, who.candidate.customer_id
    assert isinstance(definition, FollowUp)  # noqa: S101 - told apart by the caller
    query = select(Conversation).where(Conversation.customer_id == customer_id)
    if conversation_id is not None:
        query = query.where(Conversation.id == conversation_id)
    query = query.order_by(col(Conversation.last_spoken_at).desc().nulls_last(), col(Conversation.id)).limit(1)
    conversation = (await session.exec(query.execution_options(populate_existing=True))).first()
    if conversation is None:
        return Asked(who, None, None, evaluate_follow_up(who.candidate, None, definition, now=now))
    since = conversation.silent_since
    due_at = entry_moment(definition, since, scope.whereabouts(who.customer), not_before=now) if since else None
    silence = Silence(
        entry_key=conversation.last_spoken_key,
        spoken_at=conversation.last_spoken_at,
        since=since,
        due_at=due_at,
        column=conversation.board_column,
        is_open=conversation.is_open,
        taken=scope.taken,
        sent_in_a_row=counts.get(customer_id, 0),
        only_since=scope.watch.row.since,
    )
    own = covers_column(definition, conversation.board_column, scope.taken) and (
        conversation.is_open or definition.conversations.include_closed
    )
    return Asked(
        replace(who, subject=Subject(conversation=conversation)),
        since if own else None,
        due_at,
        evaluate_follow_up(who.candidate, silence, definition, now=now),
    )


async def _ask_cart(
    session: AsyncSession, scope: Scope, who: Considered, checkout_id: int | None, currency: str, *, now: datetime
) -> Asked:
    definition, customer_id = scope.definition, who.candidate.customer_id
    assert isinstance(definition, AbandonedCart)  # noqa: S101 - told apart by the caller
    query = select(Checkout).where(Checkout.customer_id == customer_id)
    query = query.where(Checkout.id == checkout_id) if checkout_id is not None else query
    query = query.order_by(col(Checkout.idle_since).desc().nulls_last(), col(Checkout.id).desc()).limit(1)
    checkout = (await session.exec(query.execution_options(populate_existing=True))).first()
    if checkout is None:
        return Asked(who, None, None, evaluate_cart(who.candidate, None, definition, now=now, currency=currency))
    since = checkout.idle_since
    due_at = entry_moment(definition, since, scope.whereabouts(who.customer), not_before=now) if since else None
    before = select(Enrollment.id).where(
        Enrollment.journey_id == scope.journey_id,
        Enrollment.customer_id == customer_id,
        Enrollment.entry_key == checkout.token,
    )
    cart = OpenCart(
        since=since,
        due_at=due_at,
        total=Money(checkout.total_minor, checkout.currency),
        entered=(await session.exec(before)).first() is not None,
        only_since=scope.watch.row.since,
    )
    return Asked(
        replace(who, subject=Subject(checkout=checkout)),
        since,
        due_at,
        evaluate_cart(who.candidate, cart, definition, now=now, currency=currency),
    )
