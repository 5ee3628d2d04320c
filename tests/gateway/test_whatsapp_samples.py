"""Every documented WhatsApp webhook, through the real gateway, asserted by what it changes in the database."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from models.enums import AttemptStatus, SendState, TemplateStatus
from models.tables import (
    ChatMessage,
    Conversation,
    Customer,
    CustomerEvent,
    Number,
    SendAttempt,
    SignalIntent,
    Template,
    UnmatchedStatus,
    WebhookUpdate,
)
from tests.gateway.conftest import Door
from tests.worlds import WABA, World

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "whatsapp_samples"
BEFORE = datetime(2026, 11, 1, tzinfo=UTC)
USER = "GB.10000000000000000001"
OUR_WAMIDS = ("wamid.A", "wamid.F", "wamid.H", "wamid.O", "wamid.1", "wamid.2", "wamid.3", "wamid.B")


def at(second: int) -> datetime:
    """So many seconds after the samples' common moment."""
    return datetime.fromtimestamp(1_795_000_000 + second, UTC)


def replied(kind: str = "text", text: str | None = "hi", second: int = 3, **more: Any) -> dict[str, Any]:
    """What a customer's message does."""
    return {
        "chat": [("customer", kind, text)],
        "customer.last_inbound_at": at(second),
        "events": [("customer_replied", "customer_replied", at(second))],
        "signals": ["customer_replied"],
        "spoke": [(at(second), False)],
        **more,
    }


def stopped(kind: str, text: str, **more: Any) -> dict[str, Any]:
    """What a stop word does."""
    return replied(kind, text) | {
        "customer.opted_out_at": at(3),
        "customer.opt_out_source": "stop_word",
        "events": [("unsubscribed", "unsubscribed", at(3))],
        "signals": ["unsubscribed"],
        **more,
    }


def failed(wamid: str, code: int, **more: Any) -> dict[str, Any]:
    """What a failure does."""
    return {"attempts": {wamid: ("failed", code)}, **more}


KNOWN: dict[str, Any] = {"customer.wa_user_id": USER}

EXPECTED: dict[str, dict[str, Any]] = {
    "wh_account_disabled": {"number.account_event_at": at(8)},
    "wh_account_restriction": {
        "number.account_event_at": at(8),
        "number.paused_reason": "account:account_restriction",
        "number.paused_until": datetime.fromtimestamp(1_795_600_000, UTC),
    },
    "wh_batch_mixed": replied(second=2, **KNOWN)
    | {"attempts": {"wamid.1": ("read", None), "wamid.2": ("delivered", None), "wamid.3": ("failed", 131049)}},
    "wh_capability": {"number.daily_limit": 2000, "number.limit_at": at(8)},
    "wh_delivered_no_pricing": {"attempts": {"wamid.A": ("delivered", None)}},
    "wh_failed_130472": failed("wamid.F", 130472),
    "wh_failed_131026": failed("wamid.F", 131026, events=[("stop", "undeliverable", at(0))], signals=["stop"]),
    "wh_failed_131042": failed(
        "wamid.F",
        131042,
        **{"number.paused_reason": "refused:131042", "number.paused_until": at(0) + timedelta(hours=6)},
    ),
    "wh_failed_131047": failed("wamid.F", 131047),
    "wh_failed_131049": failed("wamid.F", 131049),
    "wh_failed_131050": failed(
        "wamid.F",
        131050,
        events=[("unsubscribed", "unsubscribed", at(0))],
        signals=["unsubscribed"],
        **{"customer.opted_out_at": at(0), "customer.opt_out_source": "whatsapp_preference"},
    ),
    "wh_failed_132015_code_as_string": failed("wamid.H", 132015),
    "wh_in_bsuid_only": {
        "chat": [("customer", "text", "hi")],
        "events": [("customer_replied", "customer_replied", at(4))],
        "spoke": [(at(4), False)],
        "strangers": [(None, USER, at(4))],
    },
    "wh_in_button_no_context": stopped("button", "Stop promotions", **KNOWN),
    "wh_in_interactive_button": replied("interactive", "Yes", **KNOWN),
    "wh_in_number_changed": {"customer.phone": "+447700900999"},
    "wh_in_template_quick_reply": stopped("button", "Stop promotions", **KNOWN),
    "wh_in_text_reply": stopped("text", "STOP", **KNOWN),
    "wh_in_timestamp_ms": replied(text="x", **KNOWN),
    "wh_in_unsupported": replied("unsupported", None, **KNOWN),
    "wh_out_of_order": {"attempts": {"wamid.O": ("read", None)}},
    "wh_phone_quality": {"number.daily_limit": 2000, "number.limit_at": at(8)},
    "wh_prefs_resume": KNOWN,
    "wh_prefs_stop": {
        "customer.opted_out_at": at(6),
        "customer.opt_out_source": "whatsapp_preference",
        "events": [("unsubscribed", "unsubscribed", at(6))],
        "signals": ["unsubscribed"],
        **KNOWN,
    },
    "wh_read_without_delivered": {"attempts": {"wamid.A": ("read", None)}},
    "wh_sent_v24_no_contacts": {"attempts": {"wamid.A": ("sent", None)}},
    "wh_status_bsuid_only": {"attempts": {"wamid.B": ("delivered", None)}},
    "wh_template_disabled": {"template.status": "DISABLED"},
    "wh_template_paused": {"template.status": "PAUSED"},
    "wh_template_pending_deletion_reason_null": {"template.status": "PENDING_DELETION"},
    "wh_template_quality": {"template.quality": "RED"},
    "wh_value_errors": {},
}


async def scene(world: World) -> int:
    """A customer in a journey who has got every message that the samples speak of; their id."""
    customer = await world.customer()
    enrollment = await world.enroll(customer)
    for stage, wamid in enumerate(OUR_WAMIDS):
        attempt_id = await world.claim(enrollment, stage, state=SendState.ACCEPTED)
        async with world.database.write() as session:
            attempt = await session.get_one(SendAttempt, attempt_id)
            attempt.wamid, attempt.status = wamid, AttemptStatus.ACCEPTED
    async with world.database.write() as session:
        approved = TemplateStatus.APPROVED
        session.add(Template(waba_id=WABA, name="winback_v1", language="en", status=approved, synced_at=BEFORE))
    return customer


async def facts(world: World, customer_id: int) -> dict[str, Any]:
    """Everything that a WhatsApp webhook may change."""
    [number], [template] = await world.rows(Number), await world.rows(Template)
    customers = await world.rows(Customer)
    [customer] = [one for one in customers if one.id == customer_id]
    attempts = await world.rows(SendAttempt)
    return {
        **{f"customer.{name}": getattr(customer, name) for name in ("phone", "wa_user_id", "opted_out_at")},
        **{f"customer.{name}": getattr(customer, name) for name in ("opt_out_source", "last_inbound_at", "consent")},
        **{f"number.{name}": getattr(number, name) for name in ("paused_reason", "paused_until", "daily_limit")},
        **{f"number.{name}": getattr(number, name) for name in ("limit_at", "account_event_at", "quality")},
        **{f"template.{name}": getattr(template, name) for name in ("status", "category", "quality")},
        "attempts": {one.wamid: (one.status.value, one.error_code) for one in attempts},
        "chat": [(one.author.value, one.kind, one.text) for one in await world.rows(ChatMessage)],
        "events": [(one.kind.value, one.exit_reason, one.occurred_at) for one in await world.rows(CustomerEvent)],
        "signals": [one.signal for one in await world.rows(SignalIntent)],
        "spoke": [(one.last_spoken_at, one.silent_since is not None) for one in await world.rows(Conversation)],
        "strangers": [(one.phone, one.wa_user_id, one.last_inbound_at) for one in customers if one.id != customer_id],
        "unmatched": [one.wamid for one in await world.rows(UnmatchedStatus)],
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What is different; of the attempts only those that are."""
    found = {name: value for name, value in after.items() if value != before[name]}
    if "attempts" in found:
        found["attempts"] = {w: one for w, one in after["attempts"].items() if one != before["attempts"][w]}
    return found


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not here")
@pytest.mark.parametrize("name", EXPECTED)
async def test_every_sample_has_its_effect_and_has_it_once(door: Door, name: str) -> None:
    """A documented webhook changes exactly what it says, and its repetition, alone or in another batch, nothing."""
    customer = await scene(door.world)
    before = await facts(door.world, customer)
    body = json.loads((SAMPLES / f"{name}.json").read_text())["body"]
    assert await door.whatsapp(json.dumps(body).encode()) == 200
    after = await facts(door.world, customer)
    assert changes(before, after) == EXPECTED[name]
    assert await door.whatsapp(json.dumps(body).encode()) == 200
    assert await door.whatsapp(json.dumps(body | {"entry": body["entry"] * 2}).encode()) == 200
    assert await facts(door.world, customer) == after
    assert len(await door.world.rows(WebhookUpdate)) == 2


@pytest.mark.skipif(not SAMPLES.exists(), reason="the reference samples are not here")
def test_no_sample_is_forgotten() -> None:
    """Each documented webhook stands in the table above."""
    assert {path.stem for path in SAMPLES.glob("wh_*.json")} == set(EXPECTED)
