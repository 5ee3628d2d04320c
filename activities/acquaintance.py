"""Asking the shop who somebody is before a silence or a cart is judged.

A win-back's customers come from the shop. Those of a chat or a cart may be known by a phone or by the shop's bare
number: without the shop's word there would be no name to greet them by, no consent to write a template on, and no way
to see that they have bought.
"""

from collections.abc import Iterable
from datetime import datetime

import structlog

from activities.errors import is_closed_door, to_application_error
from activities.people import person_of
from activities.services import Services
from models.tables import Customer
from providers.errors import ProviderError
from providers.shopify.records import ShopCustomer
from storage.customers import upsert_people
from storage.ingest import lock_customers
from storage.shoppers import Shopper, meet_shopper, unacquainted
from storage.stores import StoreParts, required_id

log = structlog.get_logger(__name__)


async def get_acquainted(
    services: Services, parts: StoreParts, customer_ids: Iterable[int], *, needs_consent: bool, now: datetime
) -> None:
    """Bring the customers of whom the shop has told us nothing up to date with what it knows; the others cost nothing.

    Args:
        services: shop, database and cipher are used.
        parts: whose customers they are.
        customer_ids: about whom.
        needs_consent: the journey takes in nobody without the shop's yes: a shop that cannot answer now is asked
            again, while a conversation goes on without it.
        now: the time.

    Raises:
        ApplicationError: the shop could not be asked, and has to be.
    """
    async with services.database.read() as session:
        strangers = await unacquainted(session, customer_ids)
    if not strangers:
        return
    try:
        people = await _ask(services, parts, strangers)
    except ProviderError as error:
        if needs_consent and not is_closed_door(error):
            raise to_application_error(error) from None
        log.warning("the shop cannot say who somebody is", store=parts.id, reason=error.name)
        return
    told = [person_of(person, parts.store.default_region) for person in people]
    async with services.database.write() as session:
        await lock_customers(session, [required_id(one.id) for one in strangers])
        for person in told:
            # Whoever wrote to us before the shop named them is this one, also where the shop's row stands already.
            await meet_shopper(session, Shopper(parts.id, person.external_id, person.phone), now=now)
        await upsert_people(session, parts.id, told, now=now)


async def _ask(services: Services, parts: StoreParts, strangers: Iterable[Customer]) -> list[ShopCustomer]:
    """Everybody whom the shop knows: those with its number in one request, the others by their phone."""
    access = services.shop_access(parts.shop)
    numbers, found = [], []
    for customer in strangers:
        if customer.external_id is not None and customer.external_id.isdigit():
            numbers.append(int(customer.external_id))
        elif customer.external_id is None and customer.phone is not None:
            person = await services.shopify.customer_by_phone(access, customer.phone)
            found += [person] if person is not None else []
    return found + await services.shopify.customers(access, numbers)
