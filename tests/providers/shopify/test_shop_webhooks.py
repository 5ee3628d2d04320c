"""The app's removal and the three requests of privacy law."""

import pytest

from providers.shopify.shop_webhooks import (
    AppUninstalled,
    ShopRedact,
    parse_customer_redact,
    parse_data_request,
    parse_shop_redact,
    parse_uninstalled,
)
from providers.shopify.webhook_bodies import UnreadableWebhookError


def test_a_removed_app_names_the_shop() -> None:
    """The permanent domain is told where it stands, never a shop's own domain in its place."""
    raw = b'{"id": 5, "domain": "www.example.com", "myshopify_domain": "Demo.myshopify.com"}'
    assert parse_uninstalled(raw) == AppUninstalled(5, "demo.myshopify.com")
    assert parse_uninstalled(b'{"id": 5, "domain": "www.example.com"}').shop_domain is None


def test_a_customer_to_erase_is_not_shown() -> None:
    """Of the person only the number of the account stands in the update's text; orders may be left out."""
    raw = b'{"shop_id": 1, "shop_domain": "d", "customer": {"id": 7, "phone": "+447700900007"}%s}'
    redact = parse_customer_redact(raw % b', "orders_to_redact": [1, 2]')
    assert (redact.customer_id, redact.phone, redact.orders) == (7, "+447700900007", (1, 2))
    assert parse_customer_redact(raw % b"").orders == ()
    request = parse_data_request(raw % b', "data_request": {"id": 3}')
    assert (request.customer_id, request.phone, request.request_id) == (7, "+447700900007", 3)
    assert "7700" not in repr((redact, request))


def test_a_shop_to_erase_is_named() -> None:
    """The domain comes in the form in which it is known; without one nobody can tell whom to erase."""
    assert parse_shop_redact(b'{"shop_id": 1, "shop_domain": "Demo.myshopify.com"}') == ShopRedact(
        1, "demo.myshopify.com"
    )
    with pytest.raises(UnreadableWebhookError, match="shop_domain"):
        parse_shop_redact(b'{"shop_id": 1}')
