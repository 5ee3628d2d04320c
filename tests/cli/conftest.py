"""The command line with everything real around it: a database file, Temporal, a worker, and the sandbox."""

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities.search_attributes import ALL
from cli.app import main
from composition import connect, services_from, system_clock
from models.enums import ConsentState
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import CustomerRecord, DiscountRecord, OrderRecord, ShopState
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from settings import load_settings
from storage.engine import Database
from storage.secrets import Cipher, new_key
from storage.stores import NewStore, add_store
from tests.around.names import SALT
from tests.databases import new_sqlite_file
from tests.serving import serve
from worker import Fleet

ROOT = Path(__file__).parents[2]
SHOP = "example.myshopify.com"
NUMBER = "900000000000001"
WABA = "800000000000001"


@dataclass
class Answer:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


@dataclass
class Scene:
    """A database file, and the environment of the programs on it."""

    database: Database
    cipher: Cipher
    environment: dict[str, str]
    shop: ShopState = field(default_factory=lambda: ShopState(SHOP, token="shop-token", secret="shop-secret"))
    whatsapp: WhatsAppSandbox | None = None
    capture: "pytest.CaptureFixture[str] | None" = None
    clock: "datetime | None" = None

    async def run(self, *words: str) -> Answer:
        """A command in this process, in a thread with a loop of its own."""
        assert self.capture is not None
        self.capture.readouterr()
        clock = None if self.clock is None else self._clock
        code = await asyncio.to_thread(main, list(words), clock=clock)
        out, err = self.capture.readouterr()
        return Answer(code, out, err)

    async def document(self, *words: str, code: int = 0) -> Any:
        """What a command says with `--json`, once its exit code has been looked at."""
        answer = await self.run(*words, "--json", "--debug")
        assert answer.code == code, answer.err
        return json.loads(answer.out)

    async def rows(self, model: Any) -> list[Any]:
        """Everything in a table, in the order of its keys."""
        async with self.database.read() as session:
            return list(await session.exec(select(model).order_by(*model.__table__.primary_key)))

    def _clock(self) -> datetime:
        assert self.clock is not None
        return self.clock

    async def spawn(self, *words: str, stdin: bytes = b"") -> Answer:
        """A command as a person runs it."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "starter.py"),
            *words,
            env={**os.environ, **self.environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(stdin)
        assert process.returncode is not None
        return Answer(process.returncode, out.decode(), err.decode())

    async def add_store(self, slug: str = "shop", **changes: object) -> int:
        """A store of the sandbox's."""
        options: dict[str, object] = {
            "slug": slug,
            "time_zone": "Europe/London",
            "currency": "USD",
            "languages": ("en",),
            "default_region": "GB",
            "phone_number_id": NUMBER,
            "waba_id": WABA,
            "portfolio_id": None,
            "whatsapp_token": "whatsapp-token",
            "whatsapp_app_secret": "app-secret",
            "whatsapp_verify_token": "verify-token",
            "shop_domain": SHOP,
            "shop_token": "shop-token",
            "shop_webhook_secrets": ("shop-secret",),
            "shop_endpoint": self.environment.get("SANDBOX_SHOP"),
            "salt": SALT,
        }
        async with self.database.write() as session:
            at = datetime(2026, 1, 2, 9, tzinfo=UTC)
            new = NewStore(**(options | changes))  # type: ignore[arg-type]
            store = await add_store(session, new, cipher=self.cipher, now=at)
            assert store.id is not None
            return store.id

    def stored(self) -> bytes:
        """Every byte of the database and its log."""
        file = Path(self.environment["REKINDLE_DATABASE_URL"].partition("///")[2])
        return b"".join(part.read_bytes() for part in file.parent.glob(f"{file.name}*"))

    def customer(self, number: int, *, days_ago: float = 90, consent: ConsentState = ConsentState.SUBSCRIBED) -> None:
        """Somebody at the sandbox's shop whose last order was so long ago."""
        now = system_clock()
        self.shop.put_customer(
            CustomerRecord(
                number,
                first_name=f"Customer {number}",
                phone=f"+447700900{number:03d}",
                consent=consent,
                consent_updated_at=now - timedelta(days=300),
            )
        )
        ordered = now - timedelta(days=days_ago)
        self.shop.put_order(OrderRecord(1000 + number, number, ordered, Decimal("49.90"), "USD"))

    def discount(self, code: str) -> None:
        """A live code."""
        self.shop.put_discount(DiscountRecord(1, code, code, starts_at=system_clock() - timedelta(days=1)))


@pytest.fixture
async def scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Scene]:
    """An empty database; the world cannot be reached."""
    key = new_key()
    environment = {
        "REKINDLE_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/rekindle.db",
        "REKINDLE_SECRET_KEYS": key,
        "REKINDLE_WHATSAPP_BASE_URL": "http://127.0.0.1:9",
        "REKINDLE_GATEWAY_PORT": "9",
        "TEMPORAL_ADDRESS": "127.0.0.1:9",
        "COLUMNS": "160",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    new_sqlite_file(tmp_path / "rekindle.db", stamped=True)
    database = Database(environment["REKINDLE_DATABASE_URL"], throwaway=True)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield Scene(database, Cipher([key]), environment, capture=capsys)
    # A command sends the process's logs to the stderr that it found, which was this test's.
    root.handlers[:], root.level = handlers, level
    await database.close()


@pytest.fixture
async def world(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """The scene with the sandbox around it and one store."""
    shops = ShopifySandbox(system_clock)
    shops.add_shop(scene.shop)
    number = SandboxNumber(Account(WABA, NUMBER, "447700900999"), frozenset({"whatsapp-token"}))
    scene.whatsapp = WhatsAppSandbox(clock=system_clock, numbers=[number], app_secret="app-secret")
    async with serve(shops) as shop_address, serve(WhatsAppApp(scene.whatsapp)) as whatsapp_address:
        scene.environment |= {"REKINDLE_WHATSAPP_BASE_URL": whatsapp_address, "SANDBOX_SHOP": shop_address}
        monkeypatch.setenv("REKINDLE_WHATSAPP_BASE_URL", whatsapp_address)
        await scene.add_store()
        yield scene


@pytest.fixture
async def temporal_server() -> AsyncIterator[WorkflowEnvironment]:
    """A real Temporal server on a free port, new for every test: ids repeat from test to test."""
    binary = Path(sys.executable).parent / "temporal"
    if not binary.exists():
        pytest.skip("no local Temporal server (requirements-dev.txt)")
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(binary), search_attributes=list(ALL), dev_server_log_level="error"
    ) as environment:
        yield environment


@pytest.fixture
async def temporal(temporal_server: WorkflowEnvironment, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Temporal, as the commands' environment names it."""
    address = temporal_server.client.service_client.config.target_host
    scene.environment["TEMPORAL_ADDRESS"] = address
    monkeypatch.setenv("TEMPORAL_ADDRESS", address)
    return await connect()


@pytest.fixture
async def worker(world: Scene, temporal: Client) -> AsyncIterator[None]:
    """A worker for the world's store."""
    async with (
        services_from(load_settings(), world.database, world.cipher, temporal) as services,
        Fleet(temporal, services, limit_rates=False),
    ):
        yield


@pytest.fixture
def journey_file(tmp_path: Path) -> Path:
    """A win-back of two messages, the first of them at once."""
    path = tmp_path / "journey.yaml"
    path.write_text(
        "name: quiet\nkind: win_back\naudience: {inactive_days: 60}\nstages:\n"
        "  - after: 0d\n    message: {template: winback_hello, language: en, variables: {'1': friend}}\n"
        "  - after: 3d\n    message: {template: winback_hello, language: en, variables: {'1': friend}}\n"
        "sending: {hours: '00:00-24:00', time_zone: store}\n"
    )
    return path


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Change a small file, the first place of each text."""
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
