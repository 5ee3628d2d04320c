"""Whom a shop means: its customers found among a store's, met for the first time, or recognised as somebody known.

The shop names people by its own number, WhatsApp by their phone. Whoever comes with both, and has no phone here yet,
is the person with that phone whom the shop had not named so far.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState
from models.tables import Customer
from policies.phone_forms import same_line
from storage.customers import release_phone
from storage.ingest import insert_new, lock_customers
from storage.merging import merge_customers
from storage.opt_outs import facts_changed
from storage.reachability import has_another_number
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class Shopper:
    """What a webhook says about the person that it is about. `phone` is E.164; each may be missing."""

    store_id: int
    external_id: str | None
    phone: str | None = field(default=None, repr=False)
    first_name: str | None = field(default=None, repr=False)
    language: str | None = None

    @property
    def nameless(self) -> "Shopper":
        """The same by number and phone alone, for those who must not be given a name back."""
        return Shopper(self.store_id, self.external_id, self.phone)


async def unacquainted(session: AsyncSession, customer_ids: Iterable[int]) -> list[Customer]:
    """Those of the customers of whom the shop has told nothing yet: neither their consent nor anything else."""
    return list(
        await session.exec(
            select(Customer).where(
                col(Customer.id).in_(sorted(set(customer_ids))),
                col(Customer.consent_at).is_(None),
                col(Customer.last_order_at).is_(None),
                col(Customer.erased_at).is_(None),
                col(Customer.merged_into_id).is_(None),
            )
        )
    )


async def find_shopper(session: AsyncSession, who: Shopper) -> Customer | None:
    """The locked customer, by the shop's number or else by phone; None if nobody here is."""
    by_id, holder = await find_shoppers(session, who)
    return by_id or holder


async def meet_shopper(session: AsyncSession, who: Shopper, *, now: datetime, strict: bool = False) -> Customer:
    """The locked customer, made if nobody here is, with what we lacked of phone, name and language.

    Args:
        session: a writing transaction.
        who: at least one of number and phone is there.
        now: the time.
        strict: the phone of another of the shop's customers does not make it them. It does for what somebody typed
            at the till: whoever gave that number has bought, and is written to no more.
    """
    by_id, holder = await find_shoppers(session, who)
    stranger = holder is None or (strict and holder.external_id is not None)
    if by_id is None and stranger:
        row = {
            "store_id": who.store_id,
            "external_id": who.external_id,
            "phone": who.phone if holder is None else None,
            "phone_synthetic": False,
            "consent": ConsentState.NEVER_SUBSCRIBED,
        }
        await insert_new(session, Customer, [row], returning="id")
        by_id, holder = await find_shoppers(session, who)
    customer = by_id or holder
    if customer is None:
        msg = "a row that was just written, or stood in the way of that, is there"
        raise AssertionError(msg)
    if customer.erased_at is not None:
        return customer
    if customer.external_id is None and who.external_id is not None:
        # Met on WhatsApp before the shop told us who it is.
        customer.external_id = who.external_id
        # It may be told now of what they said before.
        await facts_changed(session, customer, now=now)
    if customer.phone is None and who.phone is not None:
        await take_phone(session, customer, who.phone, holder, now=now)
    customer.first_name = customer.first_name or who.first_name
    customer.language = customer.language or who.language
    await session.flush()
    return customer


async def update_shopper(session: AsyncSession, who: Shopper, *, at: datetime, now: datetime) -> Customer:
    """What the shop itself has on record about a customer: of two updates the later stands."""
    by_id, holder = await find_shoppers(session, who)
    customer = await meet_shopper(session, who.nameless, now=now, strict=True)
    if customer.erased_at is not None or (customer.shop_updated_at is not None and at < customer.shop_updated_at):
        return customer
    customer.shop_updated_at = at
    customer.first_name = who.first_name or customer.first_name
    customer.language = who.language or customer.language
    if who.phone is not None and customer.phone != who.phone and customer is by_id:
        await take_phone(session, customer, who.phone, holder, now=now)
    await session.flush()
    return customer


async def take_phone(
    session: AsyncSession, customer: Customer, phone: str, holder: Customer | None, *, now: datetime
) -> None:
    """Give a locked customer a phone, unless it is another customer's of the shop.

    Args:
        session: a writing transaction.
        customer: who has it now.
        phone: in E.164.
        holder: the locked customer who has it here, if there is one; somebody whom the shop never named is the same
            person, whose chat and past come along.
        now: the time.
    """
    if holder is None or holder is customer:
        if customer.phone != phone:
            await release_phone(session, customer, phone)
            has_another_number(customer)
        customer.phone = phone
        customer.phone_synthetic = False
        return
    if holder.external_id is not None or holder.erased_at is not None:
        return
    before = customer.phone
    customer.phone = None
    await session.flush()
    await merge_customers(session, customer, holder, now=now)
    customer.phone = customer.phone or before


async def find_shoppers(session: AsyncSession, who: Shopper) -> tuple[Customer | None, Customer | None]:
    """The locked customers with that number and with that phone, which may be one and the same."""
    forms = same_line(who.phone) if who.phone is not None else ()
    numbers = [who.external_id] if who.external_id is not None else []
    ids_of_number, ids_of_phone = await _standing_ids(session, who.store_id, numbers, forms)
    id_of_number = ids_of_number.get(who.external_id)
    id_of_phone = next((ids_of_phone[form] for form in forms if form in ids_of_phone), None)
    standing = await _lock_standing(session, [one for one in (id_of_number, id_of_phone) if one is not None])
    return standing.get(id_of_number), standing.get(id_of_phone)


async def find_both(session: AsyncSession, store_id: int, one: str, other: str) -> tuple[Customer, Customer]:
    """The locked customers with these two numbers of the shop's, which may be one and the same.

    Raises:
        KeyError: nobody has one of the numbers.
    """
    ids, _ = await _standing_ids(session, store_id, [one, other], ())
    standing = await _lock_standing(session, [ids[one], ids[other]])
    return standing[ids[one]], standing[ids[other]]


async def lock_shoppers(session: AsyncSession, shoppers: Sequence[Shopper]) -> None:
    """Lock all of them whom we know, in the order in which everybody locks, before one after the other is looked up."""
    ids: set[int] = set()
    for store_id in sorted({one.store_id for one in shoppers}):
        theirs = [one for one in shoppers if one.store_id == store_id]
        numbers = [one.external_id for one in theirs if one.external_id is not None]
        phones = [form for one in theirs if one.phone is not None for form in same_line(one.phone)]
        by_number, by_phone = await _standing_ids(session, store_id, numbers, phones)
        ids |= {*by_number.values(), *by_phone.values()}
    await lock_customers(session, ids)


async def _standing_ids(
    session: AsyncSession, store_id: int, numbers: Sequence[str], phones: Sequence[str]
) -> tuple[dict[str | None, int], dict[str | None, int]]:
    """Who has these numbers and who has these phones; somebody who was merged into another customer is that one."""
    columns = select(Customer.id, Customer.external_id, Customer.phone, Customer.merged_into_id).where(
        Customer.store_id == store_id
    )
    by_number: dict[str | None, int] = {}
    by_phone: dict[str | None, int] = {}
    if numbers:
        for customer_id, number, _, merged_into in await session.exec(
            columns.where(col(Customer.external_id).in_(numbers))
        ):
            by_number[number] = merged_into or required_id(customer_id)
    if phones:
        for customer_id, _, phone, merged_into in await session.exec(columns.where(col(Customer.phone).in_(phones))):
            by_phone[phone] = merged_into or required_id(customer_id)
    return by_number, by_phone


async def _lock_standing(session: AsyncSession, ids: Sequence[int]) -> dict[int | None, Customer]:
    """The customers, locked by ascending id; one that was merged while we waited for its lock is its successor."""
    locked = await lock_customers(session, ids)
    further = {one.merged_into_id for one in locked.values() if one.merged_into_id is not None}
    locked |= await lock_customers(session, further - locked.keys())
    return {one: locked[locked[one].merged_into_id or one] for one in ids}
