"""What the activities work with: handed in once when a worker starts, so that tests can hand in their own.

The language model's client is only named here: its library is a fifth of what a program loads, and most ask no model.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from temporalio import activity
from temporalio.client import Client

from models.tables import Number, Shop
from providers.shopify.client import ShopifyClient
from providers.shopify.records import ShopAccess
from providers.whatsapp.client import WhatsAppClient
from storage.engine import Database
from storage.secrets import Cipher

if TYPE_CHECKING:
    from providers.llm.client import LlmClient
    from providers.mail import MailServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The outside world and the database, as the activities see them.

    Attributes:
        temporal: starts journeys for those who were selected.
        llm: None when no model is configured; then an `ai` stage uses its fallback.
        mail: None when no mail server is configured; then nobody is written to about a store's events.
        unknown_wait: how long a send whose outcome is unknown waits for a status before it is parked.
        raw_retention: how long webhooks are kept as they came in.
        allow_synthetic: whether made-up phone numbers may be messaged; only a simulation says yes.
    """

    database: Database
    cipher: Cipher
    whatsapp: WhatsAppClient
    shopify: ShopifyClient
    temporal: Client
    llm: "LlmClient | None" = None
    mail: "MailServer | None" = None
    unknown_wait: timedelta = field(default=timedelta(minutes=10))
    raw_retention: timedelta = field(default=timedelta(days=30))
    allow_synthetic: bool = False

    def shop_access(self, shop: Shop) -> ShopAccess:
        """How the shop is reached, with its token opened."""
        return ShopAccess(shop_domain=shop.domain, token=self.cipher.decrypt(shop.token_secret), endpoint=shop.endpoint)

    def number_token(self, number: Number) -> str:
        """The number's access token."""
        return self.cipher.decrypt(number.token_secret)


def started_at() -> datetime:
    """The time of an activity: when the server started it, which is virtual in a simulation (promise 7)."""
    return activity.info().started_time
