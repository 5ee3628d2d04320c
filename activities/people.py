"""A shop's customers in the database's words."""

from models.enums import ConsentState
from policies.phones import PhoneError, parse_phone
from providers.shopify.records import ShopCustomer
from storage.customers import ShopPerson


def person_of(customer: ShopCustomer, default_region: str | None) -> ShopPerson:
    """What the shop says about a customer; a phone that is none is left out (and tells itself as `no_phone`)."""
    order = customer.last_order
    return ShopPerson(
        external_id=str(customer.id),
        phone=read_phone(customer.phone, default_region),
        first_name=customer.first_name,
        language=customer.locale,
        consent=_consent(customer.whatsapp_consent),
        consent_source="shopify",
        consent_at=customer.consent_updated_at,
        last_order_id=str(order.id) if order else None,
        last_order_at=order.created_at if order else None,
        last_order_total=order.total if order else None,
    )


def read_phone(written: str | None, default_region: str | None) -> str | None:
    """A phone as the shop wrote it, in E.164; None for none, and for one that is none.

    One with letters in it would be read as the keys that they stand on, and somebody else might have that number.
    """
    if written is None or any(character.isalpha() for character in written):
        return None
    try:
        return parse_phone(written, default_region)
    except PhoneError:
        return None


def _consent(word: str | None) -> ConsentState:
    """A word that we do not know gives no consent."""
    try:
        return ConsentState(word or ConsentState.NEVER_SUBSCRIBED)
    except ValueError:
        return ConsentState.NEVER_SUBSCRIBED
