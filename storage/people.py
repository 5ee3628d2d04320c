"""Whom WhatsApp means: senders of messages found among a store's customers, or met for the first time."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState
from models.tables import Customer
from policies.phone_forms import same_line
from storage.ingest import insert_new


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a person writes from. At least one of phone (E.164) and business-scoped user id is set."""

    store_id: int
    phone: str | None
    wa_user_id: str | None


@dataclass(frozen=True, slots=True)
class People:
    """Which customer each address is, and the phones and user ids that some row has already."""

    ids: dict[Address, int]
    taken_phones: frozenset[tuple[int, str | None]]
    taken_users: frozenset[tuple[int, str | None]]

    def complete(self, customers: Mapping[int, Customer]) -> None:
        """Write what an address tells beyond what found its customer into the locked row, where nobody else has it."""
        phones: set[tuple[int, str | None]] = set(self.taken_phones)
        users: set[tuple[int, str | None]] = set(self.taken_users)
        for address, customer_id in self.ids.items():
            customer = customers[customer_id]
            if customer.erased_at is not None:
                continue
            phone, user = (address.store_id, address.phone), (address.store_id, address.wa_user_id)
            if customer.phone is None and address.phone is not None and phone not in phones:
                customer.phone = address.phone
                phones.add(phone)
            if customer.wa_user_id is None and address.wa_user_id is not None and user not in users:
                customer.wa_user_id = address.wa_user_id
                users.add(user)


async def resolve(session: AsyncSession, addresses: Iterable[Address]) -> People:
    """The customer's id for every address; a person whom the store does not know becomes a customer of its own."""
    wanted = sorted(set(addresses), key=lambda one: (one.store_id, one.phone or "", one.wa_user_id or ""))
    people = await find_people(session, wanted)
    strangers = [address for address in wanted if address not in people.ids]
    if strangers:
        await insert_new(session, Customer, [_stranger(address) for address in strangers], returning="id")
        people = await find_people(session, wanted)
    return people


async def find_people(session: AsyncSession, addresses: Collection[Address]) -> People:
    """The customer's id for every address that the store knows, and for no other.

    A row that was merged into another one stands for that one.
    """
    if not addresses:
        return People({}, frozenset(), frozenset())
    phones = {form for address in addresses if address.phone is not None for form in same_line(address.phone)}
    users = {address.wa_user_id for address in addresses if address.wa_user_id is not None}
    rows = await session.exec(
        select(  # type: ignore[call-overload]
            Customer.id, Customer.store_id, Customer.phone, Customer.wa_user_id, Customer.merged_into_id
        ).where(
            col(Customer.store_id).in_({address.store_id for address in addresses}),
            or_(col(Customer.phone).in_(phones), col(Customer.wa_user_id).in_(users)),
        )
    )
    by_phone: dict[tuple[int, str | None], int] = {}
    by_user: dict[tuple[int, str | None], int] = {}
    merged: dict[int, int] = {}
    for customer_id, store_id, phone, wa_user_id, merged_into_id in rows:
        if phone is not None:
            by_phone[store_id, phone] = customer_id
        if wa_user_id is not None:
            by_user[store_id, wa_user_id] = customer_id
        if merged_into_id is not None:
            merged[customer_id] = merged_into_id
    found: dict[Address, int] = {}
    for address in addresses:
        forms = same_line(address.phone) if address.phone is not None else ()
        ids = [by_phone[address.store_id, form] for form in forms if (address.store_id, form) in by_phone]
        if address.wa_user_id is not None and (address.store_id, address.wa_user_id) in by_user:
            ids.append(by_user[address.store_id, address.wa_user_id])
        if ids:
            found[address] = ids[0]
    if merged:
        found = await _follow_merges(session, found, merged)
    return People(found, frozenset(by_phone), frozenset(by_user))


async def _follow_merges(
    session: AsyncSession, found: Mapping[Address, int], merged: Mapping[int, int]
) -> dict[Address, int]:
    """Who they are now; a row may have been merged into one that was merged later."""
    known = dict(merged)
    asked = set(known.values())
    while asked:
        rows = await session.exec(
            select(Customer.id, Customer.merged_into_id).where(
                col(Customer.id).in_(asked), col(Customer.merged_into_id).is_not(None)
            )
        )
        further = {one: into for one, into in rows if one is not None and into is not None and one not in known}
        known |= further
        asked = set(further.values())
    return {address: _end_of_chain(customer_id, known) for address, customer_id in found.items()}


def _end_of_chain(customer_id: int, merged: Mapping[int, int]) -> int:
    seen = {customer_id}
    while (into := merged.get(customer_id)) is not None and into not in seen:
        customer_id = into
        seen.add(customer_id)
    return customer_id


def _stranger(address: Address) -> dict[str, Any]:
    return {
        "store_id": address.store_id,
        "phone": address.phone,
        "phone_synthetic": False,
        "wa_user_id": address.wa_user_id,
        "consent": ConsentState.NEVER_SUBSCRIBED,
    }
