"""Finding the customer that a request means."""

from datetime import datetime
from http import HTTPStatus

from sqlmodel.ext.asyncio.session import AsyncSession

from gateway.api.problems import ApiError
from gateway.api.requests import ChatPartner, Who
from models.tables import Customer
from policies.phones import parse_phone
from reports.answers import stranger_answer
from storage.customers import lock_customer
from storage.lookup import find_by_shop_id, find_by_user_id, find_person
from storage.people import Address, Sighting, resolve
from storage.shoppers import Shopper, meet_shopper
from storage.stores import StoreParts


async def find(session: AsyncSession, parts: StoreParts, who: Who) -> Customer | None:
    """The store's customer, if there is one.

    Raises:
        PhoneError: the phone is none.
    """
    if who.phone is not None:
        return await find_person(session, parts.id, parse_phone(who.phone, parts.store.default_region))
    if who.user_id is not None:
        return await find_by_user_id(session, parts.id, who.user_id)
    return await find_by_shop_id(session, parts.id, who.reference or "")


async def known(session: AsyncSession, parts: StoreParts, who: Who) -> Customer:
    """The store's customer.

    Raises:
        ApiError: the store has no such customer.
        PhoneError: the phone is none.
    """
    customer = await find(session, parts, who)
    if customer is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such customer")
    return customer


async def answered(session: AsyncSession, parts: StoreParts, who: Who, *, suppression_key: bytes) -> Customer:
    """The store's customer, whom somebody asks a why about.

    Raises:
        ApiError: the store has no such customer; it holds the answer to the why.
        PhoneError: the phone is none.
    """
    customer = await find(session, parts, who)
    if customer is None:
        phone = parse_phone(who.phone, parts.store.default_region) if who.phone is not None else None
        answer = await stranger_answer(session, parts, phone, suppression_key=suppression_key, shop_asked=None)
        raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such customer", answer=answer)
    return customer


async def met(session: AsyncSession, parts: StoreParts, who: Who, *, now: datetime) -> Customer:
    """The locked customer, made if the store does not know them yet.

    Raises:
        PhoneError: the phone is none.
    """
    if who.reference is not None:
        return await meet_shopper(session, Shopper(parts.id, who.reference), now=now)
    sighting = Sighting(address_of(parts, ChatPartner(phone=who.phone, user_id=who.user_id)), now)
    people = await resolve(session, [sighting])
    return await lock_customer(session, people.ids[sighting])


def address_of(parts: StoreParts, partner: ChatPartner) -> Address:
    """Where the person writes from.

    Raises:
        PhoneError: the phone is none.
    """
    phone = parse_phone(partner.phone, parts.store.default_region) if partner.phone is not None else None
    return Address(parts.id, phone, partner.user_id)
