"""Opt-outs: whoever asks to be left alone is left alone at once, and the shop is told of it.

The facts come in any order and are kept by their own times; whether they keep somebody out is computed from them
(`policies.opt_out`) after every change.
"""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import WITHDRAWN_CONSENT, ConsentState, EventKind, ExitReason
from models.tables import ConsentWriteBack, Customer
from policies.opt_out import AT_META, OptOutSource, StopFacts, is_newer_consent, meta_stop, opt_out_of, own_stop
from storage.events import add_intent, record_event
from storage.stop_loss import blame_for_opt_out
from storage.stores import required_id
from storage.wakes import upkeep_workflow_id
from storage.watches import reachable_again

__all__ = [
    "OptOutSource",
    "change_consent",
    "facts_changed",
    "note_stop",
    "opt_out",
    "recompute",
    "resume",
    "upkeep_workflow_id",
]


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

    A stop that something newer has lifted already is a fact all the same, and ends what runs: better one journey too
    few than one message too many.
    """
    await note_stop(session, customer, source=source, at=at, now=received_at)
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


async def note_stop(
    session: AsyncSession, customer: Customer, *, source: OptOutSource, at: datetime, now: datetime
) -> None:
    """The fact alone, for callers that write the event themselves."""
    if source in AT_META:
        customer.meta_stop_at = _later(customer.meta_stop_at, at)
    elif customer.stopped_at is None or (at, source) > (customer.stopped_at, customer.stopped_source or ""):
        customer.stopped_at, customer.stopped_source = at, source
    await facts_changed(session, customer, now=now)


async def resume(session: AsyncSession, customer: Customer, *, at: datetime, now: datetime) -> None:
    """Lift a locked customer's earlier stop at Meta; it gives no consent, and a stop told to us stays."""
    customer.meta_resume_at = _later(customer.meta_resume_at, at)
    await facts_changed(session, customer, now=now)
    if customer.opted_out_at is None:
        await reachable_again(session, required_id(customer.id), now=now)


async def change_consent(
    session: AsyncSession,
    customer: Customer,
    state: ConsentState,
    *,
    at: datetime,
    source: str,
    received_at: datetime,
    dedupe_key: str,
) -> None:
    """Record what the shop says of a locked customer's consent, unless something newer is known.

    Withdrawn, it ends the journey that runs; given after the customer's own stop, it lifts that.
    """
    if not is_newer_consent(state, at, customer.consent, customer.consent_at):
        return
    customer.consent, customer.consent_at, customer.consent_source = state, at, source
    await facts_changed(session, customer, now=received_at)
    if customer.opted_out_at is None:
        await reachable_again(session, required_id(customer.id), now=received_at)
    if state in WITHDRAWN_CONSENT:
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


def recompute(customer: Customer) -> None:
    """Bring `opted_out_at` and `opt_out_source` in line with the facts; for whoever writes facts by other ways."""
    found = opt_out_of(_facts(customer))
    customer.opted_out_at = found.at if found is not None else None
    customer.opt_out_source = found.source if found is not None else None


async def facts_changed(session: AsyncSession, customer: Customer, *, now: datetime) -> None:
    """Bring a locked customer in line with the facts, and let the shop know of a stop that it has not heard of."""
    was_out = customer.opted_out_at is not None
    recompute(customer)
    if customer.opted_out_at is not None and not was_out:
        await blame_for_opt_out(session, customer, at=customer.opted_out_at, now=now)
    facts = _facts(customer)
    stops = [stop.at for stop in (own_stop(facts), meta_stop(facts)) if stop is not None]
    if stops and customer.external_id and customer.erased_at is None and customer.consent not in WITHDRAWN_CONSENT:
        await _write_back(session, customer, at=max(stops), now=now)


async def _write_back(session: AsyncSession, customer: Customer, *, at: datetime, now: datetime) -> None:
    latest = (
        await session.exec(
            select(ConsentWriteBack)
            .where(ConsentWriteBack.customer_id == customer.id)
            .order_by(col(ConsentWriteBack.id).desc())
            .limit(1)
        )
    ).first()
    if latest is not None and (latest.settled_at is None or latest.at >= at):
        latest.at = max(latest.at, at)
        return
    session.add(
        ConsentWriteBack(
            store_id=customer.store_id,
            customer_id=required_id(customer.id),
            state=ConsentState.UNSUBSCRIBED,
            at=at,
            next_try_at=now,
        )
    )
    add_intent(session, upkeep_workflow_id(customer.store_id), "wake", {}, now=now)


def _facts(customer: Customer) -> StopFacts:
    return StopFacts(
        stopped_at=customer.stopped_at,
        stopped_source=customer.stopped_source,
        meta_stop_at=customer.meta_stop_at,
        meta_resume_at=customer.meta_resume_at,
        consent=customer.consent,
        consent_at=customer.consent_at,
    )


def _later(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else max(known, at)
