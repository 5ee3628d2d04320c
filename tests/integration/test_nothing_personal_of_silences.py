"""Promise 6 for silences and carts: what chats, carts and shops tell us of people stays out of Temporal."""

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from activities import queues, watching
from models.enums import EnrollmentState, ExitReason, HoldReason, StaffRole
from models.journey import AbandonedCart, FollowUp
from models.orchestration import UpkeepInput, UpkeepReport
from models.tables import ChatMessage, Checkout, ConsentWriteBack, Conversation, Enrollment, Send, SendAttempt
from providers.shopify.webhooks import sign
from sandbox.whatsapp.announcements import Announcements
from storage.api_keys import create_key
from storage.watch_queue import due_page
from tests.integration.conftest import OpenStack
from tests.integration.told import everything_told, forms_of
from tests.silences import cart_journey, follow_up
from tests.stack import SECRET, SHOP, Person, Stack
from tests.watching import watch
from workflows.ids import upkeep_workflow_id
from workflows.upkeep import UpkeepWorkflow

NAME = "Zéphyrine"
PLAIN_NAME = "phyrine"
ASKED = "Is the heliotrope samovar still to be had?"
ANSWERED = "It is, for the quokka price."
STOP = "stop"
"""Also a word of our own."""
ECHOED = "We found another samovar in the cellar."
TOOL_ID, MESSAGE_ID = "chat-tool-conversation-xyzzy", "chat-tool-message-plugh"
CONTEXT = {"product": "Marquetry cabinet", "quote": {"number": "Q-784512"}}
CART_TOKEN, CART_ITEM = "checkout-token-of-somebody", "Verdigris teapot"
CART_LINK = "https://checkout.example/recover?key=opensesame"
WRITTEN = {
    "ai": {"mode": "goal", "goal": "Ask about the {context.product|samovar}", "extra": "Mention the ormolu clock"},
    "template": {"name": "follow_up_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"text": "Hello {customer.first_name|there}"},
}
CART_WORDS = "{customer.first_name|friend}, your {checkout.items} is here: {checkout.url}"
CART_NOTE = {"template": "winback_note", "language": "en", "variables": {"1": CART_WORDS}}


class _LostItError(Exception):
    """An exception that quotes what it should not."""


class _Teller:
    """The outside world, which tells us of people."""

    def __init__(self, stack: Stack, key: str) -> None:
        self._stack = stack
        self._key = key
        self.secrets = [NAME, PLAIN_NAME, ASKED, "samovar", "quokka", ECHOED, "cellar", "ormolu", TOOL_ID, MESSAGE_ID]
        self.secrets += ["Marquetry", "Q-784512", CART_TOKEN, CART_ITEM, "Verdigris", CART_LINK, "opensesame"]

    async def person(self) -> Person:
        """A customer with the name that nobody may tell."""
        person = await self._stack.person(first_name=NAME)
        self.secrets += forms_of(person.phone)
        return person

    async def chat(self, person: Person, column: str) -> None:
        """The chat tool tells of a conversation that has been silent for two hours, and of its deal."""
        now, number = self._stack.clock(), len(self._stack.people)
        said = [("customer", ASKED, 3), ("agent", ANSWERED, 2)]
        messages = [
            {
                "id": f"{MESSAGE_ID}-{number}-{author}",
                "author": author,
                "text": text,
                "at": (now - timedelta(hours=hours)).isoformat(),
            }
            for author, text, hours in said
        ]
        await self.tell(person, "context", {"context": CONTEXT})
        await self.tell(person, "column", {"column": column})
        await self.tell(person, "messages", {"customer": {"phone": person.phone}, "messages": messages})

    async def tell(self, person: Person, what: str, body: dict[str, Any]) -> None:
        """One call of the chat tool's."""
        answer = await self._stack.http.post(
            f"{self._stack.urls['gateway']}/api/conversations/{TOOL_ID}-{person.id}/{what}",
            json=body,
            headers={"Authorization": f"Bearer {self._key}"},
        )
        assert answer.status_code == 200, answer.text
        await self._stack.settle()

    async def decide(self, enrollment_id: str) -> None:
        """Somebody reads the text that waits, and lets it go."""
        send = await self._stack.send(enrollment_id)
        self.secrets += [send.free_text or "?"]
        answer = await self._stack.http.post(
            f"{self._stack.urls['gateway']}/api/approvals/{send.id}/approve",
            headers={"Authorization": f"Bearer {self._key}"},
        )
        assert answer.status_code == 200, answer.text

    async def shop(self, topic: str, body: dict[str, Any]) -> None:
        """A webhook of the shop's."""
        raw = json.dumps(body).encode()
        headers = {
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": sign(raw, SECRET),
            "X-Shopify-Shop-Domain": SHOP,
            "X-Shopify-API-Version": "2026-10",
            "X-Shopify-Webhook-Id": topic,
        }
        url = f"{self._stack.urls['gateway']}/webhooks/shopify"
        answer = await self._stack.http.post(url, content=raw, headers=headers)
        assert answer.status_code == 200
        await self._stack.settle()


def _checkout(person: Person, at: datetime) -> dict[str, Any]:
    """A cart that somebody left."""
    return {
        "token": CART_TOKEN,
        "created_at": at.isoformat(),
        "updated_at": at.isoformat(),
        "currency": "USD",
        "total_price": "40.00",
        "abandoned_checkout_url": CART_LINK,
        "line_items": [{"title": CART_ITEM, "quantity": 1}],
        "customer": {"id": person.shop_id, "first_name": NAME, "phone": person.phone},
    }


def _quote_once(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Let the next look of a watch fail in a way that nobody foresaw, quoting a person twice."""

    async def fail(*_: Any, **__: Any) -> Any:
        monkeypatch.setattr(watching, "due_page", due_page)
        raise _LostItError(f"row of {words}") from ValueError(f"cannot read {words}")

    monkeypatch.setattr(watching, "due_page", fail)


async def _entered(stack: Stack, person: Person) -> str:
    """Wait until the customer's silence, or cart, is a journey with a workflow; the enrollment's id."""

    async def there() -> Enrollment | None:
        rows = [one for one in await stack.rows(Enrollment) if one.customer_id == person.id]
        return rows[0] if rows and rows[0].state is not EnrollmentState.STARTING else None

    found: Enrollment = await stack.until(there)
    stack.started.append(found.id)
    return found.id


async def _keep_up(stack: Stack, teller: _Teller) -> None:
    """Begin the store's upkeep, and wait for its first round, which a shop that quotes somebody makes fail once."""
    someone = await teller.person()
    stack.line.answers["/graphql.json"] = httpx.Response(502, text=f"no backend for {NAME} {someone.phone}")
    stack.started.append(upkeep_workflow_id(stack.store.id))
    handle = await stack.client.start_workflow(
        UpkeepWorkflow.run,
        UpkeepInput(store_id=stack.store.id, shop_queue=stack.store.shop_queue, interval=timedelta(hours=1)),
        id=upkeep_workflow_id(stack.store.id),
        task_queue=queues.MAIN,
    )

    async def done() -> UpkeepReport | None:
        return await handle.query(UpkeepWorkflow.report)

    await stack.until(done)


async def _live_silences(stack: Stack, teller: _Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two follow-ups: one written and refused, then stopped; one read by staff, interrupted, moved away."""
    chatty, slow = await teller.person(), await teller.person()
    await teller.chat(chatty, "quoted")
    await teller.chat(slow, "proposed")
    _quote_once(monkeypatch, f"{chatty.phone} {NAME} {ASKED} {CONTEXT}")
    graph = {"message": f"cannot send to {chatty.phone}", "code": 131056, "error_data": {"details": f"{NAME}: {ASKED}"}}
    stack.line.answers["/messages"] = httpx.Response(400, json={"error": graph})
    await watch(stack, _follow_up("quoted-ones", "quoted"))
    await watch(stack, _follow_up("proposed-ones", "proposed", sending={"approval": "required"}))
    stopped = await _entered(stack, chatty)
    await stack.waits(stopped, 1)
    teller.secrets += [(await stack.send(stopped)).free_text or "?"]
    read = await _entered(stack, slow)
    await stack.holds(read, HoldReason.APPROVAL)
    await stack.post(Announcements(stack.whatsapp).staff_wrote(slow.phone, ECHOED, stack.clock()))
    await teller.decide(read)
    await stack.waits(read, 0)
    await teller.tell(slow, "column", {"column": "lost"})
    assert await stack.ends(read) is ExitReason.MOVED_COLUMN
    await stack.write(chatty, STOP)
    assert await stack.ends(stopped) is ExitReason.UNSUBSCRIBED
    await stack.until(lambda: _shop_knows(stack))


async def _shop_knows(stack: Stack) -> bool:
    (row,) = await stack.rows(ConsentWriteBack)
    return row.settled_at is not None


async def _live_carts(stack: Stack, teller: _Teller) -> None:
    """A cart that is answered, whose owner is then erased while in the journey, chat and all."""
    person = await teller.person()
    await teller.chat(person, "sold")
    await teller.shop("checkouts/create", _checkout(person, stack.clock() - timedelta(hours=3)))
    await watch(stack, _cart())
    enrollment = await _entered(stack, person)
    await stack.waits(enrollment, 1)
    assert any(CART_LINK in str(one.parameters) for one in await stack.rows(Send, enrollment_id=enrollment))
    assert [one.token for one in await stack.rows(Checkout)] == [CART_TOKEN]
    redacted = {"shop_id": 1, "shop_domain": SHOP, "customer": {"id": person.shop_id, "phone": person.phone}}
    await teller.shop("customers/redact", redacted)
    assert await stack.ends(enrollment) is ExitReason.DATA_ERASED


def _follow_up(name: str, column: str, **changes: Any) -> FollowUp:
    return follow_up(name=name, column=column, every="1h", times=2, message=WRITTEN, **changes)


def _cart() -> AbandonedCart:
    return cart_journey(stages=[{"after": after, "message": CART_NOTE} for after in ("0m", "24h")])


async def test_temporal_is_told_of_nobody_who_was_silent(
    open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No phone, name, text, deal, link, token or chat tool's id in any workflow's history, failure, attribute or id."""
    async with open_stack() as stack:
        since = stack.clock()
        async with stack.database.write() as session:
            _, key = await create_key(session, stack.store.id, name="t", role=StaffRole.MARKETER, now=since)
        teller = _Teller(stack, key)
        await _keep_up(stack, teller)
        await _live_silences(stack, teller, monkeypatch)
        chats = await stack.rows(ChatMessage)
        teller.secrets += [one.wamid for one in chats if one.wamid]
        teller.secrets += [one.text for one in chats if one.text not in (None, STOP)]
        teller.secrets += [one.wamid for one in await stack.rows(SendAttempt) if one.wamid]
        # The words were there to be told.
        texts = [one.text for one in chats]
        assert {ASKED, ANSWERED, ECHOED} <= set(texts)
        assert [one.context for one in await stack.rows(Conversation)] == [CONTEXT] * 2
        await _live_carts(stack, teller)

        told = await everything_told(stack, since)
        assert set(told) == {"JourneyWorkflow", "WatchWorkflow", "UpkeepWorkflow"}
        assert "_LostItError" in told["WatchWorkflow"]
        assert "whatsapp send" in told["JourneyWorkflow"]
        assert "HTTP 502" in told["UpkeepWorkflow"]
        assert "data_erased" in told["JourneyWorkflow"]
        everything = "\n".join(told.values()).casefold()
        assert [word for word in teller.secrets if word.casefold() in everything] == []
