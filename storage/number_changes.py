"""Customers who moved to another phone number: they stay who they are, with all that they said and bought.

Nobody wrote anything, so no journey ends of it. Who writes from the new number before WhatsApp says whose it is has
become a customer of their own by then, and is made one with the old one.

Changes are told in any order, so each is kept for a month: one that nobody whom we know has made yet may be the way on
of somebody who is brought to its old number later.
"""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EventKind, ExitReason, MessageAuthor
from models.tables import (
    ChatMessage,
    Checkout,
    Conversation,
    Customer,
    CustomerEvent,
    Enrollment,
    ExternalJourney,
    Order,
)
from storage.engine import is_sqlite
from storage.enrollments import open_enrollment
from storage.events import record_event
from storage.ingest import insert_new
from storage.merging import merge_customers
from storage.people import look_up, stranger
from storage.reachability import has_another_number
from storage.steps import claim_steps, keep_step, steps_of
from storage.stores import required_id
from storage.whereabouts import Address, Step, follow_on

_log = logging.getLogger(__name__)

_WORDS: Final = {
    EventKind.CUSTOMER_REPLIED: ExitReason.CUSTOMER_REPLIED,
    EventKind.UNSUBSCRIBED: ExitReason.UNSUBSCRIBED,
}
"""What a person says that ends a journey."""


class MovedMeanwhileError(Exception):
    """Somebody came to one of the addresses while their customers were being locked: run the transaction again."""


@dataclass(frozen=True, slots=True)
class MovePiece:
    """A customer has another phone number or user id than before."""

    dedupe_key: str
    old: Address
    new: Address
    at: datetime


@dataclass(frozen=True, slots=True)
class Movers:
    """Who is to be locked for some changes of number, and every address that these may lead through."""

    ids: frozenset[int]
    addresses: frozenset[Address]


async def find_movers(session: AsyncSession, moves: Sequence[MovePiece]) -> Movers:
    """Everybody who is at an address that the moves, and those after them, lead from or to.

    Nobody else comes to one of these addresses, and no way on from there is told, until the transaction ends.
    """
    further = {address for move in moves for address in (move.old, move.new)}
    addresses: set[Address] = set()
    ids: set[int] = set()
    while further:
        await _keep_free(session, further)
        known = await look_up(session, further)
        addresses |= further
        ids |= {holder.standing_id for holder in known.holders.values()}
        further = {step.new for step in known.steps.values()} - addresses
    return Movers(frozenset(ids), frozenset(addresses))


async def apply_move(
    session: AsyncSession, piece: MovePiece, movers: Movers, customers: Mapping[int, Customer], *, now: datetime
) -> None:
    """Keep the change, and give whoever is known to have made it the number at its end.

    Where that would make one customer of two whom the shop tells apart, nobody may decide it: the change is not kept,
    and both stay as they are.

    Args:
        session: a writing transaction.
        piece: the change, not applied before.
        movers: what `find_movers` found for it.
        customers: the locked rows of all of them.
        now: when the request came in.

    Raises:
        MovedMeanwhileError: somebody else is at one of the addresses by now.
    """
    await session.flush()
    known = await look_up(session, movers.addresses)
    if not customers.keys() >= {holder.standing_id for holder in known.holders.values()}:
        raise MovedMeanwhileError
    step = Step(piece.old, piece.new, piece.at)
    leaving = [
        holder
        for holder in known.at(piece.old)
        if await _was_there(session, holder.address, customers[holder.standing_id], step)
    ]
    if not leaving:
        keep_step(session, step)
        return
    step = _named(step, [holder.address for holder in leaving])
    place, trail = follow_on(step, known.steps.values())
    rows = {holder.id: holder for holder in (*leaving, *known.at(place))}
    people = {holder.standing_id: customers[holder.standing_id] for holder in rows.values()}
    kept = _stays(people.values())
    if kept is None:
        return
    kept_id = required_id(kept.id)
    for customer_id, gone in people.items():
        if customer_id != kept_id:
            await _make_one(session, kept, gone, now=now)
    await _settle(session, list(rows), kept, step.old, place)
    keep_step(session, step, customer_id=kept_id)
    await session.flush()
    await claim_steps(session, [one.id for one in trail], kept_id)


async def _keep_free(session: AsyncSession, addresses: Collection[Address]) -> None:
    """Let nobody become a customer at an address where nobody is, until the transaction ends.

    A row that has been written and deleted again keeps its unique keys for that long, so whoever hears from a stranger
    there waits, and then sees the change. SQLite has one writer at a time.
    """
    if is_sqlite(session):
        return
    ordered = sorted(addresses, key=lambda one: (one.store_id, one.phone or "", one.wa_user_id or ""))
    ids = await insert_new(session, Customer, [stranger(address) for address in ordered], returning="id")
    if ids:
        await _in_bulk(session, delete(Customer).where(col(Customer.id).in_(ids)))


async def _was_there(session: AsyncSession, address: Address, customer: Customer, step: Step) -> bool:
    """Whether the customer, who has the step's old address now, had it at the step's time already.

    Not those who came there by a later change, and not those who were heard of after it and never before: to them the
    carrier gave the number anew. The shop's own customers are taken to have had it always.
    """
    later = await steps_of(session, required_id(customer.id), since=step.at)
    if any(one.order > step.order and one.from_(one.old).meets(address) for one in later):
        return False
    if customer.external_id is not None:
        return True
    chats = select(Conversation.id).where(Conversation.customer_id == customer.id)
    first_line = select(func.min(ChatMessage.at)).where(
        col(ChatMessage.conversation_id).in_(chats), ChatMessage.author != MessageAuthor.JOURNEY
    )
    traces: Sequence[tuple[Any, Any]] = (
        (Order.ordered_at, Order.customer_id),
        (Checkout.created_at, Checkout.customer_id),
        (Enrollment.selected_at, Enrollment.customer_id),
        (ExternalJourney.entered_at, ExternalJourney.customer_id),
    )
    firsts = (select(func.min(at)).where(col(whose) == customer.id) for at, whose in traces)
    columns = (one.scalar_subquery() for one in (first_line, *firsts))
    spoke_at, *known_at = (await session.exec(select(*columns))).one()
    spoken = [at for at in (spoke_at, customer.meta_stop_at, customer.meta_resume_at) if at is not None]
    if not spoken or min(spoken) <= step.at:
        return True
    return any(at is not None and at <= step.at for at in known_at)


def _named(step: Step, places: Sequence[Address]) -> Step:
    """The step with what is known of its old address besides, so that it leads whoever writes from there."""
    phone, user = step.old.phone, step.old.wa_user_id
    for place in places:
        if step.new.phone is not None:
            phone = phone or place.phone
        user = user or place.wa_user_id
    return Step(Address(step.old.store_id, phone, user), step.new, step.at)


def _stays(people: Collection[Customer]) -> Customer | None:
    """Who stands for all of them: the one whom the shop named, else who moved; None where the shop named several."""
    named = [one for one in people if one.external_id is not None]
    if len(named) > 1:
        ids = ", ".join(str(one.id) for one in named)
        _log.warning("whatsapp: a change of number would make one of customers %s; left as they are", ids)
        return None
    return next(iter(named or people))


async def _make_one(session: AsyncSession, kept: Customer, gone: Customer, *, now: datetime) -> None:
    running = await open_enrollment(session, required_id(kept.id))
    words = await _words_since(session, gone, running.selected_at) if running is not None else {}
    await merge_customers(session, kept, gone, now=now)
    for kind, said_at in words.items():
        # What the other said was this customer's word.
        await record_event(
            session,
            kept,
            kind=kind,
            exit_reason=_WORDS[kind],
            occurred_at=said_at,
            received_at=now,
            source="whatsapp",
            dedupe_key=f"moved:{kind}:{required_id(gone.id)}",
        )


async def _words_since(session: AsyncSession, customer: Customer, since: datetime) -> dict[EventKind, datetime]:
    """When they last wrote and last stopped us, of what was heard since then."""
    words = await session.exec(
        select(CustomerEvent.kind, func.max(col(CustomerEvent.occurred_at)))
        .where(
            CustomerEvent.customer_id == customer.id,
            col(CustomerEvent.kind).in_(list(_WORDS)),
            col(CustomerEvent.received_at) >= since,
        )
        .group_by(col(CustomerEvent.kind))
        .order_by(col(CustomerEvent.kind))
    )
    return {EventKind(kind): at for kind, at in words}


async def _settle(session: AsyncSession, row_ids: Sequence[int], kept: Customer, left: Address, place: Address) -> None:
    """Give the place to the one of these rows that is the customer's own, else to the first that stands for them."""
    rows = [await session.get_one(Customer, one) for one in row_ids]
    carrier = next((row for row in rows if row is kept), rows[0])
    user = place.wa_user_id
    for row in rows:
        here = Address(row.store_id, row.phone, None)
        if user is None and here.meets(place):
            # The move does not name the user id under which they have written from there already.
            user = row.wa_user_id
    for row in rows:
        here = Address(row.store_id, row.phone, None)
        if here.meets(left) or here.meets(place) or (row is carrier and place.phone is not None):
            row.phone, row.phone_synthetic = None, False
        if row.wa_user_id in (left.wa_user_id, user) or row is carrier:
            row.wa_user_id = None
    # Both are unique in a store: given up first, then taken.
    await session.flush()
    if place.phone is not None:
        has_another_number(carrier)
        carrier.phone = place.phone
    carrier.wa_user_id = user


async def _in_bulk(session: AsyncSession, statement: Any) -> None:
    await session.exec(statement.execution_options(synchronize_session=False))
