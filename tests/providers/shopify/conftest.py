"""A shop with a few customers, behind the sandbox, and a client that speaks to it without a socket."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest

from models.enums import ConsentState
from providers.shopify.client import ShopifyClient
from providers.shopify.records import ShopAccess
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState

DOMAIN = "demo.myshopify.com"
NOW = datetime(2030, 6, 3, 9, 0, tzinfo=UTC)


class Shop:
    """The sandbox with one shop in it, a clock to turn, and short ways to fill it."""

    def __init__(self) -> None:
        self.now = NOW
        self.sandbox = ShopifySandbox(lambda: self.now)
        self.state = self.sandbox.add_shop(
            ShopState(DOMAIN, token="shop-token", secret="shop-secret", time_zone="America/New_York")
        )
        self.access = ShopAccess(DOMAIN, "shop-token", endpoint="http://sandbox")

    def customer(self, customer_id: int, *, phone: str | None = "+447700900001") -> None:
        """Add a customer who agreed to marketing."""
        self.state.put_customer(
            CustomerRecord(
                customer_id,
                first_name=f"Customer {customer_id}",
                phone=phone,
                consent=ConsentState.SUBSCRIBED,
                consent_updated_at=NOW - timedelta(days=300),
            )
        )

    def order(
        self,
        order_id: int,
        customer_id: int,
        days_ago: float,
        *,
        test: bool = False,
        cancelled: bool = False,
        codes: tuple[str, ...] = (),
        manual: tuple[str, ...] = (),
    ) -> None:
        """Add an order of 49.90, made so many days before now."""
        created_at = NOW - timedelta(days=days_ago)
        self.state.put_order(
            OrderRecord(
                order_id,
                customer_id,
                created_at,
                Decimal("49.90"),
                "USD",
                test=test,
                cancelled_at=created_at if cancelled else None,
                discount_codes=codes,
                manual_discounts=manual,
            )
        )


@pytest.fixture
def shop() -> Shop:
    """An empty shop."""
    return Shop()


@pytest.fixture
async def client(shop: Shop) -> AsyncIterator[ShopifyClient]:
    """A client without a socket."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.sandbox)) as http:
        yield ShopifyClient(http)
