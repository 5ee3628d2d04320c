"""What happens in a simulated conversation reaches the gateway by the way that it would take in life."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from sandbox.chats import Chat, ChatEvent, ChatEventRef, Chats, Deed, Doors, RefusedError
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account

START = datetime(2030, 3, 4, 9, 30, tzinfo=UTC)
PHONE = "+447700900101"
NUMBER = SandboxNumber(Account("800000000000001", "900000000000001", "447700900100"), frozenset({"token"}))


class Gateway:
    """Writes down what it gets, and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take one request."""
        self.got.append((request.url.path, json.loads(request.content)))
        return httpx.Response(self.status)


def events(*deeds: Deed, texts: tuple[str, ...] = ()) -> tuple[ChatEvent, ...]:
    """One event a minute."""
    words = [*texts, *("Hello" for _ in deeds)]
    return tuple(
        ChatEvent(START + timedelta(minutes=n), deed, message_id=f"m{n}", text=words[n], column="won")
        for n, deed in enumerate(deeds)
    )


def world(*happens: ChatEvent) -> tuple[Chats, Gateway, WhatsAppSandbox]:
    """One chat, the gateway that hears of it, and WhatsApp."""
    whatsapp = WhatsAppSandbox(clock=lambda: START, numbers=[NUMBER], app_secret="secret")
    gateway = Gateway()
    doors = Doors(
        http=httpx.AsyncClient(transport=httpx.MockTransport(gateway)),
        whatsapp_url="http://gateway/webhooks/whatsapp",
        api_url="http://gateway/api",
        api_key="rk_key",
    )
    chat = Chat("c-1", PHONE, "Ana", "quoted", {"product": "bike"}, happens)
    return Chats([chat], whatsapp, doors), gateway, whatsapp


async def live(chats: Chats, *places: int) -> None:
    """Let these events happen."""
    for place in places:
        await chats.live(ChatEventRef(chat=0, event=place), START)


async def test_the_card_stands_before_the_first_word_and_that_word_says_whose_it_is() -> None:
    """Column and deal are told first; the tool then names the customer beside WhatsApp's own id, once."""
    chats, gateway, _ = world(*events(Deed.CUSTOMER_WRITES, Deed.AGENT_WRITES))
    await live(chats, 0, 1)
    paths = [path for path, _ in gateway.got]
    tool, whatsapp = "/api/conversations/c-1", "/webhooks/whatsapp"
    assert paths == [f"{tool}/column", f"{tool}/context", whatsapp, f"{tool}/messages", whatsapp]
    inbound = gateway.got[2][1]["entry"][0]["changes"][0]["value"]["messages"][0]
    assert gateway.got[3][1]["customer"] == {"phone": PHONE}
    assert gateway.got[3][1]["messages"][0]["wamid"] == inbound["id"]
    assert gateway.got[4][1]["entry"][0]["changes"][0]["field"] == "smb_message_echoes"


async def test_the_tool_tells_what_whatsapp_does_not() -> None:
    """The bot's words, the card's moves, closing and reopening come by the staff API with their times."""
    chats, gateway, _ = world(*events(Deed.BOT_WRITES, Deed.MOVE, Deed.CLOSE, Deed.REOPEN))
    await live(chats, 0, 1, 2, 3)
    last = [(path.rpartition("/")[2], body) for path, body in gateway.got[2:]]
    assert [what for what, _ in last] == ["messages", "column", "close", "reopen"]
    assert (last[0][1]["messages"][0]["author"], last[1][1]["column"]) == ("bot", "won")
    assert last[3][1] == {"at": "2030-03-04T09:33:00+00:00"}


async def test_an_event_that_happens_twice_is_told_in_the_same_bytes() -> None:
    """An activity that is tried again repeats the message instead of writing another one."""
    chats, gateway, _ = world(*events(Deed.CUSTOMER_WRITES))
    await live(chats, 0, 0)
    first, second = (body for path, body in gateway.got if path == "/webhooks/whatsapp")
    assert first == second


async def test_what_the_gateway_refuses_is_remembered_without_anybodys_words() -> None:
    """The simulation has to end: the text names the conversation, and neither phone nor message."""
    chats, gateway, _ = world(*events(Deed.BOT_WRITES, texts=("secret words",)))
    gateway.status = 422
    with pytest.raises(RefusedError, match=r"refused column of c-1 \(422\)"):
        await live(chats, 0)
    assert str(chats.refused) == "the gateway refused column of c-1 (422)"
    chats, gateway, _ = world(*events(Deed.BOT_WRITES))
    gateway.status = 503
    with pytest.raises(httpx.HTTPStatusError):
        await live(chats, 0)
    assert chats.refused is None


async def test_whoever_writes_ends_only_the_journey_that_wrote_to_them() -> None:
    """After a reply the same journey must be silent, and another may begin; after STOP none may."""
    chats, _, whatsapp = world(*events(Deed.CUSTOMER_WRITES, Deed.CUSTOMER_WRITES, texts=("Hi", " stop ")))

    def send(enrollment: str, stage: int) -> None:
        text = {"body": "Still there?", "preview_url": False}
        body = {"messaging_product": "whatsapp", "to": PHONE, "type": "text", "text": text}
        reply = whatsapp.receive(NUMBER, body | {"biz_opaque_callback_data": f"{enrollment}:{stage}:1:1"})
        assert reply.status == 200

    await live(chats, 0)
    send("enr-1", 1)
    assert whatsapp.books.after_exit == 0
    await live(chats, 0)
    send("enr-2", 1)
    assert whatsapp.books.after_exit == 0
    send("enr-1", 2)
    assert whatsapp.books.after_exit == 1
    await live(chats, 1)
    send("enr-3", 1)
    assert whatsapp.books.after_exit == 2
