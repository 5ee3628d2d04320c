"""What simulated customers do at the shop."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sandbox.shopify.deeds import Deeds
from sandbox.shopify.outbox import Outbox
from sandbox.shopify.records import CheckoutLine, CheckoutRecord
from sandbox.shopify.state import CustomerRecord, ShopState
from sandbox.shoppers import Crowd, Deed, PlannedDeed, ShopperActivities
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account

AT = datetime(2030, 3, 4, 9, 30, tzinfo=UTC)
NUMBER = SandboxNumber(Account("800000000000001", "900000000000001", "447700900100"), frozenset({"token"}))


class Told(list[tuple[str, Any]]):
    """The webhooks that the gateway got: topic (or path) and content."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take one request."""
        self.append((request.headers.get("X-Shopify-Topic", request.url.path), json.loads(request.content)))
        return httpx.Response(200)


async def nothing() -> None:
    """Everybody knows at once."""


@pytest.fixture
def told() -> Told:
    """What the gateway hears."""
    return Told()


@pytest.fixture
def shoppers(told: Told) -> ShopperActivities:
    """A customer who speaks Spanish, and a cart that will be left."""
    shop = ShopState(domain="shop.example", token="token", secret="secret", currency="EUR")
    shop.put_customer(CustomerRecord(7, "Ana", phone="+447700900101", locale="es"))
    cart = CheckoutRecord(
        id=8,
        token="k-1",
        cart_token="cart-1",
        customer_id=7,
        created_at=AT,
        updated_at=AT,
        currency="EUR",
        lines=(CheckoutLine("Helmet", 2), CheckoutLine("Lock")),
        agreed=Decimal("59.90"),
    )
    crowd = Crowd(
        shop=shop,
        deeds=Deeds(shop, Outbox()),
        whatsapp=WhatsAppSandbox(clock=lambda: AT, numbers=[NUMBER], app_secret="secret"),
        http=httpx.AsyncClient(transport=httpx.MockTransport(told)),
        whatsapp_url="http://gateway/whatsapp",
        shopify_url="http://gateway/shopify",
        clock=lambda: AT,
        settle=nothing,
        carts={"k-1": cart},
        passages=True,
    )
    return ShopperActivities(crowd)


def deed(deed: Deed, **more: Any) -> PlannedDeed:
    """Something that the customer does."""
    return PlannedDeed(at=AT, deed=deed, customer=7, **more)


async def test_a_cart_comes_to_what_was_agreed(shoppers: ShopperActivities, told: Told) -> None:
    """A file tells the total and not the prices: the total is what the shop says, in the cart and in its order."""
    await shoppers.act(deed(Deed.CART, checkout="k-1"), AT)
    await shoppers.act(deed(Deed.COMPLETE, checkout="k-1"), AT)
    assert [topic for topic, _ in told] == ["checkouts/create", "checkouts/update", "orders/create", "orders/paid"]
    assert [content["total_price"] for _, content in told] == ["59.90"] * 4
    assert [line["title"] for line in told[0][1]["line_items"]] == ["Helmet", "Lock"]
    assert told[2][1]["checkout_token"] == "k-1"


async def test_whoever_orders_completes_the_cart_that_they_left(shoppers: ShopperActivities, told: Told) -> None:
    """The reader of a cart message buys what lies in the cart, once; the next order is another one."""
    await shoppers.act(deed(Deed.CART, checkout="k-1"), AT)
    await shoppers.act(deed(Deed.ORDER), AT)
    await shoppers.act(deed(Deed.COMPLETE, checkout="k-1"), AT)
    await shoppers.act(deed(Deed.ORDER), AT)
    orders = [content for topic, content in told if topic == "orders/create"]
    assert [(one["checkout_token"], one["total_price"]) for one in orders] == [("k-1", "59.90"), (None, "59.90")]


async def test_people_answer_in_their_language(shoppers: ShopperActivities, told: Told) -> None:
    """An invented reply is in the customer's language, as the shop knows it."""
    await shoppers.act(deed(Deed.REPLY), AT)
    ((_, body),) = told
    assert body["entry"][0]["changes"][0]["value"]["messages"][0]["text"]["body"] == "¡Hola! ¿Sigue disponible?"
