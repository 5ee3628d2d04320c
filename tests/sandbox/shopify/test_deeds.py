"""What happens at a shop, as the app hears it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from models.enums import ConsentState
from models.money import Money
from providers.shopify.customer_webhooks import Channel
from providers.shopify.webhooks import (
    AppUninstalled,
    CheckoutDeleted,
    CheckoutItem,
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
    WebhookHeaders,
    parse,
    verify,
)
from sandbox.shopify.deeds import ImpossibleDeedError, Webhooks
from sandbox.shopify.records import CheckoutLine
from sandbox.shopify.state import CustomerRecord, OrderRecord
from tests.sandbox.shopify.conftest import NOW, Heard

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "shopify_webhook_samples"
LATER = NOW + timedelta(minutes=5)
LINES = [CheckoutLine("Shirt", 2, Decimal("12.50")), CheckoutLine("Hat", 1, Decimal("5.00"))]


def read(webhooks: Webhooks) -> list[ShopifyUpdate | None]:
    """What the app makes of them; each is signed, and says so of the right shop."""
    for one in webhooks:
        headers = WebhookHeaders.parse(one.headers)
        assert verify(one.body, headers.signature, ["shop-secret"])
        assert (headers.topic, headers.shop_domain) == (one.topic, "demo.myshopify.com")
    return [parse(one.topic, one.body) for one in webhooks]


def topics(webhooks: Webhooks) -> list[str]:
    """Their topics."""
    return [one.topic for one in webhooks]


def order(heard: Heard, total: str = "30.00", **changed: Any) -> OrderRecord:
    """An order of customer 1, made now."""
    record = OrderRecord(heard.shop.new_id(), 1, NOW, Decimal(total), "USD", **changed)
    heard.deeds.place_order(record, NOW)
    return record


async def test_a_checkout_lives_from_its_opening_to_its_order(heard: Heard) -> None:
    """The same token goes through every update, and the order that is made of it carries it."""
    [opened] = read(heard.deeds.open_checkout(LINES, NOW, locale="pt-BR"))
    assert isinstance(opened, CheckoutUpdate)
    assert opened.items == (CheckoutItem("Shirt", 2), CheckoutItem("Hat", 1))
    assert (opened.total, opened.completed_at, opened.phone) == (Money(3000, "USD"), None, None)
    [known] = read(heard.deeds.update_checkout(opened.token, LATER, customer_id=1, lines=LINES[:1]))
    assert isinstance(known, CheckoutUpdate)
    assert (known.token, known.id, known.created_at, known.updated_at) == (opened.token, opened.id, NOW, LATER)
    assert (known.customer_id, known.phone, known.first_name) == (1, "+447700900001", "Ana")
    assert (known.total, known.locale) == (Money(2500, "USD"), "pt-BR")
    told = heard.deeds.complete_checkout(opened.token, LATER)
    assert topics(told) == ["checkouts/update", "orders/create", "orders/paid"]
    [completed, made, paid] = read(told)
    assert isinstance(completed, CheckoutUpdate)
    assert isinstance(made, OrderUpdate)
    assert made == paid
    assert completed.completed_at == LATER
    assert (made.checkout_token, made.cart_token) == (opened.token, opened.cart_token)
    assert (made.total, made.customer_id) == (Money(2500, "USD"), 1)
    assert [one.id for one in heard.shop.visible_orders(1, LATER)] == [made.id]


async def test_a_checkout_may_give_a_number_for_messages(heard: Heard) -> None:
    """The number typed for text messages, and the one typed into the checkout, reach the app."""
    [typed] = read(heard.deeds.open_checkout(LINES, NOW, phone="+447700900003"))
    assert isinstance(typed, CheckoutUpdate)
    assert typed.phone == "+447700900003"
    [agreed] = read(heard.deeds.update_checkout(typed.token, LATER, sms_phone="+447700900004"))
    assert isinstance(agreed, CheckoutUpdate)
    assert agreed.phone == "+447700900004"


async def test_a_deleted_checkout_is_named_by_its_number(heard: Heard) -> None:
    """The number is the one that its updates had in their name; afterwards there is no such checkout."""
    [opened] = read(heard.deeds.open_checkout(LINES, NOW))
    assert isinstance(opened, CheckoutUpdate)
    assert read(heard.deeds.delete_checkout(opened.token, LATER)) == [
        CheckoutDeleted(opened.id, None, opened.cart_token)
    ]
    with pytest.raises(ImpossibleDeedError):
        heard.deeds.complete_checkout(opened.token, LATER)


async def test_a_refund_takes_its_money_off_the_order(heard: Heard) -> None:
    """In part and then the rest: the refund, then the order with what is left; more than all of it cannot be."""
    made = order(heard)
    told = heard.deeds.refund(made.id, LATER, Decimal("10.00"))
    assert topics(told) == ["refunds/create", "orders/updated"]
    [refund, update] = read(told)
    assert isinstance(refund, RefundUpdate)
    assert isinstance(update, OrderUpdate)
    assert (refund.order_id, refund.amount, refund.at) == (made.id, Money(1000, "USD"), LATER)
    assert (update.total, update.original_total, update.refunded) == (
        Money(2000, "USD"),
        Money(3000, "USD"),
        Money(1000, "USD"),
    )
    assert (update.financial_status, update.updated_at) == ("partially_refunded", LATER)
    with pytest.raises(ImpossibleDeedError):
        heard.deeds.refund(made.id, LATER, Decimal("20.01"))
    [_, last] = read(heard.deeds.refund(made.id, LATER))
    assert isinstance(last, OrderUpdate)
    assert (last.total, last.financial_status) == (Money(0, "USD"), "refunded")


async def test_a_cancelled_order_says_so_twice(heard: Heard) -> None:
    """Shopify sends the cancellation and the update."""
    told = heard.deeds.cancel_order(order(heard).id, LATER)
    assert topics(told) == ["orders/cancelled", "orders/updated"]
    assert {one.cancelled_at for one in read(told) if isinstance(one, OrderUpdate)} == {LATER}


async def test_an_unpaid_order_is_not_said_to_be_paid(heard: Heard) -> None:
    """Only a paid order comes as such."""
    unpaid = OrderRecord(9, 1, NOW, Decimal(5), "USD", financial_status="PENDING")
    assert topics(heard.deeds.place_order(unpaid, NOW)) == ["orders/create"]


async def test_two_customers_become_one(heard: Heard) -> None:
    """Who is kept has both their orders and, if they had none, the other's number; the other is no more."""
    made = order(heard)
    assert read(heard.deeds.merge_customers(2, 1, LATER)) == [CustomerMerge(2, 1, "completed")]
    assert 1 not in heard.shop.customers
    assert heard.shop.by_phone("+447700900001") == heard.shop.customers[2]
    assert heard.shop.customers[2].consent is ConsentState.SUBSCRIBED
    assert [one.id for one in heard.shop.visible_orders(2, LATER)] == [made.id]
    assert [one.customer_id for one in heard.shop.changed_orders(LATER, LATER)] == [2]


async def test_a_merge_may_fail(heard: Heard) -> None:
    """Then it is told as failed and both stay; nobody is merged with themselves."""
    assert read(heard.deeds.merge_customers(2, 1, NOW, fails=True)) == [CustomerMerge(2, 1, "failed")]
    assert {1, 2} <= heard.shop.customers.keys()
    with pytest.raises(ImpossibleDeedError):
        heard.deeds.merge_customers(2, 2, NOW)


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "email"])
async def test_consent_comes_in_its_channels_dialect(heard: Heard, channel: Channel) -> None:
    """Each of the three topics says who withdrew what and when; only WhatsApp's changes what the API answers."""
    [update] = read(heard.deeds.consent(1, ConsentState.UNSUBSCRIBED, LATER, channel=channel, said_at=NOW))
    phone = None if channel == "email" else "+447700900001"
    assert update == ConsentUpdate(channel, 1, phone, ConsentState.UNSUBSCRIBED, NOW)
    kept = heard.shop.customers[1].consent
    assert kept is (ConsentState.UNSUBSCRIBED if channel == "whatsapp" else ConsentState.SUBSCRIBED)


async def test_customers_come_change_and_go(heard: Heard) -> None:
    """A new customer, a new number, the end: each is told."""
    told = heard.deeds.change_customer(CustomerRecord(3, "Cy", phone="+447700900003"), NOW)
    assert topics(told) == ["customers/create"]
    changed = replace(heard.shop.customers[3], phone="+447700900004")
    told = heard.deeds.change_customer(changed, LATER)
    assert topics(told) == ["customers/update"]
    assert read(told) == [CustomerUpdate(3, "Cy", "+447700900004", None, LATER)]
    assert read(heard.deeds.delete_customer(3, LATER)) == [CustomerDeleted(3)]
    assert heard.shop.by_phone("+447700900004") is None


async def test_the_law_speaks(heard: Heard) -> None:
    """A request for data, an erasure of a customer, who is erased here as well, and of the shop."""
    made = order(heard)
    [request] = read(heard.deeds.request_data(1, NOW))
    assert isinstance(request, DataRequest)
    assert (request.customer_id, request.phone) == (1, "+447700900001")
    assert read(heard.deeds.redact_customer(1, NOW)) == [CustomerRedact(1, "+447700900001", (made.id,))]
    erased = heard.shop.customers[1]
    assert (erased.first_name, erased.phone, erased.consent) == (None, None, ConsentState.REDACTED)
    assert read(heard.deeds.redact_shop(NOW)) == [ShopRedact(1, "demo.myshopify.com")]


async def test_a_removed_app_is_shut_out(heard: Heard) -> None:
    """It hears of it as it had asked; then its token opens nothing and its subscriptions are gone, until it is back."""
    heard.subscribe("APP_UNINSTALLED", "https://app.example.com/a")
    assert read(heard.deeds.uninstall(NOW)) == [AppUninstalled(1, "demo.myshopify.com")]
    await heard.deliverer.flush()
    assert heard.heard() == [("app/uninstalled", "https://app.example.com/a")]
    query = {"query": "{ shop { name } }"}
    path = "/demo.myshopify.com/admin/api/2026-10/graphql.json"
    token = {"X-Shopify-Access-Token": "shop-token"}
    assert (await heard.door.post(path, json=query, headers=token)).status_code == 401
    heard.deeds.install()
    assert (await heard.door.post(path, json=query, headers=token)).status_code == 200
    assert heard.shop.subscriptions == []


async def test_nothing_happens_to_what_is_not_there(heard: Heard) -> None:
    """Unknown orders, checkouts and customers are refused, and nothing is told."""
    deeds: tuple[Callable[[], object], ...] = (
        lambda: heard.deeds.refund(404, NOW),
        lambda: heard.deeds.cancel_order(404, NOW),
        lambda: heard.deeds.complete_checkout("none", NOW),
        lambda: heard.deeds.update_checkout("none", NOW),
        lambda: heard.deeds.open_checkout(LINES, NOW, customer_id=404),
        lambda: heard.deeds.consent(404, ConsentState.SUBSCRIBED, NOW),
        lambda: heard.deeds.redact_customer(404, NOW),
        lambda: heard.deeds.merge_customers(1, 404, NOW),
    )
    for deed in deeds:
        with pytest.raises(ImpossibleDeedError):
            deed()
    assert len(heard.sandbox.outbox) == 0


async def test_two_updates_of_one_moment_are_two_deliveries(heard: Heard) -> None:
    """Whoever drops duplicates by the delivery's id drops neither."""
    [opened] = heard.deeds.open_checkout(LINES, NOW)
    token = json.loads(opened.body)["token"]
    told = [heard.deeds.update_checkout(token, NOW, lines=LINES[:number])[0] for number in (1, 2, 1)]
    ids = [one.headers["X-Shopify-Webhook-Id"] for one in told]
    assert ids[0] == ids[2] != ids[1]


async def test_every_body_has_the_vendors_names_and_types(heard: Heard) -> None:
    """No field of any webhook stands in another place or form than in the vendor's own example."""
    if not SAMPLES.exists():
        pytest.skip("the vendor's samples are not at hand")
    made = order(heard, discount_codes=("COMEBACK10",), phone="+447700900001")
    [opened] = heard.deeds.open_checkout(LINES, NOW, customer_id=1, phone="+447700900001")
    token = json.loads(opened.body)["token"]
    told = [
        opened,
        *heard.deeds.complete_checkout(token, NOW),
        *heard.deeds.delete_checkout(json.loads(heard.deeds.open_checkout(LINES, NOW)[0].body)["token"], NOW),
        *heard.deeds.cancel_order(made.id, NOW),
        *heard.deeds.change_customer(heard.shop.customers[1], NOW),
        *heard.deeds.consent(1, ConsentState.SUBSCRIBED, NOW),
        *heard.deeds.consent(1, ConsentState.SUBSCRIBED, NOW, channel="sms"),
        *heard.deeds.consent(1, ConsentState.SUBSCRIBED, NOW, channel="email"),
        *heard.deeds.merge_customers(1, 2, NOW, fails=True),
        *heard.deeds.request_data(1, NOW),
        *heard.deeds.redact_customer(1, NOW),
        *heard.deeds.delete_customer(1, NOW),
        *heard.deeds.uninstall(NOW),
        *heard.deeds.redact_shop(NOW),
    ]
    compared = 0
    for one in told:
        name = "orders/create" if one.topic.startswith("orders/") else one.topic
        sample = json.loads((SAMPLES / f"{name.replace('/', '__')}.json").read_text())
        assert not list(differences(json.loads(one.body), sample, one.topic))
        compared += 1
    assert compared == len(told) > 15


_FREE = {"discount_applications", "discount_codes"}
"""Lists that are empty in the vendor's examples."""


def differences(ours: Any, theirs: Any, place: str) -> Any:
    """Where our body has a name or a type that theirs has not."""
    if ours is None or theirs is None or place.rpartition(".")[2] in _FREE:
        return
    if type(ours) is not type(theirs):
        yield f"{place}: {type(ours).__name__}, not {type(theirs).__name__}"
    elif isinstance(ours, Mapping):
        yield from (f"{place}.{name} is unknown" for name in ours.keys() - theirs.keys())
        for name in ours.keys() & theirs.keys():
            yield from differences(ours[name], theirs[name], f"{place}.{name}")
    elif isinstance(ours, list) and theirs:
        for one in ours:
            yield from differences(one, theirs[0], f"{place}[]")
