"""Whether the process works, and how much."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import GatewaySettings, create_app
from models.enums import ExitReason
from models.orchestration import ExitNotice
from storage.engine import Database
from storage.events import add_intent
from storage.secrets import Cipher, new_key
from tests.gateway.staff import Staff, gateway, stamp_schema
from tests.worlds import (
    NOON,
    PHONE,
    World,
    later,
    make_world,
    order_body,
    text_message,
    whatsapp_body,
    whatsapp_headers,
)

TOKEN = "a-token-of-length"


def figure(text: str, name: str) -> float:
    """The value of one line of the answer."""
    found = re.search(rf"^{re.escape(name)} ([0-9.e+-]+)$", text, re.MULTILINE)
    assert found is not None, f"{name} is not in:\n{text}"
    return float(found[1])


def caller(world: World, host: str = "10.0.0.7", **settings: Any) -> httpx.AsyncClient:
    """A client at that address."""
    transport = httpx.ASGITransport(app=gateway(world, **settings), client=(host, 1234))
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


@pytest.mark.parametrize(("revision", "status", "word"), [("0001", 503, "older"), ("9999", 200, "newer")])
async def test_ready_says_whether_the_schema_fits(staff: Staff, revision: str, status: int, word: str) -> None:
    """An older schema takes no requests; a newer one does, while a release is rolled out."""
    answer = await staff.http.get("/ready")
    assert (answer.status_code, answer.json()) == (503, {"status": "not ready", "schema": "missing"})
    await stamp_schema(staff.world.database)
    answer = await staff.http.get("/ready")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "schema": "current"})
    await stamp_schema(staff.world.database, revision)
    answer = await staff.http.get("/ready")
    assert (answer.status_code, answer.json()["schema"]) == (status, word)


async def test_webhooks_are_counted_by_source_and_outcome(staff: Staff) -> None:
    """Taken, refused and unreadable ones each have their line, and the answer's time is measured."""
    raw = whatsapp_body(messages=[text_message("hi")])
    for body in (raw, raw, b"{"):
        await staff.http.post("/webhooks/whatsapp", content=body, headers=whatsapp_headers(body))
    await staff.http.post("/webhooks/shopify", content=order_body())
    await staff.get("/journeys")
    text = (await staff.http.get("/metrics")).text
    assert figure(text, 'rekindle_webhooks_total{outcome="taken",source="whatsapp"}') == 2
    assert figure(text, 'rekindle_webhooks_total{outcome="unreadable",source="whatsapp"}') == 1
    assert figure(text, 'rekindle_webhooks_total{outcome="refused",source="shopify"}') == 1
    assert figure(text, 'rekindle_webhook_seconds_count{source="whatsapp"}') == 3
    assert figure(text, 'rekindle_api_requests_total{status="200"}') == 1


async def test_the_backlog_for_temporal_is_shown(staff: Staff) -> None:
    """How many signals wait and how old the oldest is."""
    async with staff.world.database.write() as session:
        notice = ExitNotice(reason=ExitReason.CUSTOMER_REPLIED, at=NOON).model_dump(mode="json")
        for minutes in (0, 5):
            add_intent(session, "enr-1", "customer_replied", notice, now=later(minutes=minutes))
    staff.world.now = later(minutes=6)
    text = (await staff.http.get("/metrics")).text
    assert figure(text, "rekindle_intents_pending") == 2
    assert figure(text, "rekindle_intents_oldest_seconds") == 360
    assert figure(text, "rekindle_database_up") == 1
    assert figure(text, 'rekindle_relay_signals_total{outcome="delivered"}') == 0


async def test_no_label_names_anybody(staff: Staff) -> None:
    """Neither keys nor phones nor what was asked stand in the figures."""
    await staff.world.customer()
    await staff.post("/customers/lookup", {"phone": PHONE})
    await staff.ask("GET", "/journeys/some-name")
    text = (await staff.http.get("/metrics")).text
    assert not any(word in text for word in (staff.marketer[:11], PHONE.removeprefix("+"), "some-name"))


async def test_figures_are_for_private_addresses(sqlite_database: Database) -> None:
    """Without a token nobody from outside sees them, also through a proxy on this machine; with one its bearers do."""
    world = await make_world(sqlite_database)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    async with caller(world) as near, caller(world, "93.184.216.34") as far:
        assert (await near.get("/metrics")).status_code == 200
        assert (await near.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 404
        assert (await far.get("/metrics")).status_code == 404
    async with caller(world, "93.184.216.34", metrics_token=TOKEN) as far:
        assert (await far.get("/metrics", headers=bearer)).status_code == 200
        assert (await far.get("/metrics")).status_code == 404
        assert (await far.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}x"})).status_code == 404


async def test_figures_are_shown_while_the_database_is_away(tmp_path: Path) -> None:
    """Then they say so: that is when somebody looks."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/empty.db")
    app = create_app(database, Cipher([new_key()]), GatewaySettings(), None, lambda: NOON)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert figure(answer.text, "rekindle_database_up") == 0
    await database.close()
