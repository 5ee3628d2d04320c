"""Customers: who they are, how they are found, and the row lock that orders everything that happens to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import WITHDRAWN_CONSENT, ConsentState
from models.money import Money
from models.tables import Customer, Suppression
from policies.phone_forms import same_line
from policies.phones import suppression_hash
from storage.ingest import insert_new
from storage.opt_outs import facts_changed, recompute
from storage.reachability import has_another_number


@dataclass(frozen=True, slots=True)
class ShopPerson:
    """What a shop or an import says about a customer. `phone` is E.164 or missing."""

    external_id: str
    phone: str | None
    first_name: str | None
    language: str | None
    consent: ConsentState
    consent_source: str
    consent_at: datetime | None
    phone_synthetic: bool = False
    last_order_id: str | None = None
    last_order_at: datetime | None = None
    last_order_total: Money | None = None


async def lock_customer(session: AsyncSession, customer_id: int) -> Customer:
    """The customer's row, locked until the transaction ends (promise 2); of one who was merged, the row that stands.

    On PostgreSQL this is `FOR UPDATE`; on SQLite the writing transaction holds the database's one write lock already.
    """
    while True:
        customer = (
            await session.exec(
                select(Customer)
                .where(Customer.id == customer_id)
                .with_for_update()
                .execution_options(populate_existing=True)
            )
        ).one()
        if customer.merged_into_id is None:
            return customer
        # Merged since somebody looked the id up, perhaps while we waited for the lock.
        customer_id = customer.merged_into_id


async def lock_customers(session: AsyncSession, customer_ids: Sequence[int]) -> None:
    """Lock the rows of many until the transaction ends, by id: in the order in which everybody locks them."""
    of_them = select(Customer.id).where(col(Customer.id).in_(sorted(set(customer_ids)))).order_by(col(Customer.id))
    await session.exec(of_them.with_for_update())


async def upsert_people(
    session: AsyncSession, store_id: int, people: Sequence[ShopPerson], *, now: datetime
) -> list[Customer]:
    """Bring a page of people up to date, in their order.

    A phone belongs to one customer of a store: whoever has it keeps it, and a second person with the same phone is
    kept without one (and is then left out as `no_phone`), because two journeys to one phone would be a duplicate to
    the person who holds it. An erased customer stays erased. Consent moves only when it is newer than what we know,
    so that a STOP on WhatsApp outlives the shop's older yes. Somebody who was merged into another customer is that one.
    """
    ids = [person.external_id for person in people]
    phones = [person.phone for person in people if person.phone is not None]
    known: dict[str, Customer] = {}
    holder_of: dict[str, Customer] = {}
    of_store = select(Customer).where(Customer.store_id == store_id)
    named = (await session.exec(of_store.where(col(Customer.external_id).in_(ids)))).all()
    holders = (await session.exec(of_store.where(col(Customer.phone).in_(phones)))).all()
    standing = await _standing(session, [*named, *holders])
    for row in named:
        known[row.external_id or ""] = standing.get(row.merged_into_id, row)
    for row in holders:
        holder_of[row.phone or ""] = standing.get(row.merged_into_id, row)
    found = []
    newly_named = []
    for person in people:
        holder = holder_of.get(person.phone) if person.phone is not None else None
        customer: Customer | None = known.get(person.external_id)
        if customer is None and holder is not None and holder.external_id is None:
            # Met on WhatsApp before the shop told us who it is.
            customer = holder
            customer.external_id = person.external_id
            newly_named.append(customer)
        if customer is None:
            customer = Customer(store_id=store_id, external_id=person.external_id)
            session.add(customer)
        known[person.external_id] = customer
        found.append(customer)
        if customer.erased_at is None:
            phone_is_free = holder is None or holder is customer
            if phone_is_free and person.phone is not None and standing:
                await release_phone(session, customer, person.phone)
            _apply(customer, person, phone_is_free=phone_is_free)
            if customer.phone is not None:
                holder_of[customer.phone] = customer
    await session.flush()
    for customer in newly_named:
        # The shop may be told now of what they said before.
        await facts_changed(session, customer, now=now)
    return found


async def _standing(session: AsyncSession, rows: Sequence[Customer]) -> dict[int | None, Customer]:
    """The customers into whom some of these were merged, by their id."""
    ids = {row.merged_into_id for row in rows if row.merged_into_id is not None}
    if not ids:
        return {}
    return {row.id: row for row in await session.exec(select(Customer).where(col(Customer.id).in_(ids)))}


async def release_phone(session: AsyncSession, customer: Customer, phone: str) -> None:
    """Take a phone from the rows that were merged into this customer, who is to have it itself."""
    rows = await session.exec(
        select(Customer).where(
            Customer.store_id == customer.store_id, Customer.phone == phone, Customer.merged_into_id == customer.id
        )
    )
    for row in rows.all():
        row.phone = None
    await session.flush()


def _apply(customer: Customer, person: ShopPerson, *, phone_is_free: bool) -> None:
    if person.phone is not None and phone_is_free:
        if customer.phone != person.phone:
            has_another_number(customer)
        customer.phone = person.phone
        customer.phone_synthetic = person.phone_synthetic
    customer.first_name = person.first_name or customer.first_name
    customer.language = person.language or customer.language
    if _is_newer_consent(customer, person):
        customer.consent = person.consent
        customer.consent_source = person.consent_source
        customer.consent_at = person.consent_at
        recompute(customer)
    if person.last_order_at is not None and person.last_order_total is not None:
        customer.last_order_external_id = person.last_order_id
        customer.last_order_at = person.last_order_at
        customer.last_order_minor = person.last_order_total.minor
        customer.last_order_currency = person.last_order_total.currency


def _is_newer_consent(customer: Customer, person: ShopPerson) -> bool:
    """Consent without a time is older than any that has one, and brings none back that was withdrawn."""
    if person.consent_at is None:
        return customer.consent_at is None and customer.consent not in WITHDRAWN_CONSENT
    return customer.consent_at is None or person.consent_at > customer.consent_at


class SuppressionReason(StrEnum):
    """Why a phone is on the suppression list."""

    OPT_OUT = "opt_out"
    """Somebody asked for it; consent that is given later lifts it."""
    ERASED = "erased"
    """The person's data was erased; nothing lifts it."""


async def suppress(
    session: AsyncSession, store_id: int, phone: str, *, reason: SuppressionReason, key: bytes, now: datetime
) -> None:
    """Put a phone on the store's suppression list, in every form that means the same line, as keyed hashes.

    Of two reasons the one that nothing lifts stands, of two moments the later.
    """
    hashes = sorted(suppression_hash(form, key) for form in same_line(phone))
    rows = [{"store_id": store_id, "phone_hash": one, "reason": reason, "at": now} for one in hashes]
    await insert_new(session, Suppression, rows, returning="phone_hash")
    listed = await session.exec(
        select(Suppression)
        .where(Suppression.store_id == store_id, col(Suppression.phone_hash).in_(hashes))
        .order_by(col(Suppression.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    for row in listed.all():
        if row.reason != SuppressionReason.ERASED:
            row.reason = reason
        row.at = max(row.at, now)
    await session.flush()


async def suppressed(session: AsyncSession, store_id: int, hashes: Sequence[str]) -> dict[str, datetime | None]:
    """Which of the hashes are on the list, each with the moment after which consent lifts it; None for never."""
    rows = await session.exec(
        select(Suppression.phone_hash, Suppression.reason, Suppression.at).where(
            Suppression.store_id == store_id, col(Suppression.phone_hash).in_(list(hashes))
        )
    )
    return {one: at if reason == SuppressionReason.OPT_OUT else None for one, reason, at in rows}
