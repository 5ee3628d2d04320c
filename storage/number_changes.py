"""Customers who moved to another phone number: they stay who they are, with all that they said and bought.

Nobody wrote anything, so no journey ends of it. Who writes from the new number before WhatsApp says whose it is has
become a customer of their own by then, and is made one with the old one.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EventKind, ExitReason
from models.tables import Customer
from policies.phone_forms import same_line
from storage.events import record_event
from storage.merging import merge_customers
from storage.people import Address
from storage.stores import required_id

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MovePiece:
    """A customer has another phone number or user id than before."""

    dedupe_key: str
    old: Address
    new: Address
    at: datetime


async def apply_move(
    session: AsyncSession,
    piece: MovePiece,
    ids: Mapping[Address, int],
    customers: Mapping[int, Customer],
    *,
    now: datetime,
) -> None:
    """Give a customer the new number, under the locks of everybody who has the old or the new one."""
    moved, holder = (customers.get(ids.get(address, 0)) for address in (piece.old, piece.new))
    if moved is None or moved.erased_at is not None or not _is_at(moved, piece.old):
        return
    if holder is not None and holder is not moved and not await _make_one(session, moved, holder, now=now):
        return
    if moved.merged_into_id is None:
        await _release(session, moved, piece.new)
        if piece.new.phone is not None:
            moved.phone, moved.phone_synthetic = piece.new.phone, False
        # WhatsApp gives a new user id with a new number, and the old one never comes again.
        moved.wa_user_id = piece.new.wa_user_id
        await session.flush()


async def _make_one(session: AsyncSession, moved: Customer, holder: Customer, *, now: datetime) -> bool:
    """Merge who moved with who has the new number; False where both are the shop's and nobody may decide that."""
    if holder.external_id is not None and moved.external_id is not None:
        _log.warning("whatsapp: the new number of customer %s is customer %s's; left as it is", moved.id, holder.id)
        return False
    kept, gone = (holder, moved) if holder.external_id is not None else (moved, holder)
    wrote_at = gone.last_inbound_at
    await merge_customers(session, kept, gone, now=now)
    gone.phone, gone.phone_synthetic, gone.wa_user_id = None, False, None
    await session.flush()
    if wrote_at is not None and gone is holder:
        # What the stranger wrote was this customer's word.
        await record_event(
            session,
            kept,
            kind=EventKind.CUSTOMER_REPLIED,
            exit_reason=ExitReason.CUSTOMER_REPLIED,
            occurred_at=wrote_at,
            received_at=now,
            source="whatsapp",
            dedupe_key=f"moved:{required_id(gone.id)}",
        )
    return True


async def _release(session: AsyncSession, moved: Customer, address: Address) -> None:
    """Take the new number and id from the rows that were merged into this customer, who is to have them itself."""
    rows = await session.exec(
        select(Customer).where(
            Customer.merged_into_id == moved.id,
            or_(
                col(Customer.phone) == (address.phone or ""),
                col(Customer.wa_user_id) == (address.wa_user_id or ""),
            ),
        )
    )
    for row in rows.all():
        row.phone = row.wa_user_id = None
    await session.flush()


def _is_at(customer: Customer, address: Address) -> bool:
    """Whether the customer still is where they were found before their row was locked."""
    if address.wa_user_id is not None and customer.wa_user_id == address.wa_user_id:
        return True
    return address.phone is not None and customer.phone in same_line(address.phone)
