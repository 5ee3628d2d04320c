"""Every recorded or documented webhook of the reference, with exactly what must come out of it."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from providers.whatsapp.updates import (
    AccountUpdate,
    ButtonReply,
    CapabilityUpdate,
    DeliveryStatus,
    InboundMessage,
    NumberChanged,
    PhoneQualityUpdate,
    ReportedErrors,
    Restriction,
    StatusUpdate,
    TemplateQualityUpdate,
    TemplateStatusUpdate,
    Unrecognised,
    Update,
    UpdateError,
    UserPreference,
)
from providers.whatsapp.webhooks import parse

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "whatsapp_samples"
SAMPLE_FILES = sorted(SAMPLES.glob("wh_*.json")) if SAMPLES.exists() else []
pytestmark = pytest.mark.skipif(not SAMPLE_FILES, reason="the samples are not here")

WABA, NUMBER = "800000000000001", "900000000000001"
ADA, ADA_ID = "+447700900123", "GB.10000000000000000001"
OF_NUMBER: dict[str, Any] = {"waba_id": WABA, "phone_number_id": NUMBER, "dedupe_key": ""}
OF_ACCOUNT: dict[str, Any] = {"waba_id": WABA, "phone_number_id": None, "dedupe_key": ""}


def at(seconds: int) -> datetime:
    """A moment of the samples, in seconds after 1795000000."""
    return datetime.fromtimestamp(1795000000 + seconds, UTC)


def wrote(**given: Any) -> InboundMessage:
    """Ada's message wamid.IN, but for what is given."""
    usual: dict[str, Any] = {
        "kind": "text",
        "id": "wamid.IN",
        "from_phone": ADA,
        "from_user_id": ADA_ID,
        "profile_name": "Ada Test",
        "at": at(3),
        "text": None,
        "button": None,
        "context_id": None,
        "group_id": None,
        "errors": (),
    }
    return InboundMessage(**OF_NUMBER, **(usual | given))


def came(wamid: str, status: DeliveryStatus, seconds: int = 0, **given: Any) -> StatusUpdate:
    """A status of a message to Ada, but for what is given."""
    usual: dict[str, Any] = {
        "callback_data": None,
        "recipient_phone": ADA,
        "recipient_user_id": None,
        "errors": (),
        "pricing_category": None,
        "pricing_type": None,
    }
    return StatusUpdate(**OF_NUMBER, wamid=wamid, status=status, at=at(seconds), **(usual | given))


def failed(code: int, title: str, details: str, callback_data: str | None = "j1:send:01J9ZK3") -> StatusUpdate:
    """The failed message wamid.F."""
    errors = (UpdateError(code, title, details),)
    return came("wamid.F", DeliveryStatus.FAILED, errors=errors, callback_data=callback_data)


def wished(value: str, seconds: int) -> UserPreference:
    """Ada's wish about marketing messages."""
    return UserPreference(
        **OF_NUMBER, phone=ADA, user_id=ADA_ID, category="marketing_messages", value=value, at=at(seconds)
    )


def template(event: str) -> TemplateStatusUpdate:
    """An event of the one template of the samples."""
    return TemplateStatusUpdate(
        **OF_ACCOUNT,
        template_id="700000000000001",
        name="winback_v1",
        language="en",
        event=event,
        reason=None,
        at=at(8),
    )


EXPECTED: dict[str, tuple[Update, ...]] = {
    "wh_account_disabled": (
        AccountUpdate(
            **OF_ACCOUNT,
            event="DISABLED_UPDATE",
            ban_state="SCHEDULE_FOR_DISABLE",
            ban_date=date(2026, 11, 20),
            restrictions=(),
            violation=None,
            at=at(8),
        ),
    ),
    "wh_account_restriction": (
        AccountUpdate(
            **OF_ACCOUNT,
            event="ACCOUNT_RESTRICTION",
            ban_state=None,
            ban_date=None,
            restrictions=(Restriction("RESTRICTED_BIZ_INITIATED_MESSAGING", at(600_000)),),
            violation=None,
            at=at(8),
        ),
    ),
    "wh_batch_mixed": (
        came("wamid.1", DeliveryStatus.SENT),
        came("wamid.2", DeliveryStatus.DELIVERED),
        came("wamid.3", DeliveryStatus.FAILED, errors=(UpdateError(131049, "x", "y"),)),
        wrote(id="wamid.I1", at=at(2), text="hi"),
        Unrecognised(**OF_ACCOUNT, field="some_future_field", raw={"x": 1}),
        came("wamid.1", DeliveryStatus.READ),
    ),
    "wh_capability": (CapabilityUpdate(**OF_ACCOUNT, max_daily=2000, at=at(8)),),
    "wh_delivered_no_pricing": (came("wamid.A", DeliveryStatus.DELIVERED),),
    "wh_failed_130472": (failed(130472, "User's number is part of an experiment", "experiment"),),
    "wh_failed_131026": (failed(131026, "Message undeliverable", "undeliverable"),),
    "wh_failed_131042": (failed(131042, "Business eligibility payment issue", "payment"),),
    "wh_failed_131047": (failed(131047, "Re-engagement message", "window closed"),),
    "wh_failed_131049": (
        failed(131049, "This message was not delivered to maintain healthy ecosystem engagement.", "limit"),
    ),
    "wh_failed_131050": (failed(131050, "Recipient stopped marketing messages", "stopped"),),
    "wh_failed_132015_code_as_string": (
        replace(failed(132015, "Template paused", "held message dropped", None), wamid="wamid.H"),
    ),
    "wh_in_bsuid_only": (wrote(id="wamid.U", from_phone=None, profile_name="A", at=at(4), text="hi"),),
    "wh_in_button_no_context": (
        wrote(kind="button", text="Stop promotions", button=ButtonReply("STOP_PROMO", "Stop promotions")),
    ),
    "wh_in_interactive_button": (
        wrote(kind="interactive", text="Yes", button=ButtonReply("yes", "Yes"), context_id="wamid.A"),
    ),
    "wh_in_number_changed": (
        NumberChanged(**OF_NUMBER, id="wamid.S", old_phone=ADA, new_phone="+447700900999", at=at(5)),
    ),
    "wh_in_template_quick_reply": (
        wrote(
            kind="button",
            text="Stop promotions",
            button=ButtonReply("STOP_PROMO", "Stop promotions"),
            context_id="wamid.A",
        ),
    ),
    "wh_in_text_reply": (wrote(text="STOP", context_id="wamid.A"),),
    "wh_in_timestamp_ms": (wrote(text="x"),),
    "wh_in_unsupported": (wrote(kind="unsupported", errors=(UpdateError(131051, "Message type unknown", "n/a"),)),),
    "wh_out_of_order": (came("wamid.O", DeliveryStatus.READ, 10), came("wamid.O", DeliveryStatus.SENT, 1)),
    "wh_phone_quality": (
        PhoneQualityUpdate(
            **OF_ACCOUNT,
            display_phone="+15550000001",
            event="THROUGHPUT_UPGRADE",
            limit_told=True,
            max_daily=2000,
            at=at(8),
        ),
    ),
    "wh_prefs_resume": (wished("resume", 7),),
    "wh_prefs_stop": (wished("stop", 6),),
    "wh_read_without_delivered": (came("wamid.A", DeliveryStatus.READ, 9),),
    "wh_sent_v24_no_contacts": (
        came(
            "wamid.A",
            DeliveryStatus.SENT,
            callback_data="j1:send:01J9ZK3",
            pricing_category="marketing",
            pricing_type="regular",
        ),
    ),
    "wh_status_bsuid_only": (
        came("wamid.B", DeliveryStatus.DELIVERED, 1, recipient_phone=None, recipient_user_id=ADA_ID),
    ),
    "wh_template_disabled": (template("DISABLED"),),
    "wh_template_paused": (template("PAUSED"),),
    "wh_template_pending_deletion_reason_null": (template("PENDING_DELETION"),),
    "wh_template_quality": (
        TemplateQualityUpdate(
            **OF_ACCOUNT,
            template_id="700000000000001",
            name="winback_v1",
            language="en",
            previous="YELLOW",
            new="RED",
            at=at(8),
        ),
    ),
    "wh_value_errors": (ReportedErrors(**OF_NUMBER, errors=(UpdateError(130429, "Rate limit hit", "x"),)),),
}


def body(path: Path) -> bytes:
    """The webhook in a sample file."""
    return json.dumps(json.loads(path.read_text())["body"]).encode()


def test_no_sample_goes_unasserted() -> None:
    """A sample that is added to the reference needs its updates here."""
    assert {path.stem for path in SAMPLE_FILES} == EXPECTED.keys()


@pytest.mark.parametrize("path", SAMPLE_FILES, ids=lambda path: path.stem)
def test_a_sample_gives_exactly_these_updates(path: Path) -> None:
    """Every update of a sample comes out, whole and in order, each with a key of its own."""
    updates = parse(body(path)).updates
    assert tuple(replace(update, dedupe_key="") for update in updates) == EXPECTED[path.stem]
    assert len({update.dedupe_key for update in updates}) == len(updates)


def test_all_samples_in_one_post_lose_nothing() -> None:
    """What shares a body with others, also with what nobody understands, is read as if it came alone."""
    bodies = [json.loads(body(path)) for path in SAMPLE_FILES]
    raw = json.dumps({"object": bodies[0]["object"], "entry": [one for each in bodies for one in each["entry"]]})
    alone = [update for path in SAMPLE_FILES for update in parse(body(path)).updates]
    assert list(parse(raw.encode()).updates) == alone
