"""Orders and refunds as webhooks show them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.money import Money
from providers.shopify.order_webhooks import NO_CURRENCY, parse_order, parse_refund
from providers.shopify.webhook_bodies import UnreadableWebhookError
from providers.shopify.webhooks import WebhookHeaders, verify
from sandbox.shopify.webhooks import order_webhook
from tests.providers.shopify.conftest import NOW, Shop

ORDER: dict[str, Any] = {
    "id": 820982911946154508,
    "created_at": "2030-06-01T08:00:00-04:00",
    "updated_at": "2030-06-01T08:00:05-04:00",
    "cancelled_at": None,
    "test": False,
    "financial_status": "paid",
    "currency": "USD",
    "current_total_price": "49.90",
    "discount_codes": [],
    "discount_applications": [],
    "phone": None,
    "customer": {"id": 115310627314723954, "phone": "+447700900007"},
}


def order(**changed: Any) -> bytes:
    """The body of an order, changed as told."""
    return json.dumps(ORDER | changed).encode()


def test_an_order_is_read() -> None:
    """Every field that a journey asks about comes out, times in UTC and money in minor units."""
    update = parse_order(order())
    assert (update.id, update.customer_id) == (820982911946154508, 115310627314723954)
    assert update.created_at == datetime(2030, 6, 1, 12, 0, tzinfo=UTC)
    assert update.updated_at == datetime(2030, 6, 1, 12, 0, 5, tzinfo=UTC)
    assert update.total == Money(4990, "USD")
    assert (update.cancelled_at, update.test, update.financial_status) == (None, False, "paid")
    assert update.phone == "+447700900007"


def test_a_guests_order_has_no_customer() -> None:
    """An order without an account is an order all the same."""
    update = parse_order(order(customer=None, phone="+447700900009"))
    assert (update.customer_id, update.phone) == (None, "+447700900009")


def test_only_codes_that_the_customer_typed_count() -> None:
    """A manual discount's title stands among the codes, and only the applications give it away."""
    update = parse_order(
        order(
            discount_codes=[{"code": "COMEBACK10", "amount": "5.00", "type": "percentage"}, {"code": "Staff gift"}],
            discount_applications=[
                {"type": "discount_code", "code": "COMEBACK10", "value": "10.0"},
                {"type": "manual", "title": "Staff gift", "code": "Staff gift"},
                {"type": "automatic", "title": "Spring"},
            ],
        )
    )
    assert update.discount_codes == ("COMEBACK10",)


def test_without_applications_the_plain_list_is_taken() -> None:
    """A subscription that leaves applications out still tells the codes."""
    raw = json.dumps(
        {k: v for k, v in ORDER.items() if k != "discount_applications"} | {"discount_codes": [{"code": "A"}]}
    )
    assert parse_order(raw.encode()).discount_codes == ("A",)


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"id":1}', order(created_at="2030-06-01T08:00:00"), order(current_total_price="NaN")]
)
def test_what_is_no_order_is_refused_without_quoting_it(raw: bytes) -> None:
    """Missing fields, times without an offset and impossible prices are refused; the error holds no value."""
    with pytest.raises(UnreadableWebhookError) as caught:
        parse_order(raw)
    assert "2030" not in str(caught.value)


def test_the_sandboxs_webhooks_are_read_as_the_shops_own_orders(shop: Shop) -> None:
    """What the sandbox signs verifies, and says of an order what the sandbox was told of it."""
    shop.customer(7)
    shop.order(70, 7, 1, codes=("COMEBACK10",), manual=("Gift",))
    headers, raw = order_webhook(shop.state, shop.state.orders[70], "orders/create", NOW - timedelta(days=1))
    parsed = WebhookHeaders.parse(headers)
    assert verify(raw, parsed.signature, ["shop-secret"])
    assert (parsed.topic, parsed.shop_domain) == ("orders/create", "demo.myshopify.com")
    update = parse_order(raw)
    assert (update.id, update.customer_id, update.phone) == (70, 7, "+447700900001")
    assert (update.created_at, update.total) == (NOW - timedelta(days=1), Money(4990, "USD"))
    assert update.discount_codes == ("COMEBACK10",)


def transaction(amount: str, **changed: Any) -> dict[str, Any]:
    """A refund transaction that succeeded, changed as told."""
    return {"id": 1, "kind": "refund", "status": "success", "amount": amount, "currency": "USD", **changed}


def refund(**changed: Any) -> bytes:
    """The body of a refund, changed as told."""
    body = {
        "id": 509562969,
        "order_id": 820982911946154508,
        "created_at": "2030-06-02T08:00:00-04:00",
        "processed_at": "2030-06-02T08:00:01-04:00",
        "refund_line_items": [],
        "transactions": [transaction("10.00"), transaction("5.50")],
    }
    return json.dumps(body | changed).encode()


def test_an_order_tells_what_it_was_worth_and_what_went_back() -> None:
    """The first total, the present one and the money given back are three sums."""
    refunds = [
        {"transactions": [transaction("10.00"), transaction("9.90", status="failure")]},
        {"transactions": [transaction("5.00"), transaction("3.00", kind="void")]},
    ]
    update = parse_order(order(total_price="64.90", current_total_price="49.90", refunds=refunds))
    assert update.original_total == Money(6490, "USD")
    assert update.total == Money(4990, "USD")
    assert update.refunded == Money(1500, "USD")


def test_an_order_without_its_first_total_is_worth_what_is_left() -> None:
    """A subscription that leaves the total out still gives one, and of refunds it says nothing at all."""
    update = parse_order(order())
    assert (update.original_total, update.refunded) == (Money(4990, "USD"), None)
    assert parse_order(order(refunds=[])).refunded == Money(0, "USD")


def test_refunds_in_a_buyers_own_currency_count_in_the_shops() -> None:
    """The shop's amount is taken where it is told; where it is not, the sum is unknown and not guessed."""
    told = {"shop_money": {"amount": "11.00", "currency_code": "USD"}}
    in_euros = transaction("10.00", currency="EUR")
    known = [{"transactions": [in_euros | {"amount_set": told}]}]
    assert parse_order(order(refunds=known)).refunded == Money(1100, "USD")
    assert parse_order(order(refunds=[{"transactions": [in_euros]}])).refunded is None
    assert parse_refund(refund(transactions=[in_euros | {"amount_set": told}])).amount == Money(1100, "USD")
    assert parse_refund(refund(transactions=[in_euros])).amount == Money(1000, "EUR")


def test_an_order_knows_its_checkout_and_buyer() -> None:
    """What ties an order to a cart, and the buyer's first name, come out; neither name nor phone is shown."""
    buyer = {"id": 7, "first_name": "Ana", "phone": "+447700900007"}
    update = parse_order(order(checkout_token="c-1", cart_token="k-1", customer=buyer, phone=""))
    assert (update.checkout_token, update.cart_token, update.first_name) == ("c-1", "k-1", "Ana")
    assert update.phone == "+447700900007"
    assert "Ana" not in repr(update)
    assert "7700" not in repr(update)


def test_a_refund_is_the_sum_of_what_went_back() -> None:
    """Only refund transactions that succeeded count."""
    update = parse_refund(refund())
    assert (update.id, update.order_id) == (509562969, 820982911946154508)
    assert update.at == datetime(2030, 6, 2, 12, 0, 1, tzinfo=UTC)
    assert update.amount == Money(1550, "USD")
    failed = [transaction("10.00"), transaction("4.00", status="pending"), transaction("2.00", kind="sale")]
    assert parse_refund(refund(transactions=failed)).amount == Money(1000, "USD")


def test_a_refund_without_money_is_zero() -> None:
    """Goods put back in stock without money are a refund of nothing, in the goods' currency if it is told."""
    goods = [{"subtotal_set": {"shop_money": {"amount": "5.00", "currency_code": "EUR"}}}]
    assert parse_refund(refund(transactions=[])).amount == Money(0, NO_CURRENCY)
    assert parse_refund(refund(transactions=[], refund_line_items=goods)).amount == Money(0, "EUR")


def test_a_refund_that_is_still_to_be_processed_has_the_time_of_its_making() -> None:
    """The time of processing comes first, that of making second; without either it is unreadable."""
    assert parse_refund(refund(processed_at=None)).at == datetime(2030, 6, 2, 12, 0, tzinfo=UTC)
    with pytest.raises(UnreadableWebhookError, match="processed_at"):
        parse_refund(refund(processed_at=None, created_at=None))


@pytest.mark.parametrize("price", ["1e16", "-10000000000000000", "1e999999", "123456789012345678901"])
def test_a_price_beyond_any_database_is_refused(price: str) -> None:
    """An amount whose minor units fit no 64-bit integer is no amount."""
    with pytest.raises(UnreadableWebhookError, match="current_total_price"):
        parse_order(order(current_total_price=price))


@pytest.mark.parametrize("order_id", [0, -1, 10**20, "7", 7.5, True])
def test_an_id_is_a_whole_number_of_at_most_twenty_digits(order_id: object) -> None:
    """Anything else is refused; twenty digits are not."""
    assert parse_order(order(id=10**20 - 1)).id == 10**20 - 1
    with pytest.raises(UnreadableWebhookError, match=r"\bid\b"):
        parse_order(order(id=order_id))
