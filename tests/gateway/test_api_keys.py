"""Who may use the staff API, and how it refuses."""

import hashlib
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.api.guard import MAX_API_BODY
from models.enums import StaffRole
from models.tables import ApiKey
from storage.api_keys import create_key, list_keys, revoke_key
from storage.engine import Database
from tests.gateway.staff import Staff, gateway, make_key, staff_of
from tests.worlds import PHONE, make_world

PROBLEM = "application/problem+json"
ONLY_MARKETERS = [
    "/journeys/lapsed-60-days/pause",
    "/journeys/lapsed-60-days/resume",
    "/journeys/lapsed-60-days/stop",
    "/approvals/1/approve",
    "/approvals/1/reject",
    "/conversations/c-1/messages",
    "/conversations/c-1/column",
    "/conversations/c-1/context",
    "/conversations/c-1/close",
    "/conversations/c-1/reopen",
    "/external-journeys",
    "/external-journeys/end",
]


async def test_a_key_is_kept_as_a_hash_only(staff: Staff) -> None:
    """The database has the part that may be seen and a SHA-256 of the whole, and the key is long enough to be safe."""
    rows = await staff.world.rows(ApiKey)
    assert [row.key_hash for row in rows] == [
        hashlib.sha256(key.encode()).hexdigest() for key in (staff.marketer, staff.support)
    ]
    assert all(row.prefix == staff.marketer[:11] for row in rows[:1])
    assert len(staff.marketer.removeprefix(rows[0].prefix)) > 40


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer rk_", "Basic {key}", "{key}", "Bearer {key}x", "Bearer {other}", "Bearer é"],
)
async def test_without_a_good_key_nothing_is_said(staff: Staff, authorization: str) -> None:
    """No key, half a key, another scheme, a wrong secret behind a right prefix: the same 401 without a detail."""
    other = staff.marketer[:12] + "A" * 43
    value = authorization.format(key=staff.marketer, other=other).encode()
    for method, path in (
        ("GET", "/journeys"),
        ("GET", "/nothing"),
        ("GET", "/a%0Ab"),
        ("GET", ""),
        ("POST", "/customers/lookup"),
    ):
        headers = [(b"Authorization", value)] if value else []
        response = await staff.http.request(method, f"/api{path}", headers=headers, content=b"{")
        assert response.status_code == 401
        assert response.json() == {"type": "about:blank", "title": "Unauthorized", "status": 401}
        assert (response.headers["content-type"], response.headers["www-authenticate"]) == (PROBLEM, "Bearer")


async def test_a_revoked_key_opens_nothing(staff: Staff) -> None:
    """From the moment of its revocation on a key is as good as none."""
    assert await staff.get("/journeys")
    async with staff.world.database.write() as session:
        await revoke_key(session, staff.world.store_id, staff.marketer[:11], now=staff.world.now)
    assert (await staff.ask("GET", "/journeys")).status_code == 401
    assert (await staff.ask("GET", "/journeys", key=staff.support)).status_code == 200


async def test_the_scheme_is_read_in_any_case(staff: Staff) -> None:
    """`bearer` is as good as `Bearer` (RFC 9110)."""
    assert await staff.get("/journeys", headers={"Authorization": f"bearer {staff.support}"})


@pytest.mark.parametrize("path", ONLY_MARKETERS)
async def test_support_may_not_change_journeys(staff: Staff, path: str) -> None:
    """What asks for a marketer is a 403 for support, whatever stands in the body."""
    response = await staff.ask("POST", path, {}, key=staff.support)
    assert (response.status_code, response.headers["content-type"]) == (403, PROBLEM)
    assert response.json()["detail"] == "this needs a key with the role marketer"


async def test_nothing_of_another_store_is_visible(staff: Staff) -> None:
    """A key of one store finds neither journeys nor customers of another."""
    customer = await staff.world.customer(external_id="77")
    await staff.world.enroll(customer)
    other = await staff.world.add_store("second", phone_number_id="9002", waba_id="8002", shop_domain="b.shop")
    key = await make_key(staff.world, StaffRole.MARKETER, store_id=other)
    assert (await staff.get("/journeys", key=key))["journeys"] == []
    for path in ("/journeys/lapsed-60-days", "/journeys/lapsed-60-days/stats"):
        assert (await staff.ask("GET", path, key=key)).status_code == 404
    for who in ({"phone": PHONE}, {"reference": "77"}):
        assert (await staff.ask("POST", "/customers/lookup", who, key=key)).status_code == 404
    assert (await staff.ask("POST", "/journeys/lapsed-60-days/stop", key=key)).status_code == 404
    assert await staff.world.events() == []


async def test_the_last_use_is_noted_once_a_minute(staff: Staff) -> None:
    """A read must not become a write each time."""
    first = staff.world.now

    async def noted() -> Any:
        return (await staff.world.rows(ApiKey))[0].last_used_at

    for after, seen in ((0, first), (59, first), (60, first + timedelta(seconds=60))):
        staff.world.now = first + timedelta(seconds=after)
        await staff.get("/journeys")
        assert await noted() == seen
    assert (await staff.world.rows(ApiKey))[1].last_used_at is None


async def test_a_long_body_is_not_read(staff: Staff) -> None:
    """Over the limit it is a 413, with a stated length and without one, and only for holders of a key."""

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * (MAX_API_BODY // 4)

    headers = {"Authorization": f"Bearer {staff.marketer}"}
    for content in (chunks(), b" " * (MAX_API_BODY + 1)):
        response = await staff.http.post("/api/customers/lookup", content=content, headers=headers)
        assert (response.status_code, response.headers["content-type"]) == (413, PROBLEM)
    assert (await staff.http.post("/api/customers/lookup", content=chunks())).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"{", b"\xff", b"[" * 100_000, b'{"phone": "\xff"}', b"1" * 5000],
    ids=["cut", "bytes", "deep", "utf8", "long"],
)
async def test_what_is_no_json_is_a_400(staff: Staff, body: bytes) -> None:
    """It is told so, and not repeated."""
    response = await staff.ask("POST", "/customers/lookup", body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.headers["content-type"]) == (400, PROBLEM)
    assert response.json()["detail"] == "the body is no JSON"


async def test_every_fault_of_a_request_is_listed(staff: Staff) -> None:
    """A 422 names each place and what is wrong there, and repeats nothing that was sent."""
    message = {"id": "", "author": "journey", "at": "2026-11-22T12:00:00", "text": "secret\x00", "wamid": "x" * 300}
    response = await staff.ask("POST", "/conversations/c-1/messages", {"messages": [message], "more": "hunter2"})
    assert response.status_code == 422
    assert {one["field"] for one in response.json()["problems"]} == {
        *(f"body.messages.0.{name}" for name in ("id", "at", "text", "wamid")),
        "body.more",
    }
    assert "hunter2" not in response.text
    assert "secret" not in response.text


async def test_a_key_of_half_characters_is_a_422(staff: Staff) -> None:
    """What no text can hold is refused like any other unknown key, not a fault of ours."""
    for body in (b'{"\\ud800": 1, "phone": "1"}', b'{"phone": "\\ud800"}', b'{"phone\\u0000": "x"}'):
        response = await staff.ask("POST", "/customers/lookup", body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.headers["content-type"]) == (422, PROBLEM)


async def test_unknown_addresses_and_methods_are_problems_too(staff: Staff) -> None:
    """Also what no route answers has the one form."""
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("DELETE", "/journeys", 405),
        ("GET", "/journeys/%0A%00", 422),
    ):
        response = await staff.ask(method, path)
        assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM)


async def test_the_database_being_away_is_a_503(staff: Staff) -> None:
    """With and without a key to check: an answer to try again later, and no word of the inside."""
    async with staff.world.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE journey RENAME TO away")
    response = await staff.ask("GET", "/journeys")
    async with staff.world.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE away RENAME TO journey")
        await connection.exec_driver_sql("ALTER TABLE api_key RENAME TO away")
    keyless = await staff.ask("GET", "/journeys")
    async with staff.world.database.engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE away RENAME TO api_key")
    for one in (response, keyless):
        assert (one.status_code, one.headers["content-type"], one.headers["retry-after"]) == (503, PROBLEM, "5")
        assert "journey" not in one.json()["detail"]


async def test_no_key_no_phone_and_no_text_is_logged(staff: Staff, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is asked, the log has neither the key nor what the request was about."""
    caplog.set_level(logging.DEBUG, logger="gateway")
    caplog.set_level(logging.DEBUG, logger="storage")
    await staff.world.customer()
    await staff.post("/customers/lookup", {"phone": PHONE})
    await staff.ask("POST", "/conversations/c-1/messages", {"messages": [{"text": "my secret"}]})
    assert staff.marketer not in caplog.text
    assert PHONE.removeprefix("+") not in caplog.text
    assert "my secret" not in caplog.text


async def test_keys_are_listed_for_their_store(sqlite_database: Database) -> None:
    """Revoked ones stay in the list; another store's are not in it."""
    world = await make_world(sqlite_database)
    other = await world.add_store("second", phone_number_id="9002", waba_id="8002", shop_domain="b.shop")
    async with world.database.write() as session:
        row, _ = await create_key(session, world.store_id, name="one", role=StaffRole.SUPPORT, now=world.now)
        await create_key(session, other, name="two", role=StaffRole.SUPPORT, now=world.now)
        await revoke_key(session, world.store_id, row.prefix, now=world.now)
        await revoke_key(session, world.store_id, row.prefix, now=world.now + timedelta(days=1))
    async with world.database.read() as session:
        listed = await list_keys(session, world.store_id)
    assert [(one.name, one.revoked_at) for one in listed] == [("one", world.now)]


async def test_a_process_without_a_lifespan_serves_the_api(sqlite_database: Database) -> None:
    """The API needs nothing but the database."""
    world = await make_world(sqlite_database)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=gateway(world)), base_url="http://gateway"
    ) as client:
        staff = await staff_of(world, client)
        assert (await staff.get("/journeys"))["store"] == "shop"
