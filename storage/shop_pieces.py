"""What a shop can say that has an effect, in the house's words, and the request that it comes with."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from models.enums import ConsentState
from storage.checkouts import CheckoutFacts
from storage.ingest import Delivery
from storage.orders import OrderFacts
from storage.refunds import RefundFacts
from storage.shoppers import Shopper


@dataclass(frozen=True, slots=True)
class OrderPiece:
    """An order and who placed it."""

    buyer: Shopper
    facts: OrderFacts


@dataclass(frozen=True, slots=True)
class RefundPiece:
    """Money given back for an order."""

    facts: RefundFacts


@dataclass(frozen=True, slots=True)
class CheckoutPiece:
    """A checkout and whose it is, as far as anybody can tell."""

    buyer: Shopper
    facts: CheckoutFacts


@dataclass(frozen=True, slots=True)
class CheckoutDeletedPiece:
    """A checkout that is no more."""

    external_id: str | None
    token: str | None


@dataclass(frozen=True, slots=True)
class CustomerPiece:
    """What the shop has on record about a customer."""

    customer: Shopper
    at: datetime


@dataclass(frozen=True, slots=True)
class CustomerDeletedPiece:
    """The merchant deleted a customer."""

    external_id: str


@dataclass(frozen=True, slots=True)
class MergePiece:
    """The shop made one customer of two."""

    kept: str
    gone: str


@dataclass(frozen=True, slots=True)
class ConsentPiece:
    """Consent to marketing over WhatsApp."""

    customer: Shopper
    state: ConsentState
    at: datetime


@dataclass(frozen=True, slots=True)
class UninstalledPiece:
    """The merchant removed the app."""

    at: datetime


@dataclass(frozen=True, slots=True)
class DataRequestPiece:
    """A customer wants to know what is stored about them."""

    customer: Shopper
    request_id: str


@dataclass(frozen=True, slots=True)
class RedactPiece:
    """Everything about a customer must be erased."""

    customer: Shopper
    suppression_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShopRedactPiece:
    """Everything about the shop's customers must be erased."""

    suppression_key: bytes = field(repr=False)


ShopPiece: TypeAlias = (
    OrderPiece
    | RefundPiece
    | CheckoutPiece
    | CheckoutDeletedPiece
    | CustomerPiece
    | CustomerDeletedPiece
    | MergePiece
    | ConsentPiece
    | UninstalledPiece
    | DataRequestPiece
    | RedactPiece
    | ShopRedactPiece
)
"""What a shop can say that has an effect."""


@dataclass(frozen=True, slots=True)
class ShopifyRequest:
    """A webhook request.

    Attributes:
        delivery: what came in.
        piece: what it says; None for something that has no effect.
        sent_at: when the shop sent it off: a sign of an app that is installed.
    """

    delivery: Delivery
    piece: ShopPiece | None
    sent_at: datetime | None = None

    @property
    def weight(self) -> int:
        """How many pieces it has."""
        return 1

    @property
    def goes_alone(self) -> bool:
        """Whether it tells only on the way whose locks it needs, so that those of several could not be ordered."""
        return self.piece is not None and not isinstance(self.piece, OrderPiece | CheckoutPiece)
