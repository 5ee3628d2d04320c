"""Who gets a webhook, and how often it is tried."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from models.enums import ConsentState
from sandbox.shopify.outbox import RETRY_AFTER
from sandbox.shopify.records import CheckoutLine
from tests.sandbox.shopify.conftest import HOOK, NOW, Heard

LINES = [CheckoutLine("Shirt", 2, Decimal("12.50"))]


async def test_without_subscriptions_everything_goes_where_the_app_is_configured(heard: Heard) -> None:
    """An app that subscribed to nothing hears all at its own address; without one nobody hears anything."""
    heard.deeds.open_checkout(LINES, NOW)
    assert await heard.deliverer.flush()
    assert heard.heard() == [("checkouts/create", HOOK)]
    heard.shop.hook = None
    heard.deeds.open_checkout(LINES, NOW)
    assert len(heard.sandbox.outbox) == 0


async def test_with_subscriptions_only_they_count(heard: Heard) -> None:
    """A topic goes to each of its subscriptions under an id of its own; the law's topics go as configured."""
    heard.subscribe("CHECKOUTS_CREATE", "https://app.example.com/a")
    heard.subscribe("CHECKOUTS_CREATE", "https://app.example.com/b")
    [told] = heard.deeds.open_checkout(LINES, NOW)
    heard.deeds.consent(1, ConsentState.UNSUBSCRIBED, NOW)
    heard.deeds.redact_customer(1, NOW)
    assert await heard.deliverer.flush()
    assert heard.heard() == [
        ("checkouts/create", "https://app.example.com/a"),
        ("checkouts/create", "https://app.example.com/b"),
        ("customers/redact", HOOK),
    ]
    ids = [one.headers["X-Shopify-Webhook-Id"] for one in heard.requests[:2]]
    assert ids[0] == told.headers["X-Shopify-Webhook-Id"] != ids[1]
    assert len({one.headers["X-Shopify-Event-Id"] for one in heard.requests[:2]}) == 1


async def test_what_is_not_taken_comes_again(heard: Heard) -> None:
    """Anything but a 2xx is tried again, the same delivery, when its time has come."""
    heard.status = 302
    heard.deeds.open_checkout(LINES, NOW)
    assert not await heard.deliverer.flush()
    heard.status = 200
    assert await heard.deliverer.flush()
    assert len(heard.requests) == 1
    heard.later(RETRY_AFTER[0].total_seconds())
    assert await heard.deliverer.flush()
    first, second = heard.requests
    assert (first.content, first.headers["X-Shopify-Webhook-Id"]) == (
        second.content,
        second.headers["X-Shopify-Webhook-Id"],
    )
    assert (heard.deliverer.delivered, heard.deliverer.given_up, len(heard.sandbox.outbox)) == (1, 0, 0)


async def test_after_eight_retries_in_four_hours_the_subscription_is_gone(heard: Heard) -> None:
    """What is never taken is given up, and with it the subscription that asked for it, no other."""
    heard.subscribe("CHECKOUTS_CREATE", "https://app.example.com/a")
    heard.subscribe("CHECKOUTS_UPDATE", "https://app.example.com/a")
    heard.status = 500
    heard.deeds.open_checkout(LINES, NOW)
    await heard.deliverer.flush()
    for wait in RETRY_AFTER:
        heard.later(wait.total_seconds())
        assert len(heard.shop.subscriptions) == 2
        assert not await heard.deliverer.flush()
    assert len(heard.requests) == 1 + 8
    assert timedelta(hours=3) < heard.now - NOW <= timedelta(hours=4)
    assert [one.topic for one in heard.shop.subscriptions] == ["CHECKOUTS_UPDATE"]
    assert (heard.deliverer.given_up, len(heard.sandbox.outbox)) == (1, 0)


async def test_an_app_that_is_away_is_tried_again(heard: Heard) -> None:
    """A connection that cannot be made is as good as no answer."""

    def refuse(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as http:
        deliverer = heard.sandbox.deliver_with(http)
        heard.deeds.open_checkout(LINES, NOW)
        assert not await deliverer.flush()
    assert len(heard.sandbox.outbox) == 1


async def test_left_running_it_posts_by_itself(heard: Heard) -> None:
    """What happens at the shop leaves without anybody asking for it."""
    posted = asyncio.Event()

    def hear(_request: httpx.Request) -> httpx.Response:
        posted.set()
        return httpx.Response(200)

    async with httpx.AsyncClient(transport=httpx.MockTransport(hear)) as http:
        running = asyncio.create_task(heard.sandbox.deliver_with(http).run())
        heard.deeds.open_checkout(LINES, NOW)
        await asyncio.wait_for(posted.wait(), 5)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
