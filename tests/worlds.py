"""A store with customers in a journey, for tests of what happens to them."""

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import inspect
from sqlmodel import SQLModel, select

from models.enums import ConsentState, EnrollmentState, SendState
from models.journey import WinBack
from models.tables import Customer, CustomerEvent, Enrollment, Send, SendAttempt, SignalIntent
from storage.customers import lock_customer
from storage.engine import Database
from storage.enrollments import enrollment_facts
from storage.publishing import publish
from storage.secrets import Cipher, new_key
from storage.sends import Draft, claim, ensure_send, save_draft
from storage.stores import NewStore, add_store, number_of, required_id

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
PHONE_NUMBER_ID = "900000000000001"
WABA = "800000000000001"
SHOP = "example.myshopify.com"
APP_SECRET = "app-secret"
SHOP_SECRET = "shop-secret"
VERIFY_TOKEN = "verify-token"
PHONE = "+447700900123"

DEFINITION = WinBack.model_validate(
    {
        "name": "lapsed-60-days",
        "kind": "win_back",
        "audience": {"inactive_days": 60},
        "stages": [
            {"after": "0d", "message": {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}},
            {"after": "3d", "message": {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}},
        ],
    }
)


@dataclass
class World:
    """One store on one database, with a clock that stands still until it is moved."""

    database: Database
    cipher: Cipher
    store_id: int = 0
    number_id: int = 0
    now: datetime = NOON
    _made: int = field(default=0)

    def clock(self) -> datetime:
        """The world's time."""
        return self.now

    async def add_store(self, slug: str = "shop", **changes: Any) -> int:
        """A store; the first one is the world's."""
        options: dict[str, Any] = {
            "slug": slug,
            "time_zone": "Europe/London",
            "currency": "USD",
            "languages": ("en",),
            "default_region": "GB",
            "phone_number_id": PHONE_NUMBER_ID,
            "waba_id": WABA,
            "portfolio_id": None,
            "whatsapp_token": "token",
            "whatsapp_app_secret": APP_SECRET,
            "whatsapp_verify_token": VERIFY_TOKEN,
            "shop_domain": SHOP,
            "shop_token": "token",
            "shop_webhook_secrets": (SHOP_SECRET,),
            # A salt for each store, the same in every run: whom the holdout draws must not depend on the run.
            "salt": hashlib.sha256(slug.encode()).hexdigest(),
        }
        new = NewStore(**(options | changes))
        async with self.database.write() as session:
            store_id = required_id((await add_store(session, new, cipher=self.cipher, now=self.now)).id)
            number = await number_of(session, new.phone_number_id)
        if not self.store_id:
            self.store_id = store_id
            self.number_id = required_id(number.id if number else None)
        return store_id

    async def customer(self, phone: str | None = PHONE, **values: Any) -> int:
        """A customer of the world's store."""
        values = {"store_id": self.store_id, "phone": phone, "consent": ConsentState.SUBSCRIBED} | values
        async with self.database.write() as session:
            customer = Customer(**values)
            session.add(customer)
            await session.flush()
            return required_id(customer.id)

    async def enroll(self, customer_id: int, **values: Any) -> str:
        """An enrollment of that customer, waiting unless told otherwise."""
        self._made += 1
        async with self.database.write() as session:
            journey, version = await publish(session, self.store_id, DEFINITION, now=self.now)
            options: dict[str, Any] = {
                "id": f"enr-{self._made}",
                "store_id": self.store_id,
                "journey_id": required_id(journey.id),
                "version_id": required_id(version.id),
                "customer_id": customer_id,
                "entry_key": f"order-{self._made}",
                "priority": 50,
                "state": EnrollmentState.WAITING,
                "selected_at": self.now,
                "entered_at": self.now,
            }
            enrollment = Enrollment(**(options | values))
            session.add(enrollment)
            return enrollment.id

    async def claim(self, enrollment_id: str, stage: int = 0, *, state: SendState | None = None) -> str:
        """A claimed attempt of a stage's message; its id. `state` overrides where the send stands afterwards."""
        async with self.database.write() as session:
            facts = await enrollment_facts(session, enrollment_id)
            await lock_customer(session, facts.enrollment.customer_id)
            send = await ensure_send(session, facts, stage, 0)
            save_draft(send, Draft("winback_hello", "en", {"1": "you"}), now=self.now)
            claimed = await claim(session, send, number_id=self.number_id, used_template=True, now=self.now)
            assert claimed is not None
            if state is not None:
                send.state = state
            return claimed

    async def rows(self, model: type[SQLModel]) -> list[Any]:
        """Every row of a table."""
        async with self.database.read() as session:
            keys = inspect(model).primary_key
            return list((await session.exec(select(model).order_by(*keys))).all())

    async def one(self, model: type[SQLModel], key: Any) -> Any:
        """The row with that primary key."""
        async with self.database.read() as session:
            return await session.get(model, key)

    async def events(self) -> list[tuple[str, str | None]]:
        """What happened, as kind and exit reason."""
        return [(event.kind.value, event.exit_reason) for event in await self.rows(CustomerEvent)]

    async def intents(self) -> list[tuple[str | None, str]]:
        """Who is to be told what."""
        return [(intent.enrollment_id, intent.signal) for intent in await self.rows(SignalIntent)]

    async def attempt(self, attempt_id: str) -> tuple[SendAttempt, Send]:
        """An attempt and its send."""
        async with self.database.read() as session:
            attempt = await session.get(SendAttempt, attempt_id)
            assert attempt is not None
            send = await session.get(Send, attempt.send_id)
            assert send is not None
            return attempt, send


async def make_world(database: Database) -> World:
    """A world with its store."""
    world = World(database, Cipher([new_key()]))
    await world.add_store()
    return world


def whatsapp_body(field: str = "messages", *, number: str = PHONE_NUMBER_ID, waba: str = WABA, **value: Any) -> bytes:
    """A webhook body with one change."""
    content = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": number}, **value}
    entry = {"id": waba, "changes": [{"field": field, "value": content}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def text_message(text: str, wamid: str = "wamid.in", *, phone: str = PHONE, at: datetime = NOON) -> dict[str, Any]:
    """A customer's text."""
    return {
        "from": phone.removeprefix("+"),
        "id": wamid,
        "timestamp": str(int(at.timestamp())),
        "type": "text",
        "text": {"body": text},
    }


def status(
    word: str, wamid: str = "wamid.out", *, attempt: str | None = None, at: datetime = NOON, code: int | None = None
) -> dict[str, Any]:
    """A status of a message of ours."""
    found: dict[str, Any] = {"id": wamid, "status": word, "timestamp": str(int(at.timestamp())), "recipient_id": "1"}
    if attempt is not None:
        found["biz_opaque_callback_data"] = attempt
    if code is not None:
        found["errors"] = [{"code": code, "title": "x"}]
    return found


def statuses_body(statuses: Sequence[dict[str, Any]]) -> bytes:
    """A webhook body with these statuses."""
    return whatsapp_body(statuses=list(statuses))


def whatsapp_headers(raw: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    """Meta's headers."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()}


def order_body(
    order_id: int = 1001, *, customer_id: int | None = 77, at: datetime = NOON, total: str = "25.00", **values: Any
) -> bytes:
    """An order as Shopify's webhooks show it."""
    order: dict[str, Any] = {
        "id": order_id,
        "created_at": at.isoformat(),
        "updated_at": at.isoformat(),
        "currency": "USD",
        "current_total_price": total,
        "financial_status": "paid",
        "discount_applications": [],
        "customer": {"id": customer_id, "phone": None} if customer_id is not None else None,
    }
    return json.dumps(order | values).encode()


def shopify_headers(
    raw: bytes, *, topic: str = "orders/create", webhook_id: str = "w-1", secret: str = SHOP_SECRET, shop: str = SHOP
) -> dict[str, str]:
    """Shopify's headers."""
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(secret.encode(), raw, hashlib.sha256)).decode(),
        "X-Shopify-Shop-Domain": shop,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": webhook_id,
    }


def later(**span: float) -> datetime:
    """So much after noon."""
    return NOON + timedelta(**span)
