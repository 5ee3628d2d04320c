"""Opt-outs: whoever asks to be left alone is left alone at once, and the shop's own consent record stays what it is."""

from datetime import datetime
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EventKind, ExitReason
from models.tables import Customer
from storage.events import record_event


class OptOutSource(StrEnum):
    """How the customer told us."""

    STOP_WORD = "stop_word"
    WHATSAPP_PREFERENCE = "whatsapp_preference"
    WHATSAPP_REFUSAL = "whatsapp_refusal"
    OPERATOR = "operator"


_AT_META = frozenset({OptOutSource.WHATSAPP_PREFERENCE, OptOutSource.WHATSAPP_REFUSAL})


async def opt_out(
    session: AsyncSession,
    customer: Customer,
    *,
    source: OptOutSource,
    at: datetime,
    received_at: datetime,
    dedupe_key: str,
) -> None:
    """Take a locked customer out of all marketing and end the journey that runs.

    The first opt-out's time stands. A word to ourselves outranks a stop at Meta, because a resume at Meta lifts only
    the latter.
    """
    if customer.opted_out_at is None:
        customer.opted_out_at = at
        customer.opt_out_source = source
    elif source not in _AT_META:
        customer.opt_out_source = source
    await record_event(
        session,
        customer,
        kind=EventKind.UNSUBSCRIBED,
        exit_reason=ExitReason.UNSUBSCRIBED,
        occurred_at=at,
        received_at=received_at,
        source=source,
        dedupe_key=dedupe_key,
    )


def resume(customer: Customer, *, at: datetime) -> None:
    """Lift a locked customer's earlier stop at Meta; it gives no consent, and a stop told to us stays."""
    if customer.opted_out_at is not None and customer.opted_out_at < at and customer.opt_out_source in _AT_META:
        customer.opted_out_at = None
        customer.opt_out_source = None
