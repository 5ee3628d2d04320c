"""Whom WhatsApp means: senders of messages found among a store's customers, or met for the first time."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import CompoundSelect, String, bindparam, cast, delete, null, union_all
from sqlalchemy import select as sql_select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from models.columns import UtcDateTime
from models.enums import ConsentState
from models.tables import Customer, NumberMove
from policies.phone_forms import same_line
from storage.engine import padded
from storage.ingest import insert_new
from storage.steps import claim_steps
from storage.whereabouts import Address, Sighting, Step, follow

__all__ = ["Address", "People", "Sighting", "find_people", "look_up", "resolve", "stranger"]

_STORES: Any = bindparam("stores", expanding=True)
_PHONES: Any = bindparam("phones", expanding=True)
_USERS: Any = bindparam("users", expanding=True)
_CUSTOMERS = sql_select(
    col(Customer.id),
    col(Customer.store_id),
    col(Customer.phone),
    col(Customer.wa_user_id),
    col(Customer.merged_into_id),
    cast(null(), String).label("new_phone"),
    cast(null(), String).label("new_user_id"),
    cast(null(), UtcDateTime).label("at"),
).where(col(Customer.store_id).in_(_STORES))
_STEPS = sql_select(
    col(NumberMove.id),
    col(NumberMove.store_id),
    col(NumberMove.old_phone),
    col(NumberMove.old_user_id),
    col(NumberMove.customer_id),
    col(NumberMove.new_phone),
    col(NumberMove.new_user_id),
    col(NumberMove.at),
).where(col(NumberMove.store_id).in_(_STORES))
# Customers and the steps that lead away from the addresses come in one statement, because every webhook needs both. An
# OR of phones and user ids would make SQLite read through all customers of the store.
_LOOK_UP: CompoundSelect[Any] = union_all(
    _CUSTOMERS.where(col(Customer.phone).in_(_PHONES)),
    _CUSTOMERS.where(col(Customer.wa_user_id).in_(_USERS)),
    _STEPS.where(col(NumberMove.old_phone).in_(_PHONES)),
    _STEPS.where(col(NumberMove.old_user_id).in_(_USERS)),
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A row that has an address; `standing_id` is the customer that it stands for, itself unless it was merged."""

    id: int
    address: Address
    standing_id: int


@dataclass(slots=True)
class Known:
    """Who is at some addresses, and the steps that lead away from them."""

    holders: dict[int, Holder] = field(default_factory=dict)
    steps: dict[int | None, Step] = field(default_factory=dict)

    def at(self, address: Address) -> list[Holder]:
        """The rows at the address, the one with its phone first."""
        found = [holder for holder in self.holders.values() if holder.address.meets(address)]
        lines = same_line(address.phone) if address.phone is not None else ()
        return sorted(found, key=lambda one: (_rank(lines, one.address.phone), one.id))


def _rank(lines: tuple[str, ...], phone: str | None) -> int:
    return lines.index(phone) if phone is not None and phone in lines else len(lines)


@dataclass(frozen=True, slots=True)
class People:
    """Which customer each sighting is of.

    Attributes:
        ids: the customers.
        places: where they are now, as far as WhatsApp has told.
        trails: the steps that led them there, for those who have moved since.
        holders: the rows at those places.
    """

    ids: dict[Sighting, int]
    places: dict[Sighting, Address]
    trails: dict[Sighting, tuple[Step, ...]]
    holders: Mapping[int, Holder]

    def complete(self, customers: Mapping[int, Customer]) -> None:
        """Write what an address tells beyond what found its customer into the locked row, where nobody else has it."""
        taken = [holder.address for holder in self.holders.values()]
        phones = {(one.store_id, one.phone) for one in taken}
        users = {(one.store_id, one.wa_user_id) for one in taken}
        for sighting, customer_id in self.ids.items():
            customer = customers[customer_id]
            if customer.erased_at is not None:
                continue
            place = self.places[sighting]
            phone, user = (place.store_id, place.phone), (place.store_id, place.wa_user_id)
            if customer.phone is None and place.phone is not None and phone not in phones:
                customer.phone = place.phone
                phones.add(phone)
            if customer.wa_user_id is None and place.wa_user_id is not None and user not in users:
                customer.wa_user_id = place.wa_user_id
                users.add(user)

    def have_left(self, customers: Mapping[int, Customer]) -> bool:
        """Whether one of them, by the locked row, is elsewhere than when they were looked up."""
        for customer_id in set(self.ids.values()):
            holder, now = self.holders.get(customer_id), customers[customer_id]
            if holder is None or now.erased_at is not None:
                continue
            before = (holder.address.phone, holder.address.wa_user_id)
            if any(old not in (None, new) for old, new in zip(before, (now.phone, now.wa_user_id), strict=True)):
                return True
        return False

    async def note_steps(self, session: AsyncSession) -> None:
        """Remember who they are that took the steps by which their words were found to be theirs."""
        for sighting, trail in self.trails.items():
            ids = [step.id for step in trail if step.customer_id is None]
            await claim_steps(session, ids, self.ids[sighting])


async def resolve(session: AsyncSession, sightings: Iterable[Sighting]) -> People:
    """The customer's id for every sighting; a person whom the store does not know becomes a customer of its own."""
    wanted = set(sightings)
    while True:
        people = await find_people(session, wanted)
        strangers = {people.places[one] for one in wanted if one not in people.ids}
        if not strangers:
            return people
        ordered = sorted(strangers, key=lambda one: (one.store_id, one.phone or "", one.wa_user_id or ""))
        made = await insert_new(session, Customer, [stranger(address) for address in ordered], returning="id")
        people = await find_people(session, wanted)
        # A step that was told meanwhile leads elsewhere from there.
        unmet = made.difference(people.ids.values())
        if unmet:
            gone = delete(Customer).where(col(Customer.id).in_(unmet))
            await session.exec(gone.execution_options(synchronize_session=False))
        if len(people.ids) == len(wanted):
            return people


async def find_people(session: AsyncSession, sightings: Iterable[Sighting]) -> People:
    """The customer's id for every sighting of somebody whom the store knows, and for no other.

    A row that was merged into another one stands for that one. Whoever has changed their number since is looked for
    under the newest one, unless it is known who took the last step.
    """
    wanted = set(sightings)
    places = {one: one.address for one in wanted}
    trails: dict[Sighting, tuple[Step, ...]] = {}
    known, asked = Known(), set[Address]()
    while further := set(places.values()) - asked:
        await look_up(session, further, into=known)
        asked |= further
        if known.steps:
            followed = {one: follow(one, known.steps.values()) for one in wanted}
            places = {one: place for one, (place, _) in followed.items()}
            trails = {one: trail for one, (_, trail) in followed.items() if trail}
    by_phone: dict[tuple[int, str | None], Holder] = {}
    by_user: dict[tuple[int, str | None], Holder] = {}
    for holder in known.holders.values():
        if holder.address.phone is not None:
            by_phone[holder.address.store_id, holder.address.phone] = holder
        if holder.address.wa_user_id is not None:
            by_user[holder.address.store_id, holder.address.wa_user_id] = holder
    ids: dict[Sighting, int] = {}
    for one, place in places.items():
        takers = [step.customer_id for step in trails.get(one, ()) if step.customer_id is not None]
        if takers:
            ids[one] = takers[-1]
            continue
        forms = same_line(place.phone) if place.phone is not None else ()
        found = [by_phone[place.store_id, form] for form in forms if (place.store_id, form) in by_phone]
        if place.wa_user_id is not None and (place.store_id, place.wa_user_id) in by_user:
            found.append(by_user[place.store_id, place.wa_user_id])
        if found:
            ids[one] = found[0].standing_id
    return People(ids, places, trails, known.holders)


async def look_up(session: AsyncSession, addresses: Iterable[Address], *, into: Known | None = None) -> Known:
    """Who is at these addresses, and the steps that lead away from them, added to what is known already."""
    known = into if into is not None else Known()
    wanted = list(addresses)
    if not wanted:
        return known
    asked = {
        "stores": padded(one.store_id for one in wanted),
        "phones": padded(form for one in wanted if one.phone is not None for form in same_line(one.phone)),
        "users": padded(one.wa_user_id for one in wanted if one.wa_user_id is not None),
    }
    rows = await session.exec(_LOOK_UP, params=asked)  # type: ignore[call-overload]
    for row_id, store_id, phone, user, leads_to, new_phone, new_user, at in rows:
        address = Address(store_id, phone, user)
        if at is None:
            known.holders[row_id] = Holder(row_id, address, leads_to or row_id)
        else:
            known.steps[row_id] = Step(address, Address(store_id, new_phone, new_user), at, row_id, leads_to)
    return known


def stranger(address: Address) -> dict[str, Any]:
    """The row of somebody of whom nothing is known but where they write from."""
    return {
        "store_id": address.store_id,
        "phone": address.phone,
        "phone_synthetic": False,
        "wa_user_id": address.wa_user_id,
        "consent": ConsentState.NEVER_SUBSCRIBED,
    }
