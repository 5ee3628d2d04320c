"""What a chat tool tells of its conversations, in any order and as often as it likes."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.api.requests import MAX_MESSAGES
from models.tables import ChatMessage, Conversation, ConversationRef, Customer, CustomerEvent
from storage.chats import message_key
from tests.gateway.staff import Staff
from tests.worlds import NOON, PHONE, later, text_message, whatsapp_body, whatsapp_headers

ADA = {"phone": "07700 900123"}
PATH = "/conversations/ticket-4711"


def message(number: int, author: str = "agent", *, at: datetime = NOON, **more: Any) -> dict[str, Any]:
    """One message as the tool tells it."""
    return {"id": f"m-{number}", "author": author, "text": f"text {number}", "at": at.isoformat(), **more}


def ago(**span: float) -> datetime:
    """So long before noon."""
    return NOON - timedelta(**span)


async def told(staff: Staff, *messages: dict[str, Any], customer: dict[str, str] | None = ADA, path: str = PATH) -> Any:
    """The answer to these messages."""
    return await staff.post(f"{path}/messages", {"customer": customer, "messages": list(messages)})


async def test_messages_are_taken_once_by_their_id(staff: Staff) -> None:
    """The first call says with whom it is; later ones need not, and a message known already changes nothing."""
    first = await told(staff, message(1, at=ago(hours=2)), message(2, "bot", at=ago(hours=1)))
    assert (first["known"], first["applied"], first["silent_since"]) == (True, 2, "2026-11-22T11:00:00Z")
    again = await told(staff, message(1, at=ago(hours=2)), message(3, "customer", at=ago(minutes=1)), customer=None)
    assert (again["applied"], again["silent_since"]) == (1, None)
    rows = await staff.world.rows(ChatMessage)
    assert [(row.author, row.external_id, row.inbound) for row in rows] == [
        ("agent", "ticket-4711/m-1", False),
        ("bot", "ticket-4711/m-2", False),
        ("customer", "ticket-4711/m-3", True),
    ]
    [customer] = await staff.world.rows(Customer)
    assert (customer.phone, customer.last_inbound_at) == (PHONE, ago(minutes=1))


async def test_one_message_needs_no_list(staff: Staff) -> None:
    """A single message may stand there by itself."""
    found = await staff.post(f"{PATH}/messages", {"customer": ADA, "messages": message(1)})
    assert found["applied"] == 1


async def test_a_new_conversation_needs_its_customer(staff: Staff) -> None:
    """Without one it is a 409 and nothing is kept."""
    response = await staff.ask("POST", f"{PATH}/messages", {"messages": [message(1)]})
    assert response.status_code == 409
    assert await staff.world.rows(ConversationRef) == []


async def test_a_customers_message_is_a_reply(staff: Staff) -> None:
    """It ends the journey that runs, once, whoever else tells of it."""
    enrollment = await staff.world.enroll(await staff.world.customer())
    for _ in range(2):
        await told(staff, message(1, "customer"))
    assert await staff.world.events() == [("customer_replied", "customer_replied")]
    assert await staff.world.intents() == [(enrollment, "customer_replied")]


async def test_a_stop_word_told_by_the_tool_is_a_stop(staff: Staff) -> None:
    """It opts the customer out as it does from WhatsApp itself."""
    customer = await staff.world.customer()
    await staff.world.enroll(customer)
    await told(staff, message(1, "customer", text="STOP"))
    assert (await staff.world.one(Customer, customer)).opt_out_source == "stop_word"
    assert await staff.world.events() == [("unsubscribed", "unsubscribed")]


@pytest.mark.parametrize("tool_first", [True, False])
async def test_a_message_that_whatsapp_tells_of_too_counts_once(staff: Staff, *, tool_first: bool) -> None:
    """With WhatsApp's id the tool's word and the webhook are one message and one reply, in either order."""
    await staff.world.enroll(await staff.world.customer())
    raw = whatsapp_body(messages=[text_message("text 1", "wamid.in")])

    async def by_tool() -> None:
        await told(staff, message(1, "customer", wamid="wamid.in"))

    async def by_webhook() -> None:
        answer = await staff.http.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
        assert answer.status_code == 200

    for tell in (by_tool, by_webhook) if tool_first else (by_webhook, by_tool):
        await tell()
    assert len(await staff.world.rows(ChatMessage)) == 1
    assert len(await staff.world.rows(CustomerEvent)) == 1


async def test_a_tool_may_count_anew_in_each_conversation(staff: Staff) -> None:
    """Two customers' messages with the same id of the tool's are two replies."""
    enrollments = [await staff.world.enroll(await staff.world.customer(f"+44770090012{n}")) for n in (1, 2)]
    for number in (1, 2):
        partner = {"phone": f"+44770090012{number}"}
        await told(staff, message(1, "customer"), customer=partner, path=f"/conversations/c-{number}")
    assert await staff.world.intents() == [(enrollment, "customer_replied") for enrollment in enrollments]


async def test_old_messages_answer_nothing(staff: Staff) -> None:
    """A tool that tells of a whole history does not end a journey that began after it."""
    await staff.world.enroll(await staff.world.customer())
    await told(staff, message(1, "customer", at=ago(days=2)))
    assert await staff.world.events() == []


async def test_an_agents_message_ends_nothing(staff: Staff) -> None:
    """Our side's word begins a silence and is no reply."""
    await staff.world.enroll(await staff.world.customer())
    await told(staff, message(1), message(2, "bot"))
    assert await staff.world.events() == []


async def test_any_order_leaves_the_same_conversation(staff: Staff) -> None:
    """Messages, moves, context and closing, told in every order, leave the same facts."""
    steps: list[tuple[str, dict[str, Any]]] = [
        (
            "messages",
            {"customer": ADA, "messages": [message(1, at=ago(hours=3)), message(2, "customer", at=ago(hours=2))]},
        ),
        ("messages", {"customer": ADA, "messages": [message(3, at=ago(hours=1))]}),
        ("column", {"column": "new", "at": ago(hours=3).isoformat()}),
        ("column", {"column": "quoted", "at": ago(hours=2).isoformat()}),
        ("close", {"at": ago(minutes=30).isoformat()}),
        ("context", {"context": {"product": "scarf"}, "at": ago(hours=1).isoformat()}),
    ]
    found = set()
    orders = list(itertools.permutations(range(len(steps))))[::60]
    for number, order in enumerate(orders):
        path = f"/conversations/c-{number}"
        partner = {"phone": f"+4477009001{number:02}"}
        for position in order:
            verb, body = steps[position]
            if "messages" in body:
                body = {**body, "customer": partner}
            await staff.post(f"{path}/{verb}", body)
    rows = await staff.world.rows(Conversation)
    assert len(rows) == len(orders)
    found = {(row.board_column, row.is_open, row.silent_since, str(row.context)) for row in rows}
    assert len(found) == 1
    last = {message_key(f"c-{number}/m-3") for number in range(len(orders))}
    assert {row.last_spoken_key for row in rows} == last
    assert found.pop()[:3] == ("quoted", False, ago(hours=1))


async def test_what_is_told_before_anybody_says_whose_it_is_waits(staff: Staff) -> None:
    """Column, context and closing wait with the tool's id and take effect with the first message."""
    moved = await staff.post(f"{PATH}/column", {"column": "quoted", "at": ago(hours=2).isoformat()})
    assert (moved["known"], moved["column"], moved["applied"]) == (False, "quoted", 1)
    await staff.post(f"{PATH}/context", {"context": {"size": 42}})
    assert (await staff.post(f"{PATH}/close"))["is_open"] is False
    assert await staff.world.rows(Conversation) == []
    await told(staff, message(1))
    [row] = await staff.world.rows(Conversation)
    assert (row.board_column, row.is_open, row.context) == ("quoted", False, {"size": 42})


async def test_the_newest_change_stands(staff: Staff) -> None:
    """An older move, closing or context that arrives late changes nothing."""
    await told(staff, message(1))
    await staff.post(f"{PATH}/column", {"column": "won", "at": NOON.isoformat()})
    late = await staff.post(f"{PATH}/column", {"column": "quoted", "at": ago(hours=1).isoformat()})
    assert (late["column"], late["applied"]) == ("won", 0)
    await staff.post(f"{PATH}/reopen", {"at": NOON.isoformat()})
    assert (await staff.post(f"{PATH}/close", {"at": ago(hours=1).isoformat()}))["is_open"] is True
    assert (await staff.post(f"{PATH}/column", {"column": None}))["column"] in {None, "won"}


async def test_a_clock_that_is_ahead_counts_as_now(staff: Staff) -> None:
    """A message or a move from the future must not outlast everything that follows."""
    await told(staff, message(1, at=later(days=30)))
    await staff.post(f"{PATH}/column", {"column": "quoted", "at": later(days=30).isoformat()})
    [row] = await staff.world.rows(Conversation)
    assert (row.silent_since, row.column_at) == (NOON, NOON)


async def test_two_ids_may_stand_for_one_chat(staff: Staff) -> None:
    """One ticket after another with the same customer is one WhatsApp chat."""
    await told(staff, message(1))
    await told(staff, message(2), path="/conversations/ticket-4712")
    assert len(await staff.world.rows(Conversation)) == 1
    assert {row.conversation_id for row in await staff.world.rows(ConversationRef)} == {1}


async def test_a_user_id_alone_is_somebody(staff: Staff) -> None:
    """WhatsApp may give no phone."""
    await told(staff, message(1, "customer"), customer={"user_id": "GB.1"})
    assert [(row.phone, row.wa_user_id) for row in await staff.world.rows(Customer)] == [(None, "GB.1")]


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("messages", {"customer": ADA, "messages": []}),
        ("messages", {"customer": ADA, "messages": [message(n) for n in range(MAX_MESSAGES + 1)]}),
        ("messages", {"customer": {}, "messages": [message(1)]}),
        ("messages", {"customer": {"phone": "12"}, "messages": [message(1)]}),
        ("messages", {"customer": ADA, "messages": [message(1) | {"at": 1700000000}]}),
        ("messages", {"customer": ADA, "messages": [message(1) | {"at": "0001-01-01T00:00:00+14:00"}]}),
        ("column", {}),
        ("column", {"column": ""}),
        ("column", {"column": "x" * 81}),
        ("context", {"context": []}),
        ("context", {"context": {"a": "x" * 20_000}}),
        ("context", {"context": {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}}),
        ("context", {"context": {"a\x00": 1}}),
        ("context", {"context": {"a": 10**40}}),
        ("close", {"at": "noon"}),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_what_cannot_be_is_a_422(staff: Staff, verb: str, body: dict[str, Any]) -> None:
    """Too much, too long, too deep, or no moment: refused, and nothing is kept."""
    response = await staff.ask("POST", f"{PATH}/{verb}", body)
    assert (response.status_code, bool(response.json()["problems"])) == (422, True)
    assert await staff.world.rows(ConversationRef) == []


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"1e999", b'"\\ud800"'])
async def test_a_context_fits_every_database(staff: Staff, value: bytes) -> None:
    """What JSON readers disagree about is refused."""
    response = await staff.ask(
        "POST", f"{PATH}/context", b'{"context": {"a": ' + value + b"}}", headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 422


async def test_a_tool_may_count_anew_in_each_ticket_of_one_customer(staff: Staff) -> None:
    """The first message of a second ticket is a message of its own."""
    for number in (1, 2):
        found = await told(staff, message(1, "customer", at=ago(hours=number)), path=f"/conversations/t-{number}")
        assert found["applied"] == 1
    assert len(await staff.world.rows(ChatMessage)) == 2


async def test_another_stores_message_is_left_as_it_is(staff: Staff) -> None:
    """WhatsApp's id of a message of somebody else's chat gives no hold on it."""
    await staff.world.add_store("second", phone_number_id="900000000000002", shop_domain="second.myshopify.com")
    raw = whatsapp_body(number="900000000000002", messages=[text_message("private", "wamid.theirs")])
    assert (await staff.http.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))).status_code == 200
    assert (await told(staff, message(1, wamid="wamid.theirs")))["applied"] == 0
    [row] = await staff.world.rows(ChatMessage)
    assert (row.external_id, row.text) == (None, "private")


@pytest.mark.parametrize(("at", "ends"), [(ago(minutes=30), True), (ago(minutes=90), False)])
async def test_a_reply_told_after_its_follow_up_began_ends_it(staff: Staff, at: datetime, *, ends: bool) -> None:
    """The silence that it answers never was; what was said before our last word answers nothing."""
    await told(staff, message(1, at=ago(hours=1)))
    [chat] = await staff.world.rows(Conversation)
    await staff.world.enroll(chat.customer_id, conversation_id=chat.id)
    await told(staff, message(2, "customer", at=at))
    assert [reason for _, reason in await staff.world.events()] == (["customer_replied"] if ends else [])
