"""Whom WhatsApp calls unreachable: kept on the customer, so that nobody else asks again for a while.

The code alone says how far it reaches: somebody who is not on WhatsApp gets nothing, somebody whom Meta keeps marketing
from still gets an answer in an open chat. Any sign of life lifts it: a message of theirs, a delivery, a new number.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Customer
from policies.whatsapp_reactions import gets_nothing

BELIEVED_FOR: Final = timedelta(days=30)
"""For how long: it also stands for an old app or terms not accepted, which pass."""


def note_unreachable(customer: Customer, code: int | None, *, at: datetime) -> None:
    """Remember a refusal that was about the person; of two the one that reaches further or lasts longer stands."""
    heard = customer.last_inbound_at
    if code is None or (heard is not None and heard > at) or not _says_more(customer, code, at):
        return
    customer.unreachable_code = code
    customer.unreachable_at = at
    customer.unreachable_until = at + BELIEVED_FOR


def heard_of(customer: Customer, at: datetime) -> None:
    """The person wrote; what was said of them before that is no longer so."""
    if customer.unreachable_at is not None and at >= customer.unreachable_at:
        has_another_number(customer)


def has_another_number(customer: Customer) -> None:
    """Whatever was said of the person was about the number before."""
    if customer.unreachable_code is not None:
        customer.unreachable_code = customer.unreachable_at = customer.unreachable_until = None


async def reached(session: AsyncSession, customer_ids: Collection[int]) -> None:
    """Messages arrived at these locked customers."""
    if customer_ids:
        await session.exec(
            update(Customer)
            .where(col(Customer.id).in_(sorted(customer_ids)), col(Customer.unreachable_code).is_not(None))
            .values(unreachable_code=None, unreachable_at=None, unreachable_until=None)
        )


def unreachable_with(customer: Customer, now: datetime) -> int | None:
    """The code with which WhatsApp called the person unreachable, while that is believed."""
    until = customer.unreachable_until
    return customer.unreachable_code if until is not None and now < until else None


def _says_more(customer: Customer, code: int, at: datetime) -> bool:
    known = unreachable_with(customer, at)
    return known is None or gets_nothing(code) or not gets_nothing(known)
