"""Webhooks about the app's place at a shop: that it was removed, and the three requests that privacy law makes.

The three requests reach an app at any time, and must be carried out within 30 days; `shop/redact` comes 48 hours
after the app was removed (Shopify's privacy law compliance rules).
"""

from dataclasses import dataclass, field

from providers.shopify.webhook_bodies import Body, Id, Text, first_text, read


@dataclass(frozen=True, slots=True)
class AppUninstalled:
    """The merchant removed the app: its token is void, and no webhook follows but `shop/redact`.

    Attributes:
        shop_id: the shop's number.
        shop_domain: the permanent domain; the payload may lack it, the delivery's header never does.
    """

    shop_id: int
    shop_domain: str | None


@dataclass(frozen=True, slots=True)
class DataRequest:
    """A customer wants to know what is stored about them; the merchant gets the answer."""

    customer_id: int
    phone: str | None = field(repr=False)
    request_id: int


@dataclass(frozen=True, slots=True)
class CustomerRedact:
    """Everything about this customer must be erased.

    Attributes:
        phone: as the shop has it.
        orders: ids of the orders that must be erased too.
    """

    customer_id: int
    phone: str | None = field(repr=False)
    orders: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ShopRedact:
    """Everything about this shop must be erased."""

    shop_id: int
    shop_domain: str


def parse_uninstalled(raw: bytes) -> AppUninstalled:
    """Read the body of `app/uninstalled`.

    Raises:
        UnreadableWebhookError: it names no shop.
    """
    shop = read(_Shop, raw, "shop")
    domain = first_text(shop.myshopify_domain)
    return AppUninstalled(shop_id=shop.id, shop_domain=domain.lower() if domain else None)


def parse_data_request(raw: bytes) -> DataRequest:
    """Read the body of `customers/data_request`.

    Raises:
        UnreadableWebhookError: it names no customer or request.
    """
    body = read(_DataRequest, raw, "data request")
    return DataRequest(
        customer_id=body.customer.id, phone=first_text(body.customer.phone), request_id=body.data_request.id
    )


def parse_customer_redact(raw: bytes) -> CustomerRedact:
    """Read the body of `customers/redact`.

    Raises:
        UnreadableWebhookError: it names no customer.
    """
    body = read(_Redact, raw, "request to erase a customer")
    return CustomerRedact(
        customer_id=body.customer.id, phone=first_text(body.customer.phone), orders=body.orders_to_redact or ()
    )


def parse_shop_redact(raw: bytes) -> ShopRedact:
    """Read the body of `shop/redact`.

    Raises:
        UnreadableWebhookError: it names no shop.
    """
    body = read(_ShopRedact, raw, "request to erase a shop")
    return ShopRedact(shop_id=body.shop_id, shop_domain=body.shop_domain.lower())


class _Shop(Body):
    id: Id
    myshopify_domain: Text | None = None


class _Person(Body):
    id: Id
    phone: Text | None = None


class _Request(Body):
    id: Id


class _DataRequest(Body):
    customer: _Person
    data_request: _Request


class _Redact(Body):
    customer: _Person
    orders_to_redact: tuple[Id, ...] | None = None


class _ShopRedact(Body):
    shop_id: Id
    shop_domain: Text
