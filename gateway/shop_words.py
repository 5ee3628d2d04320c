"""What a shop's webhooks say, in the house's words."""

from datetime import datetime
from typing import Final, assert_never

from activities.people import read_phone
from activities.shop_orders import order_piece, short, token
from gateway.credentials import ShopCredentials
from models.money import Money
from providers.shopify.webhooks import (
    AppUninstalled,
    CheckoutDeleted,
    CheckoutUpdate,
    ConsentUpdate,
    CustomerDeleted,
    CustomerMerge,
    CustomerRedact,
    CustomerUpdate,
    DataRequest,
    OrderUpdate,
    RefundUpdate,
    ShopifyUpdate,
    ShopRedact,
    UnreadableWebhookError,
)
from storage.checkouts import CheckoutFacts
from storage.refunds import RefundFacts
from storage.shop_pieces import (
    CheckoutDeletedPiece,
    CheckoutPiece,
    ConsentPiece,
    CustomerDeletedPiece,
    CustomerPiece,
    DataRequestPiece,
    MergePiece,
    RedactPiece,
    RefundPiece,
    ShopPiece,
    ShopRedactPiece,
    UninstalledPiece,
)
from storage.shoppers import Shopper

_LARGEST_TOTAL: Final = 2**63 - 1
_LONGEST_NAME: Final = 200
_LONGEST_LANGUAGE: Final = 15
_LONGEST_TITLE: Final = 300
_MOST_ITEMS: Final = 100


def translate(update: ShopifyUpdate, shop: ShopCredentials, *, said_at: datetime) -> ShopPiece | None:
    """What an update means for the store; None for one that has no effect.

    Args:
        update: what the webhook says.
        shop: whose it is.
        said_at: the time of what the update itself gives none for.

    Raises:
        UnreadableWebhookError: a value is larger than any real one.
    """
    match update:
        case OrderUpdate():
            _must_be_money(update.total, update.original_total, update.refunded)
            return order_piece(update, shop.store_id, shop.default_region)
        case RefundUpdate():
            _must_be_money(update.amount)
            return RefundPiece(RefundFacts(str(update.id), str(update.order_id), update.amount, update.at))
        case CheckoutUpdate():
            return _checkout(update, shop)
        case CheckoutDeleted():
            return _checkout_deleted(update)
        case CustomerUpdate():
            return CustomerPiece(
                _who(shop, update.id, update.phone, first_name=update.first_name, locale=update.locale),
                update.updated_at,
            )
        case CustomerDeleted():
            return CustomerDeletedPiece(str(update.id))
        case CustomerMerge():
            # One that failed, or has only begun, has made nobody one.
            return MergePiece(str(update.kept_id), str(update.deleted_id)) if update.happened else None
        case ConsentUpdate(channel="whatsapp"):
            return ConsentPiece(_who(shop, update.customer_id, update.phone), update.state, update.at or said_at)
        case ConsentUpdate():
            # Consent to text messages or email gives none to WhatsApp; it is kept as it came in.
            return None
        case AppUninstalled():
            return UninstalledPiece(said_at)
        case DataRequest():
            return DataRequestPiece(_who(shop, update.customer_id, update.phone), str(update.request_id))
        case CustomerRedact():
            return RedactPiece(_who(shop, update.customer_id, update.phone), shop.suppression_key)
        case ShopRedact():
            return ShopRedactPiece(shop.suppression_key)
        case _:
            assert_never(update)


def _who(
    shop: ShopCredentials,
    customer_id: int | None,
    phone: str | None,
    *,
    first_name: str | None = None,
    locale: str | None = None,
) -> Shopper:
    return Shopper(
        store_id=shop.store_id,
        external_id=str(customer_id) if customer_id is not None else None,
        phone=read_phone(phone, shop.default_region),
        first_name=short(first_name, _LONGEST_NAME),
        language=locale.replace("-", "_") if locale and len(locale) <= _LONGEST_LANGUAGE else None,
    )


def _checkout(update: CheckoutUpdate, shop: ShopCredentials) -> CheckoutPiece:
    _must_be_money(update.total)
    key = token(update.token)
    if key is None:
        raise UnreadableWebhookError("the token is too long")
    items = tuple(
        {"title": (short(item.title, _LONGEST_TITLE) or ""), "quantity": item.quantity}
        for item in update.items[:_MOST_ITEMS]
    )
    facts = CheckoutFacts(
        token=key,
        external_id=str(update.id) if update.id is not None else None,
        created_at=update.created_at,
        updated_at=update.updated_at,
        total=update.total,
        url=update.url,
        items=items,
        completed_at=update.completed_at,
        closed_at=update.closed_at,
    )
    who = _who(shop, update.customer_id, update.phone, first_name=update.first_name, locale=update.locale)
    return CheckoutPiece(who, facts)


def _checkout_deleted(update: CheckoutDeleted) -> CheckoutDeletedPiece | None:
    """A checkout is known by its number or token; by its cart alone none can be found."""
    key = token(update.token)
    if update.id is None and key is None:
        return None
    return CheckoutDeletedPiece(str(update.id) if update.id is not None else None, key)


def _must_be_money(*amounts: Money | None) -> None:
    for amount in amounts:
        if amount is not None and abs(amount.minor) > _LARGEST_TOTAL:
            raise UnreadableWebhookError("an amount is larger than any real one")
