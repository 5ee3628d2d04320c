"""Whole launches without Temporal: the real steps of a selection against the sandbox's shop, on a clock that stands."""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx

from activities.entering import Entering
from activities.selection import Selection
from activities.services import Services
from models.enums import ConsentState, JourneyState, LaunchState
from models.journey import WinBack
from models.tables import Customer, Enrollment, Journey, Launch, LaunchCandidate, Paced
from providers.shopify.client import ShopifyClient
from providers.shopify.records import ShopAccess
from providers.whatsapp.client import WhatsAppClient
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from storage.engine import Database
from storage.launches import open_launch
from storage.publishing import publish
from storage.secrets import Cipher, new_key
from storage.stores import required_id
from tests.around.names import SALT
from tests.nobody import nobodys_temporal
from tests.worlds import NOON, SHOP, World

ZONE = "Europe/London"
_TOKEN = "token"
_ENDPOINT = "http://shop"


def drawn(journey: str, customer: int, percent: int) -> bool:
    """Whether the holdout's draw takes a customer, computed anew from what the documentation says of it."""
    key = hmac.digest(bytes.fromhex(SALT), b"holdout", hashlib.sha256)
    draw = hmac.digest(key, f"{len(journey)}:{journey}{customer}".encode(), hashlib.sha256)
    return int.from_bytes(draw[:8], "big") / 2**64 < percent / 100


def win_back(
    *, control_percent: int = 0, max_per_day: int = 1000, audience: dict[str, Any] | None = None, **sending: Any
) -> WinBack:
    """A journey of one message, always open."""
    message = {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}
    return WinBack.model_validate(
        {
            "name": "quiet",
            "kind": "win_back",
            "audience": {"inactive_days": 60, "control_percent": control_percent, **(audience or {})},
            "stages": [{"after": "0d", "message": message}],
            "sending": {"hours": "00:00-24:00", "max_per_day": max_per_day, **sending},
        }
    )


@dataclass
class Selecting:
    """A store whose shop is the sandbox's."""

    world: World
    shopify: ShopifySandbox
    shop: ShopState
    services: Services
    journey_id: int = field(default=0)

    @property
    def access(self) -> ShopAccess:
        """The door of the shop."""
        return ShopAccess(SHOP, _TOKEN, _ENDPOINT)

    def customer(self, number: int, *, silent_days: float = 90, phone: str | None = "", **values: Any) -> None:
        """Somebody whose last order was so long ago."""
        now = self.world.now
        written = f"+447700{900000 + number:06d}" if phone == "" else phone
        options: dict[str, Any] = {
            "consent": ConsentState.SUBSCRIBED,
            "consent_updated_at": now - timedelta(days=900),
        } | values
        self.shop.put_customer(CustomerRecord(number, first_name="Ada", phone=written, **options))
        self.order(number, silent_days=silent_days)

    def order(self, customer: int, *, silent_days: float = 0) -> None:
        """An order of so long ago."""
        at = self.world.now - timedelta(days=silent_days)
        number = len(self.shop.orders) + 1
        self.shop.put_order(OrderRecord(number, customer, at, Decimal(42), "USD"))

    async def open(self, definition: WinBack, *, limit: int | None = None, only_new: bool = False) -> int:
        """A launch that has not begun."""
        async with self.world.database.write() as session:
            journey, version = await publish(session, self.world.store_id, definition, now=self.world.now)
            journey.state = JourneyState.ACTIVE
            self.journey_id = required_id(journey.id)
            launch = await open_launch(
                session,
                store_id=self.world.store_id,
                journey_id=self.journey_id,
                version_id=required_id(version.id),
                limit=limit,
                only_new=only_new,
                now=self.world.now,
            )
            return required_id(launch.id)

    async def select(self, launch_id: int) -> None:
        """Read the shop, ask the rules, give days."""
        selection, cursor = Selection(self.services), None
        while True:
            cursor = (await selection.select_page(launch_id, cursor, now=self.world.now)).cursor
            if cursor is None:
                break
        while await selection.judge_page(launch_id, now=self.world.now):
            pass
        await selection.rank(launch_id, now=self.world.now)

    async def enroll(self, launch_id: int) -> None:
        """Enroll, hold out or pace everybody who was selected."""
        assert await Selection(self.services).begin(launch_id)
        entering = Entering(self.services)
        while await entering.enroll_page(launch_id, now=self.world.now):
            pass
        await entering.finish(launch_id, now=self.world.now)
        assert (await self.world.one(Launch, launch_id)).state is LaunchState.DONE

    async def launch(self, definition: WinBack, *, limit: int | None = None, only_new: bool = False) -> int:
        """A whole launch; its id."""
        launch_id = await self.open(definition, limit=limit, only_new=only_new)
        await self.select(launch_id)
        await self.enroll(launch_id)
        return launch_id

    async def put(self, state: JourneyState) -> None:
        """Pause the journey, say."""
        async with self.world.database.write() as session:
            (await session.get_one(Journey, self.journey_id)).state = state

    async def pass_days(self, days: float) -> None:
        """Let time pass, and let those enter whose day has come."""
        self.world.now += timedelta(days=days)
        entering = Entering(self.services)
        while await entering.enter_paced(self.journey_id, now=self.world.now):
            pass

    async def outcomes(self, launch_id: int) -> dict[int, str | None]:
        """What was decided, by the shop's customer id."""
        names = await self._names()
        rows = [one for one in await self.world.rows(LaunchCandidate) if one.launch_id == launch_id]
        return {names[one.customer_id]: one.outcome for one in rows}

    async def arms(self) -> dict[int, bool]:
        """Who is enrolled, by the shop's customer id, and whether as control."""
        names = await self._names()
        return {names[one.customer_id]: one.control for one in await self.world.rows(Enrollment)}

    async def days(self) -> dict[int, int]:
        """In how many days those who wait enter, by the shop's customer id."""
        names, today = await self._names(), self.world.now.date()
        return {names[one.customer_id]: (one.day - today).days for one in await self.world.rows(Paced)}

    async def _names(self) -> dict[int, int]:
        return {one.id: int(one.external_id or 0) for one in await self.world.rows(Customer)}


async def selecting(database: Database, *, now: datetime = NOON) -> Selecting:
    """A store whose shop is empty, on any database."""
    world = World(database, Cipher([new_key()]), now=now)
    sandbox = ShopifySandbox(world.clock)
    shop = sandbox.add_shop(ShopState(SHOP, token=_TOKEN, secret="secret", time_zone=ZONE))
    await world.add_store(shop_token=_TOKEN, shop_endpoint=_ENDPOINT, salt=SALT, time_zone=ZONE)
    http = httpx.AsyncClient(transport=httpx.ASGITransport(sandbox))
    services = Services(
        database=database,
        cipher=world.cipher,
        whatsapp=WhatsAppClient(http),
        shopify=ShopifyClient(http),
        temporal=nobodys_temporal(),
    )
    return Selecting(world, sandbox, shop, services)
