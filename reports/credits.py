"""A store's credits: what is left, what things cost, and the ledger's lines."""

from models.enums import CreditKind, CreditState
from models.tables import CreditEntry, Store
from reports.documents import Document, Moment


class CreditLine(Document):
    """One line of the ledger; `amount` is below zero for what was charged.

    `message` names the send it was for, `analysis` the review of a conversation.
    """

    id: int
    at: Moment
    kind: CreditKind
    state: CreditState
    amount: int
    message: int | None
    analysis: int | None
    note: str | None
    settled_at: Moment | None


class CreditsDocument(Document):
    """`credits`. Without a ledger `available` is null and nothing is counted.

    `reserved` is out of `available` already and comes back if nothing comes of what it is for.
    """

    store: str
    ledger: bool
    available: int | None
    reserved: int
    message_price: int
    generation_price: int
    analysis_price: int
    lines: list[CreditLine]
    next: int | None


def credits_document(
    store: Store, *, reserved: int, lines: list[CreditEntry], next_before: int | None
) -> CreditsDocument:
    """The store's credits as a document."""
    return CreditsDocument(
        store=store.slug,
        ledger=store.credits is not None,
        available=store.credits,
        reserved=reserved,
        message_price=store.message_credits,
        generation_price=store.generation_credits,
        analysis_price=store.analysis_credits,
        lines=[_line(one) for one in lines],
        next=next_before,
    )


def _line(entry: CreditEntry) -> CreditLine:
    return CreditLine(
        id=entry.id or 0,
        at=entry.at,
        kind=entry.kind,
        state=entry.state,
        amount=entry.amount,
        message=entry.send_id,
        analysis=entry.analysis_id,
        note=entry.note,
        settled_at=entry.settled_at,
    )
