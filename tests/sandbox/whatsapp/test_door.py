"""Meta and the shop's staff act through the door, and the product's own parser reads what follows."""

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import httpx
import pytest

from providers.whatsapp.updates import (
    AccountUpdate,
    CapabilityUpdate,
    Echo,
    NumberChanged,
    PhoneQualityUpdate,
    Restriction,
    TemplateCategoryUpdate,
    TemplateQualityUpdate,
    TemplateStatusUpdate,
    Update,
)
from providers.whatsapp.webhooks import SIGNATURE_HEADER, parse, verify_signature
from sandbox.whatsapp.announcements import Announcements
from sandbox.whatsapp.cloud import WhatsAppSandbox
from sandbox.whatsapp.sender import WebhookSender

from .conftest import NUMBER, SECRET, START, WABA, VirtualClock, template, text

ADA = "+447700900123"
OF_NUMBER: dict[str, Any] = {"waba_id": WABA, "phone_number_id": NUMBER, "dedupe_key": "", "at": START}
OF_ACCOUNT: dict[str, Any] = {"waba_id": WABA, "phone_number_id": None, "dedupe_key": "", "at": START}
HELLO: dict[str, Any] = {"name": "winback_hello", "language": "pt_BR"}


async def post(graph: httpx.AsyncClient, what: str, **body: Any) -> httpx.Response:
    """Let something happen."""
    return await graph.post(f"http://graph.test/_sandbox/whatsapp/{what}", json=body)


async def heard(sandbox: WhatsAppSandbox, clock: VirtualClock) -> list[Update]:
    """What a gateway is told by the webhooks that are due, their signatures verified."""
    updates: list[Update] = []

    def gateway(request: httpx.Request) -> httpx.Response:
        assert verify_signature(request.content, request.headers[SIGNATURE_HEADER], [SECRET])
        updates.extend(replace(one, dedupe_key="") for one in parse(request.content).updates)
        return httpx.Response(200)

    http = httpx.AsyncClient(transport=httpx.MockTransport(gateway))
    await WebhookSender(sandbox.outbox, http, "http://gateway.test", clock).deliver_due()
    return updates


def account(event: str, **given: Any) -> AccountUpdate:
    """An account update with what is given."""
    usual = {"ban_state": None, "ban_date": None, "restrictions": (), "violation": None}
    return AccountUpdate(**OF_ACCOUNT, event=event, **(usual | given))


BIZ = "RESTRICTED_BIZ_INITIATED_MESSAGING"


@pytest.mark.parametrize(
    ("what", "body", "update"),
    [
        (
            "restriction",
            {},
            account("ACCOUNT_RESTRICTION", restrictions=(Restriction(BIZ, START + timedelta(days=1)),)),
        ),
        (
            "restriction",
            {"type": "RESTRICTED_UTILITY_TEMPLATES", "hours": None},
            account("ACCOUNT_RESTRICTION", restrictions=(Restriction("RESTRICTED_UTILITY_TEMPLATES", None),)),
        ),
        (
            "ban",
            {"state": "SCHEDULE_FOR_DISABLE", "day": "2030-02-09"},
            account("DISABLED_UPDATE", ban_state="SCHEDULE_FOR_DISABLE", ban_date=date(2030, 2, 9)),
        ),
        (
            "ban",
            {"state": "REINSTATE"},
            account("DISABLED_UPDATE", ban_state="REINSTATE", ban_date=START.date()),
        ),
        ("limit", {"max_daily": 250}, CapabilityUpdate(**OF_ACCOUNT, max_daily=250)),
        ("limit", {"max_daily": None}, CapabilityUpdate(**OF_ACCOUNT, max_daily=None)),
        (
            "number-event",
            {"event": "FLAGGED"},
            PhoneQualityUpdate(
                **OF_ACCOUNT, display_phone="+15550000001", event="FLAGGED", limit_told=True, max_daily=None
            ),
        ),
        (
            "template-status",
            HELLO | {"status": "PAUSED"},
            TemplateStatusUpdate(**OF_ACCOUNT, **HELLO, template_id="", event="PAUSED", reason=None),
        ),
        (
            "template-quality",
            HELLO | {"quality": "RED"},
            TemplateQualityUpdate(**OF_ACCOUNT, **HELLO, template_id="", previous="GREEN", new="RED"),
        ),
        (
            "template-category",
            HELLO | {"category": "UTILITY"},
            TemplateCategoryUpdate(
                **OF_ACCOUNT,
                **HELLO,
                template_id="",
                new_category="UTILITY",
                previous_category="MARKETING",
                correct_category=None,
            ),
        ),
        (
            "template-category",
            HELLO | {"category": "UTILITY", "announced": True},
            TemplateCategoryUpdate(
                **OF_ACCOUNT,
                **HELLO,
                template_id="",
                new_category="MARKETING",
                previous_category=None,
                correct_category="UTILITY",
            ),
        ),
        (
            "echo",
            {"phone": ADA, "text": "¡Está en azul!"},
            Echo(**OF_NUMBER, id="", to_phone=ADA, to_user_id=None, kind="text", text="¡Está en azul!"),
        ),
        (
            "number-change",
            {"phone": ADA, "new_phone": "+447700900999"},
            NumberChanged(**OF_NUMBER, id="", old_phone=ADA, new_phone="+447700900999"),
        ),
    ],
)
async def test_what_is_played_is_heard(
    graph: httpx.AsyncClient,
    sandbox: WhatsAppSandbox,
    clock: VirtualClock,
    what: str,
    body: dict[str, Any],
    update: Update,
) -> None:
    """Each act leaves as one signed webhook that says exactly what happened."""
    answer = await post(graph, what, **body)
    assert (answer.status_code, answer.json()) == (200, {"queued": 1})
    (one,) = await heard(sandbox, clock)
    match one:  # the ids are the sandbox's own
        case Echo() | NumberChanged():
            assert one.id.startswith("wamid.")
            one = replace(one, id="")
        case TemplateStatusUpdate() | TemplateQualityUpdate() | TemplateCategoryUpdate():
            known = sandbox.templates.get("winback_hello", "pt_BR")
            assert known is not None
            assert one.template_id == known.id
            one = replace(one, template_id="")
    assert one == update


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        ("earthquake", {}, 404),
        ("template-quality", {"name": "nobody", "quality": "RED"}, 404),
        ("template-status", {"name": "winback_hello", "status": "SLEEPY"}, 400),
        ("restriction", {"hours": -1}, 400),
        ("restriction", {"days": 1}, 400),
        ("limit", {}, 400),
        ("echo", {"phone": "0770", "text": "hi"}, 400),
    ],
)
async def test_what_cannot_be_played_is_refused(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, what: str, body: dict[str, Any], status: int
) -> None:
    """The problem is named without the phone in it, and nothing happens."""
    answer = await post(graph, what, **body)
    assert answer.status_code == status
    assert answer.json()["problems"]
    assert "0770" not in answer.text
    assert len(sandbox.outbox) == 0


async def send(graph: httpx.AsyncClient, body: dict[str, Any]) -> int | None:
    """The Graph error code that a message is refused with; None if it is taken."""
    answer = (await graph.post(f"/{NUMBER}/messages", json=body)).json()
    return answer["error"]["code"] if "error" in answer else None


async def test_a_restricted_account_may_only_answer(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """Business-initiated messages are refused until the restriction ends, answers are not."""
    sandbox.inbound("+447700900124", "hi", clock())
    await post(graph, "restriction", hours=2)
    assert await send(graph, template()) == 368
    assert await send(graph, text(to="+447700900124")) is None
    clock.pass_time(hours=2)
    assert await send(graph, template()) is None


async def test_a_disabled_account_sends_nothing_until_it_is_reinstated(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """A scheduled ban forbids nothing yet, a ban everything."""
    sandbox.inbound("+447700900124", "hi", clock())
    await post(graph, "ban", state="SCHEDULE_FOR_DISABLE")
    assert await send(graph, template()) is None
    await post(graph, "ban", state="DISABLE")
    assert await send(graph, template()) == 131031
    assert await send(graph, text(to="+447700900124")) == 131031
    await post(graph, "ban", state="REINSTATE")
    assert await send(graph, template()) is None


async def test_a_new_limit_counts_and_is_shown(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """The limit that the webhook tells is the one that the number shows and that is kept."""
    await post(graph, "limit", max_daily=2000)
    await post(graph, "number-event")
    limit, number = await heard(sandbox, clock)
    assert isinstance(limit, CapabilityUpdate)
    assert isinstance(number, PhoneQualityUpdate)
    assert limit.max_daily == number.max_daily == sandbox.tier == 2000
    field = "whatsapp_business_manager_messaging_limit"
    assert (await graph.get(f"/{NUMBER}", params={"fields": field})).json()[field] == "TIER_2K"


async def test_whole_bodies_and_statuses_leave_together(
    graph: httpx.AsyncClient, sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """An announcement beside statuses costs neither, and nothing is left or sent twice."""
    await graph.post(f"/{NUMBER}/messages", json=template())
    await post(graph, "echo", phone=ADA, text="one")
    sandbox.outbox.put_body(clock() + timedelta(days=1), Announcements(sandbox).staff_wrote(ADA, "two", clock()))
    kinds = [type(one).__name__ for one in await heard(sandbox, clock)]
    assert sorted(kinds) == ["Echo", "StatusUpdate"]
    clock.pass_time(days=1)
    later = await heard(sandbox, clock)
    assert [one.text for one in later if isinstance(one, Echo)] == ["two"]
    await post(graph, "echo", phone=ADA, text="three")
    assert len(sandbox.due_webhooks(clock())) == 1
    assert await heard(sandbox, clock) == []


def test_people_without_a_phone_are_written_to_and_move_by_user_id(
    sandbox: WhatsAppSandbox, clock: VirtualClock
) -> None:
    """A user id is enough to write to, a repeated text is another message, and a move may bring a new user id."""
    news = Announcements(sandbox)
    ids = set()
    for _ in range(2):
        (one,) = parse(news.staff_wrote(None, "hi", clock(), user_id="GB.1")).updates
        assert isinstance(one, Echo)
        assert (one.to_phone, one.to_user_id) == (None, "GB.1")
        ids.add(one.id)
    assert len(ids) == 2
    (moved,) = parse(news.moved(ADA, "+447700900999", clock(), user_id="GB.1", new_user_id="GB.2")).updates
    assert isinstance(moved, NumberChanged)
    assert (moved.old_user_id, moved.new_user_id) == ("GB.1", "GB.2")
