"""Windows, limits, webhooks, faults and the books of the sandbox."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from jsonschema import Draft202012Validator

from models.enums import TemplateStatus
from sandbox.whatsapp.books import AllowedHours, Books
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.faults import (
    DropResponse,
    DuplicateStatuses,
    FailLater,
    Fault,
    Hold,
    LoseStatuses,
    Refuse,
    ReorderStatuses,
    ServerError,
)

from .conftest import NUMBER, START, VirtualClock, make_sandbox, plain_http, template, text

SCHEMA = Path(__file__).parents[4] / "shared" / "reference" / "whatsapp.schema.json"
ADA = "+447700900123"
LATER = timedelta(days=1)


def statuses(bodies: list[bytes]) -> list[dict[str, Any]]:
    """Every status object in the bodies, in order."""
    entries = [entry for body in bodies for entry in json.loads(body)["entry"]]
    return [status for entry in entries for change in entry["changes"] for status in change["value"]["statuses"]]


async def send(http: httpx.AsyncClient, body: dict[str, Any]) -> httpx.Response:
    """Post one message."""
    return await http.post(f"/{NUMBER}/messages", json=body)


async def test_free_text_goes_only_inside_the_window(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """A customer's message opens 24 hours for free text, to the second."""
    assert (await send(graph, text())).status_code == 400
    sandbox.inbound(ADA, "hi", clock())
    clock.pass_time(hours=24, seconds=-1)
    assert (await send(graph, text())).status_code == 200
    clock.pass_time(seconds=1)
    assert (await send(graph, text())).json()["error"]["code"] == 131047


async def test_the_tier_counts_people_reached_in_the_last_day(clock: VirtualClock) -> None:
    """Two recipients fill a tier of two for 24 hours; a known recipient or an open window costs nothing."""
    sandbox = make_sandbox(clock, tier=2)
    async with plain_http(sandbox) as http:
        for phone in ("+447700900001", "+447700900002", "+447700900001"):
            assert (await send(http, template(to=phone))).status_code == 200
            clock.pass_time(hours=1)
        assert (await send(http, template(to="+447700900003"))).json()["error"]["code"] == 131048
        sandbox.inbound("+447700900003", "hi", clock())
        assert (await send(http, template(to="+447700900003"))).status_code == 200
        clock.pass_time(hours=22)  # the second recipient's message is 24 hours old now
        assert (await send(http, template(to="+447700900004"))).status_code == 200
        assert (await send(http, template(to="+447700900005"))).json()["error"]["code"] == 131048


async def test_statuses_tell_a_messages_life_in_order(graph: httpx.AsyncClient, sandbox: WhatsAppSandbox) -> None:
    """Sent at once, delivered within seconds, read by about seven of ten within an hour, with the callback data."""
    for number in range(200):
        await send(graph, template(biz_opaque_callback_data=f"{number}:0:0:1"))
    now = statuses(sandbox.due_webhooks(START))
    assert [status["status"] for status in now] == ["sent"] * 200
    soon = statuses(sandbox.due_webhooks(START + timedelta(seconds=8)))
    assert [status["status"] for status in soon] == ["delivered"] * 200
    assert sorted(status["biz_opaque_callback_data"] for status in soon) == sorted(f"{n}:0:0:1" for n in range(200))
    read = statuses(sandbox.due_webhooks(START + LATER))
    assert {status["status"] for status in read} == {"read"}
    assert 110 < len(read) < 170
    assert sandbox.outbox.next_due is None


async def test_a_body_holds_at_most_the_given_number_of_updates(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox
) -> None:
    """Batches are as large as allowed and no larger."""
    for _ in range(5):
        await send(graph, template())
    sizes = [len(statuses([body])) for body in sandbox.due_webhooks(START, limit=2)]
    assert sizes == [2, 2, 1]


async def test_ids_and_draws_depend_on_the_seed_and_the_message_alone(clock: VirtualClock) -> None:
    """Two runs with one seed agree whatever the order of requests; another seed differs."""

    async def run(seed: int, order: list[int]) -> dict[str, list[tuple[str, str]]]:
        sandbox = make_sandbox(clock, seed=seed)
        async with plain_http(sandbox) as http:
            for number in order:
                await send(http, template(biz_opaque_callback_data=f"{number}:0:0:1"))
        lives: dict[str, list[tuple[str, str]]] = {}
        for status in statuses(sandbox.due_webhooks(START + LATER)):
            lives.setdefault(status["id"], []).append((status["status"], status["timestamp"]))
        return lives

    assert await run(1, [1, 2, 3]) == await run(1, [3, 1, 2])
    assert (await run(1, [1])).keys().isdisjoint(await run(2, [1]))


async def test_the_same_callback_data_twice_gives_two_messages(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox
) -> None:
    """There is no idempotency: a repeated request is a second message, and the books notice."""
    for attempt in (1, 2):
        await send(graph, template(biz_opaque_callback_data=f"1:0:0:{attempt}"))
    await send(graph, template(biz_opaque_callback_data="1:0:1:1"))
    first, second, other = sandbox.books.messages
    assert len({first.wamid, second.wamid, other.wamid}) == 3
    assert sandbox.books.counts() == {"received": 3, "duplicates": 1, "outside_hours": 0, "after_exit": 0}


async def test_faults_meet_the_requests_they_are_scripted_for(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox
) -> None:
    """Refusals, broken answers and error pages come once, in order, with or without the effect."""
    sandbox.faults.for_callback("1:0:0", Refuse(80007, regain_minutes=3))
    sandbox.faults.for_callback("1:0:0", ServerError())
    sandbox.faults.for_callback("1:0:0", DropResponse())
    body = template(biz_opaque_callback_data="1:0:0:1")
    refused = await send(graph, body)
    assert refused.json()["error"]["code"] == 80007
    assert '"estimated_time_to_regain_access":3' in refused.headers["X-Business-Use-Case-Usage"]
    page = await send(graph, body)
    assert (page.status_code, page.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert sandbox.books.received == 0
    with pytest.raises(httpx.ReadError):
        await send(graph, body)
    assert sandbox.books.received == 1
    assert (await send(graph, body)).status_code == 200
    sandbox.faults.for_callback("1", Refuse(131000))
    assert (await send(graph, template(biz_opaque_callback_data="11:0:0:1"))).status_code == 200
    assert (await send(graph, body)).status_code == 500


async def test_statuses_can_fail_double_reverse_be_late_or_be_lost(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox
) -> None:
    """Every oddity of Meta's webhooks can be produced on purpose."""
    faults: list[Fault] = [FailLater(131026), DuplicateStatuses(), ReorderStatuses(), Hold(), LoseStatuses()]
    for number, fault in enumerate(faults):
        sandbox.faults.for_recipient(f"+44770090000{number}", fault)
        answer = await send(graph, template(to=f"+44770090000{number}"))
        held = answer.json()["messages"][0]["message_status"] == "held_for_quality_assessment"
        assert held == isinstance(fault, Hold)
    lives: dict[str, list[str]] = {}
    for status in statuses(sandbox.due_webhooks(START + timedelta(seconds=10))):
        lives.setdefault(status["recipient_id"][-1], []).append(status["status"])
    assert lives["0"] == ["failed"]
    assert lives["1"] == ["sent", "sent", "delivered", "delivered"]
    assert lives["2"] in (["delivered", "sent"], ["read", "delivered"])
    assert lives.keys() == {"0", "1", "2"}
    released = statuses(sandbox.due_webhooks(START + timedelta(minutes=30)))
    assert "sent" in {status["status"] for status in released if status["recipient_id"].endswith("3")}


async def test_marketing_to_someone_who_stopped_it_fails_later(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox
) -> None:
    """WhatsApp accepts the message, then reports 131050, until the customer resumes."""
    sandbox.preference(ADA, "stop", START)
    await send(graph, template())
    (failed,) = statuses(sandbox.due_webhooks(START + LATER))
    assert failed["errors"][0]["code"] == 131050
    sandbox.preference(ADA, "resume", START)
    await send(graph, template())
    assert statuses(sandbox.due_webhooks(START))[0]["status"] == "sent"


async def test_every_webhook_fits_the_specification(graph: httpx.AsyncClient, sandbox: WhatsAppSandbox) -> None:
    """What the sandbox posts validates against Meta's patched specification."""
    if not SCHEMA.exists():
        pytest.skip("the reference is not here")
    sandbox.faults.for_recipient("+447700900001", FailLater(131026))
    await send(graph, template(biz_opaque_callback_data="1:0:0:1"))
    await send(graph, template(to="+447700900001"))
    await send(graph, template(to=None, recipient="GB.10000000000000000001"))
    bodies = [
        *sandbox.due_webhooks(START + LATER),
        sandbox.inbound(ADA, "¡hola!", START, user_id="GB.1", name="Ada", context_id="wamid.A"),
        sandbox.inbound(None, "hi", START, user_id="GB.1"),
        sandbox.inbound_button(ADA, "STOP_PROMO", "Stop", START),
        sandbox.preference(ADA, "stop", START),
        sandbox.set_template_status("winback_pending", "en", TemplateStatus.APPROVED, START),
    ]
    validator = Draft202012Validator({"$ref": "#/$defs/Webhook", **json.loads(SCHEMA.read_text())})
    for body in bodies:
        validator.validate(json.loads(body))
        assert body.isascii()


@pytest.mark.parametrize(
    ("at", "counted"),
    [
        (datetime(2030, 1, 7, 12, 59, 59, tzinfo=UTC), 1),
        (datetime(2030, 1, 7, 13, 0, tzinfo=UTC), 0),
        (datetime(2030, 1, 7, 22, 59, 59, tzinfo=UTC), 0),
        (datetime(2030, 1, 7, 23, 0, tzinfo=UTC), 1),
        (datetime(2030, 1, 12, 15, 0, tzinfo=UTC), 1),
        (datetime(2030, 7, 8, 12, 0, tzinfo=UTC), 0),
    ],
)
async def test_messages_outside_the_local_hours_are_counted(clock: VirtualClock, at: datetime, counted: int) -> None:
    """08:00-18:00 Monday to Friday in New York, half-open, in winter and summer."""
    hours = AllowedHours.parse("08:00-18:00", ZoneInfo("America/New_York"), weekdays=frozenset(range(5)))
    sandbox = make_sandbox(clock, books=Books(hours=hours))
    clock.now = at
    async with plain_http(sandbox) as http:
        await send(http, template())
    assert sandbox.books.outside_hours == counted


def test_hours_may_follow_the_recipient() -> None:
    """A recipient's own zone goes before the store's."""
    hours = AllowedHours.parse(
        "00:00-12:00", ZoneInfo("UTC"), zone_of=lambda phone: ZoneInfo("Asia/Tokyo") if phone == ADA else None
    )
    assert not hours.allow(ADA, START)
    assert hours.allow("+447700900001", START)


def test_a_window_past_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    """Open on Monday from 22:00: Tuesday at 01:00 is inside, Monday at 01:00 is not."""
    hours = AllowedHours.parse("22:00-02:00", ZoneInfo("UTC"), weekdays=frozenset({0}))
    monday = datetime(2030, 1, 7, tzinfo=UTC)
    assert hours.allow(ADA, monday.replace(hour=23))
    assert hours.allow(ADA, monday.replace(day=8, hour=1))
    assert not hours.allow(ADA, monday.replace(hour=1))
    assert not hours.allow(ADA, monday.replace(day=8, hour=2))


@pytest.mark.parametrize("text", ["08:00-08:00", "08:00-25:00", "08:60-10:00", "nine", "24:00-24:00"])
def test_impossible_hours_are_refused(text: str) -> None:
    """A window has two times of day, and they differ."""
    with pytest.raises(ValueError, match=r".+"):
        AllowedHours.parse(text, ZoneInfo("UTC"))


async def test_messages_after_a_told_exit_are_counted(clock: VirtualClock) -> None:
    """From the told moment on, for the recipient or for one enrollment of theirs."""
    sandbox = make_sandbox(clock)
    sandbox.books.told_exit(ADA, START + timedelta(hours=1), enrollment="1")
    sandbox.books.told_exit("+447700900001", START + timedelta(hours=2))
    async with plain_http(sandbox) as http:
        await send(http, template(biz_opaque_callback_data="1:0:0:1"))
        clock.pass_time(hours=1)
        await send(http, template(biz_opaque_callback_data="2:0:0:1"))
        await send(http, template(to="+447700900001", biz_opaque_callback_data="3:0:0:1"))
        assert sandbox.books.after_exit == 0
        await send(http, template(biz_opaque_callback_data="1:1:0:1"))
        assert sandbox.books.after_exit == 1
        clock.pass_time(hours=1)
        await send(http, template(to="+447700900001"))
        assert sandbox.books.after_exit == 2
