"""A shop's orders in the database's words, whether a webhook brought them or the list of changed orders did."""

from activities.people import read_phone
from providers.shopify.records import OrderUpdate
from storage.orders import OrderFacts
from storage.shop_pieces import OrderPiece
from storage.shoppers import Shopper

_LONGEST_ID = 64
_LONGEST_TOKEN = 128
_LONGEST_WORD = 40
_LONGEST_NAME = 200


def order_piece(update: OrderUpdate, store_id: int, default_region: str | None) -> OrderPiece:
    """The order and who placed it."""
    buyer = Shopper(
        store_id=store_id,
        external_id=str(update.customer_id) if update.customer_id is not None else None,
        phone=read_phone(update.phone, default_region),
        first_name=short(update.first_name, _LONGEST_NAME),
    )
    return OrderPiece(buyer, order_facts(update))


def order_facts(update: OrderUpdate) -> OrderFacts:
    """The order alone."""
    return OrderFacts(
        external_id=str(update.id)[:_LONGEST_ID],
        ordered_at=update.created_at,
        updated_at=update.updated_at,
        total=update.total,
        test=update.test,
        cancelled_at=update.cancelled_at,
        financial_status=short(update.financial_status, _LONGEST_WORD),
        discount_codes=update.discount_codes,
        original=update.original_total,
        refunded=update.refunded,
        checkout_token=token(update.checkout_token),
    )


def token(text: str | None) -> str | None:
    """A checkout's token; one that is too long to be one is none."""
    return text if text and len(text) <= _LONGEST_TOKEN else None


def short(text: str | None, limit: int) -> str | None:
    """A text that a column can hold, or none."""
    return (text or "").replace("\x00", "").strip()[:limit] or None
