"""`POST /_sandbox/{shop}/{deed}`: a way for tests and people to make something happen at a shop from outside.

The body is JSON, checked field by field; what follows leaves as signed webhooks. The answer says which, whether all
were taken, and for a checkout or an order its key. A customer is named by `customer` (the shop's id) or `phone`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models.enums import ConsentState
from sandbox.shopify.deeds import Deeds, ImpossibleDeedError, Webhooks
from sandbox.shopify.outbox import Outbox
from sandbox.shopify.records import CheckoutLine
from sandbox.shopify.state import Clock, OrderRecord, ShopState

_Amount = Annotated[Decimal, Field(gt=0, max_digits=12, decimal_places=2)]


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _OfCustomer(_Wish):
    customer: int | None = None
    phone: str | None = None


class _Line(_Wish):
    title: str
    quantity: int = Field(default=1, ge=1)
    price: _Amount = Decimal(25)


class _PlaceOrder(_OfCustomer):
    total: _Amount = Decimal(25)
    codes: tuple[str, ...] = ()
    test: bool = False
    paid: bool = True


class _OfOrder(_Wish):
    order: int


class _Refund(_OfOrder):
    amount: _Amount | None = None


class _OpenCheckout(_OfCustomer):
    items: tuple[_Line, ...] = (_Line(title="Linen shirt"),)
    typed_phone: str | None = None
    sms_phone: str | None = None
    locale: str | None = None


class _OfCheckout(_Wish):
    token: str


class _UpdateCheckout(_OfCheckout):
    items: tuple[_Line, ...] | None = None
    customer: int | None = None
    typed_phone: str | None = None
    sms_phone: str | None = None


class _ChangeCustomer(_OfCustomer):
    first_name: str | None = None
    new_phone: str | None = None
    locale: str | None = None


class _Merge(_Wish):
    kept: int
    deleted: int
    fails: bool = False


class _Consent(_OfCustomer):
    state: ConsentState
    channel: Literal["whatsapp", "sms", "email"] = "whatsapp"


@dataclass(frozen=True, slots=True)
class _Visit:
    """One request at the door."""

    deeds: Deeds
    at: datetime
    raw: bytes

    @property
    def shop(self) -> ShopState:
        return self.deeds.shop

    def customer(self, wish: _OfCustomer) -> int:
        """Whom a wish names."""
        found = self.shop.by_phone(wish.phone) if wish.phone is not None else None
        customer_id = wish.customer if found is None else found.id
        if customer_id is None or customer_id not in self.shop.customers:
            raise ImpossibleDeedError("there is no such customer")
        return customer_id


_Answer = tuple[Webhooks, dict[str, Any]]


def _place_order(visit: _Visit) -> _Answer:
    wish = _PlaceOrder.model_validate_json(visit.raw)
    order = OrderRecord(
        id=visit.shop.new_id(),
        customer_id=visit.customer(wish),
        created_at=visit.at,
        total=wish.total,
        currency=visit.shop.currency,
        test=wish.test,
        financial_status="PAID" if wish.paid else "PENDING",
        discount_codes=wish.codes,
    )
    return visit.deeds.place_order(order, visit.at), {"order": order.id}


def _cancel_order(visit: _Visit) -> _Answer:
    return visit.deeds.cancel_order(_OfOrder.model_validate_json(visit.raw).order, visit.at), {}


def _refund(visit: _Visit) -> _Answer:
    wish = _Refund.model_validate_json(visit.raw)
    return visit.deeds.refund(wish.order, visit.at, wish.amount), {}


def _open_checkout(visit: _Visit) -> _Answer:
    wish = _OpenCheckout.model_validate_json(visit.raw)
    named = wish.customer is not None or wish.phone is not None
    told = visit.deeds.open_checkout(
        _lines(wish.items),
        visit.at,
        customer_id=visit.customer(wish) if named else None,
        phone=wish.typed_phone,
        sms_phone=wish.sms_phone,
        locale=wish.locale,
    )
    return told, {"token": next(reversed(visit.shop.checkouts))}


def _update_checkout(visit: _Visit) -> _Answer:
    wish = _UpdateCheckout.model_validate_json(visit.raw)
    told = visit.deeds.update_checkout(
        wish.token,
        visit.at,
        lines=None if wish.items is None else _lines(wish.items),
        customer_id=wish.customer,
        phone=wish.typed_phone,
        sms_phone=wish.sms_phone,
    )
    return told, {}


def _complete_checkout(visit: _Visit) -> _Answer:
    told = visit.deeds.complete_checkout(_OfCheckout.model_validate_json(visit.raw).token, visit.at)
    return told, {"order": next(reversed(visit.shop.orders))}


def _delete_checkout(visit: _Visit) -> _Answer:
    return visit.deeds.delete_checkout(_OfCheckout.model_validate_json(visit.raw).token, visit.at), {}


def _change_customer(visit: _Visit) -> _Answer:
    wish = _ChangeCustomer.model_validate_json(visit.raw)
    former = visit.shop.customers[visit.customer(wish)]
    changed = replace(
        former,
        first_name=wish.first_name or former.first_name,
        phone=wish.new_phone or former.phone,
        locale=wish.locale or former.locale,
    )
    return visit.deeds.change_customer(changed, visit.at), {}


def _delete_customer(visit: _Visit) -> _Answer:
    return visit.deeds.delete_customer(visit.customer(_OfCustomer.model_validate_json(visit.raw)), visit.at), {}


def _merge(visit: _Visit) -> _Answer:
    wish = _Merge.model_validate_json(visit.raw)
    return visit.deeds.merge_customers(wish.kept, wish.deleted, visit.at, fails=wish.fails), {}


def _consent(visit: _Visit) -> _Answer:
    wish = _Consent.model_validate_json(visit.raw)
    return visit.deeds.consent(visit.customer(wish), wish.state, visit.at, channel=wish.channel), {}


def _request_data(visit: _Visit) -> _Answer:
    return visit.deeds.request_data(visit.customer(_OfCustomer.model_validate_json(visit.raw)), visit.at), {}


def _redact(visit: _Visit) -> _Answer:
    return visit.deeds.redact_customer(visit.customer(_OfCustomer.model_validate_json(visit.raw)), visit.at), {}


def _uninstall(visit: _Visit) -> _Answer:
    return visit.deeds.uninstall(visit.at), {}


def _install(visit: _Visit) -> _Answer:
    visit.deeds.install()
    return (), {}


def _redact_shop(visit: _Visit) -> _Answer:
    return visit.deeds.redact_shop(visit.at), {}


_DEEDS: Mapping[str, Callable[[_Visit], _Answer]] = {
    "order": _place_order,
    "cancel": _cancel_order,
    "refund": _refund,
    "checkout": _open_checkout,
    "checkout-update": _update_checkout,
    "checkout-complete": _complete_checkout,
    "checkout-delete": _delete_checkout,
    "customer": _change_customer,
    "customer-delete": _delete_customer,
    "merge": _merge,
    "consent": _consent,
    "data-request": _request_data,
    "redact": _redact,
    "uninstall": _uninstall,
    "install": _install,
    "shop-redact": _redact_shop,
}


class ShopDoor:
    """Lets somebody from outside make things happen at the shops.

    Attributes:
        flush: delivers what a deed caused before the door answers, and tells whether all of it was taken; without one
            the webhooks stay in the outbox.
    """

    def __init__(self, shops: Mapping[str, ShopState], outbox: Outbox, clock: Clock) -> None:
        self._shops = shops
        self._outbox = outbox
        self._clock = clock
        self.flush: Callable[[], Awaitable[bool]] | None = None

    async def act(self, request: Request) -> Response:
        """Serve `POST /_sandbox/{shop}/{deed}`."""
        shop = self._shops.get(request.path_params["shop"])
        deed = _DEEDS.get(request.path_params["deed"])
        if shop is None or deed is None:
            known = sorted(_DEEDS if shop is not None else self._shops)
            return JSONResponse({"problems": ["not found"], "known": known}, status_code=404)
        visit = _Visit(Deeds(shop, self._outbox), self._clock(), await request.body() or b"{}")
        try:
            webhooks, answer = deed(visit)
        except ValidationError as error:
            return JSONResponse({"problems": [f"{one['loc']}: {one['msg']}" for one in error.errors()]}, 400)
        except ImpossibleDeedError as error:
            return JSONResponse({"problems": [str(error)]}, 409)
        taken = None if self.flush is None else await self.flush()
        return JSONResponse({**answer, "webhooks": [one.topic for one in webhooks], "taken": taken})


def _lines(items: tuple[_Line, ...]) -> list[CheckoutLine]:
    return [CheckoutLine(one.title, one.quantity, one.price) for one in items]
