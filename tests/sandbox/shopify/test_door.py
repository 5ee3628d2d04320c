"""The door through which somebody from outside makes things happen at a shop."""

from decimal import Decimal

import pytest

from models.enums import ConsentState
from tests.sandbox.shopify.conftest import HOOK, NOW, Heard


async def test_a_cart_is_played_from_outside(heard: Heard) -> None:
    """Opened, changed and bought: each answer says what was posted, and the app has it by then."""
    opened = await heard.act(
        "checkout", phone="+447700900001", items=[{"title": "Hat", "quantity": 2, "price": "12.50"}]
    )
    assert (opened["webhooks"], opened["taken"]) == (["checkouts/create"], True)
    assert heard.heard() == [("checkouts/create", HOOK)]
    assert heard.last()["total_price"] == "25.00"
    await heard.act("checkout-update", token=opened["token"], sms_phone="+447700900009")
    assert heard.last()["sms_marketing_phone"] == "+447700900009"
    bought = await heard.act("checkout-complete", token=opened["token"])
    assert bought["webhooks"] == ["checkouts/update", "orders/create", "orders/paid"]
    assert heard.shop.orders[bought["order"]].total == Decimal("25.00")
    refunded = await heard.act("refund", order=bought["order"], amount="5.00")
    assert refunded["webhooks"] == ["refunds/create", "orders/updated"]
    assert heard.last()["current_total_price"] == "20.00"
    thrown = await heard.act("checkout", typed_phone="+447700900008", locale="es")
    assert heard.last()["phone"] == "+447700900008"
    assert (await heard.act("checkout-delete", token=thrown["token"]))["webhooks"] == ["checkouts/delete"]


async def test_everything_else_is_played_from_outside(heard: Heard) -> None:
    """Orders, customers, consent, merges, erasures and the app's removal."""
    made = await heard.act("order", customer=1, total="9.99", codes=["COMEBACK10"])
    assert made["webhooks"] == ["orders/create", "orders/paid"]
    assert (await heard.act("order", phone="+447700900001", paid=False))["webhooks"] == ["orders/create"]
    assert (await heard.act("cancel", order=made["order"]))["webhooks"] == ["orders/cancelled", "orders/updated"]
    assert (await heard.act("customer", customer=2, new_phone="+447700900002"))["webhooks"] == ["customers/update"]
    assert heard.last()["phone"] == "+447700900002"
    assert heard.last()["first_name"] == "Bo"
    consent = await heard.act("consent", phone="+447700900002", state="unsubscribed", channel="sms")
    assert consent["webhooks"] == ["customers_marketing_consent/update"]
    await heard.act("consent", customer=1, state="unsubscribed")
    assert heard.shop.customers[1].consent is ConsentState.UNSUBSCRIBED
    assert (await heard.act("merge", kept=1, deleted=2, fails=True))["webhooks"] == ["customers/merge"]
    assert (await heard.act("data-request", customer=1))["webhooks"] == ["customers/data_request"]
    assert (await heard.act("redact", phone="+447700900001"))["webhooks"] == ["customers/redact"]
    assert (await heard.act("customer-delete", customer=2))["webhooks"] == ["customers/delete"]
    assert (await heard.act("uninstall"))["webhooks"] == ["app/uninstalled"]
    assert (await heard.act("shop-redact"))["webhooks"] == ["shop/redact"]
    await heard.act("install")
    assert heard.shop.installed


async def test_things_happen_at_the_shops_own_time(heard: Heard) -> None:
    """On a virtual clock an order is made when the clock says so."""
    heard.later(86_400)
    made = await heard.act("order", customer=1)
    assert heard.shop.orders[made["order"]].created_at == heard.now != NOW


async def test_an_app_that_does_not_take_it_is_told(heard: Heard) -> None:
    """The deed is done all the same, and its webhooks wait for their next time."""
    heard.status = 503
    assert (await heard.act("checkout", customer=1))["taken"] is False
    assert len(heard.shop.checkouts) == len(heard.sandbox.outbox) == 1


@pytest.mark.parametrize(
    ("deed", "wish", "status"),
    [
        ("dance", {}, 404),
        ("order", {"customer": 404}, 409),
        ("order", {"phone": "+447700900099"}, 409),
        ("order", {"customer": 1, "total": "-1"}, 400),
        ("order", {"customer": 1, "colour": "red"}, 400),
        ("refund", {"order": 404}, 409),
        ("refund", {}, 400),
        ("consent", {"customer": 1, "state": "maybe"}, 400),
        ("checkout-complete", {"token": "none"}, 409),
    ],
)
async def test_what_cannot_be_is_refused(heard: Heard, deed: str, wish: dict[str, object], status: int) -> None:
    """The answer says what is wrong, and nothing happens."""
    answer = await heard.door.post(f"/_sandbox/{heard.shop.domain}/{deed}", json=wish)
    assert answer.status_code == status
    assert answer.json()["problems"]
    assert heard.requests == []
    assert (await heard.door.post("/_sandbox/other.myshopify.com/order", json={})).status_code == 404


async def test_a_consent_written_back_comes_back(heard: Heard) -> None:
    """What the app writes through the API is told to it as well, as the shop tells any change."""
    heard.subscribe("CUSTOMERS_WHATS_APP_MARKETING_CONSENT_UPDATE", "https://app.example.com/a")
    mutation = """
    mutation { customerWhatsAppMarketingConsentUpdate(input: { customerId: "gid://shopify/Customer/1",
      whatsAppMarketingConsent: { state: UNSUBSCRIBED, updatedAt: "2030-06-03T08:00:00Z" } }) {
      userErrors { message } } }
    """
    answer = await heard.door.post(
        "/demo.myshopify.com/admin/api/2026-10/graphql.json",
        json={"query": mutation},
        headers={"X-Shopify-Access-Token": "shop-token"},
    )
    assert "errors" not in answer.json()
    assert await heard.deliverer.flush()
    assert heard.heard() == [("customers_whats_app_marketing_consent/update", "https://app.example.com/a")]
    assert heard.last()["whats_app_marketing_consent"]["updated_at"] == "2030-06-03T08:00:00+00:00"
    assert heard.requests[0].headers["X-Shopify-Triggered-At"] == "2030-06-03T09:00:00.000000Z"
