"""Promise 6: whatever happens, no history, attribute, id or log line holds a phone, a name or a text."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import structlog

from activities import prepare
from activities.purchases import purchases_of
from models.enums import ExitReason, HoldReason
from models.orchestration import Approval
from models.tables import ChatMessage, Checkout
from observability import configure_logging
from providers.shopify.webhooks import sign
from sandbox.whatsapp.faults import DropResponse
from storage.stores import required_id
from tests.integration.conftest import OpenStack
from tests.integration.told import everything_told
from tests.stack import HELLO, SECRET, SHOP, Person, Stack, journey
from workflows.journey import JourneyWorkflow

NAME = "Zephyrine"
INBOUND = "My parcel smells of marzipan"
CART_LINK = "https://checkout.example/recover?key=opensesame"
CART_ITEM = "Heliotrope teapot"
AI = {
    "ai": {"mode": "goal", "goal": "Mention the quokka enclosure"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


class _LostItError(Exception):
    """An exception that quotes what it should not."""


def _quote(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Let the next question to the shop fail in a way that nobody foresaw, quoting a person twice."""
    asked = purchases_of

    async def fail(*_: Any) -> Any:
        monkeypatch.setattr(prepare, "purchases_of", asked)
        raise _LostItError(f"row of {words}") from ValueError(f"cannot read {words}")

    monkeypatch.setattr(prepare, "purchases_of", fail)


async def _live(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Journeys through every kind of trouble that could tell on somebody; the words that must not be told."""
    secrets = [NAME, INBOUND, "marzipan", "quokka"]
    # A model's text, a failure that quotes, a refusal whose body quotes, and a reply.
    person = await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:]]
    _quote(monkeypatch, f"{person.phone} {NAME} {INBOUND}")
    graph = {"message": f"cannot send to {person.phone}", "code": 131056, "error_data": {"details": f"{NAME} is busy"}}
    stack.line.answers["/messages"] = httpx.Response(400, json={"error": graph})
    enrollment = await stack.begin(journey(("0d", AI), ("3d", HELLO)), person)
    await stack.waits(enrollment, 1)
    secrets += [(await stack.send(enrollment)).free_text or "?"]
    await stack.write(person, INBOUND)
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    # A shop in trouble, and an answer that broke off.
    person = await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:]]
    stack.line.answers["/graphql.json"] = httpx.Response(502, text=f"no backend for {NAME} {person.phone}")
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse())
    enrollment = await stack.begin(journey(name="second"), person)
    await stack.waits(enrollment, 1)
    await stack.write(person, "STOP")
    await stack.ends(enrollment)
    # A request that can never work, and one with a person in between.
    person = await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:]]
    stack.line.answers["/graphql.json"] = httpx.Response(400, text=f"{person.phone} {NAME}")
    enrollment = await stack.begin(journey(name="third"), person)
    assert await stack.ends(enrollment) is ExitReason.FAILED
    enrollment = await stack.begin(journey(name="fourth", sending={"approval": "required"}), person)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    draft = required_id((await stack.send(enrollment)).id)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, Approval(draft_id=draft))
    await stack.waits(enrollment, 1)
    # A cart with a link, a merge of two customers, and a person who is erased.
    person, twin = await stack.person(first_name=NAME), await stack.person(first_name=NAME)
    secrets += [person.phone, person.phone[1:], twin.phone, twin.phone[1:], CART_LINK, CART_ITEM]
    kept = await stack.begin(journey(("0d", HELLO), ("3d", HELLO), name="fifth"), person)
    gone = await stack.begin(journey(("0d", HELLO), ("3d", HELLO), name="sixth"), twin)
    await stack.waits(kept, 1)
    await stack.waits(gone, 1)
    await _post(stack, "checkouts/create", _checkout(twin))
    merged = {
        "admin_graphql_api_customer_kept_id": f"gid://shopify/Customer/{person.shop_id}",
        "admin_graphql_api_customer_deleted_id": f"gid://shopify/Customer/{twin.shop_id}",
        "status": "completed",
    }
    await _post(stack, "customers/merge", merged)
    assert await stack.ends(gone) is ExitReason.CUSTOMER_MERGED
    assert any(CART_ITEM in str(one.items) for one in await stack.rows(Checkout))
    redacted = {"shop_id": 1, "shop_domain": SHOP, "customer": {"id": twin.shop_id, "phone": twin.phone}}
    await _post(stack, "customers/redact", redacted)
    assert await stack.ends(kept) is ExitReason.DATA_ERASED
    return secrets


def _checkout(person: Person) -> dict[str, Any]:
    """A cart that somebody left."""
    return {
        "token": "cart-of-somebody",
        "created_at": "2030-01-01T00:00:00Z",
        "updated_at": "2030-01-01T00:00:00Z",
        "currency": "USD",
        "total_price": "40.00",
        "abandoned_checkout_url": CART_LINK,
        "line_items": [{"title": CART_ITEM, "quantity": 1}],
        "customer": {"id": person.shop_id, "first_name": NAME, "phone": person.phone},
    }


async def _post(stack: Stack, topic: str, body: dict[str, Any]) -> None:
    """A webhook of the shop's."""
    raw = json.dumps(body).encode()
    headers = {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": sign(raw, SECRET),
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": "2026-10",
        "X-Shopify-Webhook-Id": topic,
    }
    answer = await stack.http.post(f"{stack.urls['gateway']}/webhooks/shopify", content=raw, headers=headers)
    assert answer.status_code == 200
    await stack.settle()


async def test_temporal_is_told_of_nobody(open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """No phone, name or text in any history (failures and payloads included), attribute, memo or id."""
    async with open_stack() as stack:
        since = stack.clock()
        secrets = await _live(stack, monkeypatch)
        launch = await stack.launch(journey(name="last"))
        await stack.launched(launch)
        told = "\n".join((await everything_told(stack, since)).values())
        # The words were there to be told, and the failures are told in our own words.
        assert any(INBOUND in (one.text or "") for one in await stack.rows(ChatMessage))
        assert "_LostItError" in told
        assert "whatsapp send" in told
        assert [word for word in secrets if word in told] == []


@pytest.fixture
def plain_logging() -> Iterator[None]:
    """Puts logging back as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("plain_logging")
async def test_the_log_tells_of_nobody(
    open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same troubles, logged at debug level: what was unforeseen is in the log, and no person is."""
    configure_logging("debug", "json")
    async with open_stack() as stack:
        secrets = await _live(stack, monkeypatch)
    logged = "".join(capfd.readouterr())
    assert "_LostItError" in logged
    # Names and texts in an exception's words cannot be told from other words; phones can.
    assert [word for word in secrets if word in logged and word[-9:].isdigit()] == []
