"""Whom WhatsApp means: senders of messages found among a store's customers, or met for the first time."""

from collections.abc import Iterable, Mapping
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
    """Which customer each address is, and the user ids that somebody has already."""

    ids: dict[Address, int]
    taken: frozenset[tuple[int, str | None]]

    def complete(self, customers: Mapping[int, Customer]) -> None:
        """Write what an address tells beyond what found its customer into the locked row, where nobody else has it."""
        taken: set[tuple[int, str | None]] = set(self.taken)
        for address, customer_id in self.ids.items():
            customer = customers[customer_id]
            if customer.erased_at is not None:
                continue
            if customer.phone is None and address.phone is not None:
                # Found by its user id, so nobody has this phone; two new phones in one batch leave the first.
                customer.phone = address.phone
            user = (address.store_id, address.wa_user_id)
            if customer.wa_user_id is None and address.wa_user_id is not None and user not in taken:
                customer.wa_user_id = address.wa_user_id
                taken.add(user)


async def resolve(session: AsyncSession, addresses: Iterable[Address]) -> People:
    """The customer's id for every address; a person whom the store does not know becomes a customer of its own."""
    wanted = sorted(set(addresses), key=lambda one: (one.store_id, one.phone or "", one.wa_user_id or ""))
    people = await _find(session, wanted)
    strangers = [address for address in wanted if address not in people.ids]
    if strangers:
        await insert_new(session, Customer, [_stranger(address) for address in strangers], returning="id")
        people = await _find(session, wanted)
    return people


def _stranger(address: Address) -> dict[str, Any]:
    return {
        "store_id": address.store_id,
        "phone": address.phone,
        "phone_synthetic": False,
        "wa_user_id": address.wa_user_id,
        "consent": ConsentState.NEVER_SUBSCRIBED,
    }


async def _find(session: AsyncSession, addresses: list[Address]) -> People:
    if not addresses:
        return People({}, frozenset())
    phones = {form for address in addresses if address.phone is not None for form in same_line(address.phone)}
    users = {address.wa_user_id for address in addresses if address.wa_user_id is not None}
    rows = await session.exec(
        select(Customer.id, Customer.store_id, Customer.phone, Customer.wa_user_id).where(
            col(Customer.store_id).in_({address.store_id for address in addresses}),
            or_(col(Customer.phone).in_(phones), col(Customer.wa_user_id).in_(users)),
        )
    )
    by_phone: dict[tuple[int, str | None], int] = {}
    by_user: dict[tuple[int, str | None], int] = {}
    for customer_id, store_id, phone, wa_user_id in rows:
        if customer_id is not None:
            by_phone[store_id, phone] = customer_id
            by_user[store_id, wa_user_id] = customer_id
    found: dict[Address, int] = {}
    for address in addresses:
        forms = same_line(address.phone) if address.phone is not None else ()
        ids = [by_phone[address.store_id, form] for form in forms if (address.store_id, form) in by_phone]
        if address.wa_user_id is not None and (address.store_id, address.wa_user_id) in by_user:
            ids.append(by_user[address.store_id, address.wa_user_id])
        if ids:
            found[address] = ids[0]
    return People(found, frozenset(by_user))
