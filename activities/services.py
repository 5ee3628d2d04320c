"""What the activities work with: handed in once when a worker starts, so that tests can hand in their own.

The language model's client is only named here: its library is a fifth of what a program loads, and most ask no model.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from temporalio import activity
from temporalio.client import Client

from models.tables import Number, Shop, Store
from providers.crm import CrmAccess, CrmClient
from providers.outgoing import OutgoingClient
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
        llm_parallel: how many requests a worker has with the model at once.
        mail: None when no mail server is configured; then nobody is written to about a store's events.
        outgoing: reaches addresses that stores have entered.
        crm: asks stores' own CRMs.
        unknown_wait: how long a send whose outcome is unknown waits for a status before it is parked.
        raw_retention: how long webhooks are kept as they came in.
        decision_retention: how long entry decisions are kept that a newer one has followed.
        webhook_patience: how long an endpoint may take nothing before it is disabled.
        allow_synthetic: whether made-up phone numbers may be messaged; only a simulation says yes.
    """

    database: Database
    cipher: Cipher
    whatsapp: WhatsAppClient
    shopify: ShopifyClient
    temporal: Client
    llm: "LlmClient | None" = None
    llm_parallel: int = 20
    mail: "MailServer | None" = None
    outgoing: OutgoingClient = field(default_factory=OutgoingClient)
    crm: CrmClient = field(default_factory=lambda: CrmClient(OutgoingClient(), started_at))
    unknown_wait: timedelta = field(default=timedelta(minutes=10))
    raw_retention: timedelta = field(default=timedelta(days=30))
    decision_retention: timedelta = field(default=timedelta(days=400))
    webhook_patience: timedelta = field(default=timedelta(hours=24))
    allow_synthetic: bool = False

    def shop_access(self, shop: Shop) -> ShopAccess:
        """How the shop is reached, with its token opened."""
        return ShopAccess(shop_domain=shop.domain, token=self.cipher.decrypt(shop.token_secret), endpoint=shop.endpoint)

    def crm_access(self, store: Store) -> CrmAccess | None:
        """Where the store's own CRM is asked, with its secret opened; None for a store that has named none."""
        if store.crm_url is None or store.crm_secret is None:
            return None
        return CrmAccess(url=store.crm_url, secret=self.cipher.decrypt(store.crm_secret))

    def number_token(self, number: Number) -> str:
        """The number's access token."""
        return self.cipher.decrypt(number.token_secret)


def started_at() -> datetime:
    """The time of an activity: when the server started it, which is virtual in a simulation (promise 7)."""
    return activity.info().started_time
