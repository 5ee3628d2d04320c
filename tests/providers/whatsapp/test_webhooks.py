import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers.whatsapp.updates import (
    ButtonReply,
    DeliveryStatus,
    InboundMessage,
    NumberChanged,
    ReportedErrors,
    StatusUpdate,
    TemplateStatusUpdate,
    Unrecognised,
    UpdateError,
    UserPreference,
)
from providers.whatsapp.webhooks import parse, verify_signature

from .bodies import METADATA, messages, only, webhook


def inbound(raw: bytes) -> InboundMessage:
    """The single inbound message in a body."""
    update = only(raw)
    assert isinstance(update, InboundMessage)
    return update


TEXT = {"from": "447700900123", "id": "wamid.IN", "timestamp": "1795000003", "type": "text", "text": {"body": "STOP"}}


def test_a_text_message_is_read_whole() -> None:
    """Sender, name, time, words and the message that it answers are all there."""
    contact = {"profile": {"name": "Ada Test"}, "wa_id": "447700900123", "user_id": "GB.1"}
    update = inbound(messages(contacts=[contact], messages=[TEXT | {"context": {"id": "wamid.A"}}]))
    assert (update.kind, update.id, update.text, update.context_id) == ("text", "wamid.IN", "STOP", "wamid.A")
    assert (update.from_phone, update.from_user_id, update.profile_name) == ("+447700900123", "GB.1", "Ada Test")
    assert (update.waba_id, update.phone_number_id) == ("800000000000001", "900000000000001")
    assert update.at == datetime.fromtimestamp(1795000003, UTC)


def test_a_hidden_phone_stays_absent() -> None:
    """A sender known by user id only has no phone, not an empty one that all such senders would share."""
    piece = {key: value for key, value in TEXT.items() if key != "from"} | {"from_user_id": "GB.1"}
    update = inbound(messages(messages=[piece]))
    assert update.from_phone is None
    assert update.from_user_id == "GB.1"


@pytest.mark.parametrize("stamp", ["1795000003", "1795000003000", 1795000003, 1795000003000])
def test_seconds_and_milliseconds_name_the_same_moment(stamp: str | int) -> None:
    """Meta sends seconds as a string; milliseconds and numbers have been seen."""
    update = inbound(messages(messages=[TEXT | {"timestamp": stamp}]))
    assert update.at == datetime.fromtimestamp(1795000003, UTC)


def test_a_message_without_a_readable_time_takes_the_time_of_receipt() -> None:
    """A reply must not be lost because its timestamp is odd."""
    received = datetime(2030, 1, 2, tzinfo=UTC)
    (update,) = parse(messages(messages=[TEXT | {"timestamp": "soon"}]), received_at=received).updates
    assert isinstance(update, InboundMessage)
    assert update.at == received
    assert isinstance(only(messages(messages=[TEXT | {"timestamp": "soon"}])), Unrecognised)


YES = {"id": "yes", "title": "Yes please"}


@pytest.mark.parametrize(
    "piece",
    [
        {"type": "button", "button": {"payload": "yes", "text": "Yes please"}},
        {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": YES}},
        {"type": "interactive", "interactive": {"type": "list_reply", "list_reply": YES}},
    ],
)
def test_every_kind_of_button_gives_its_payload_and_label(piece: dict[str, Any]) -> None:
    """Template quick replies and interactive buttons look the same to us."""
    update = inbound(messages(messages=[TEXT | piece]))
    assert update.button == ButtonReply(payload="yes", label="Yes please")
    assert update.text == "Yes please"


def test_an_unsupported_message_is_still_a_message() -> None:
    """The customer did something, even if nobody can read it."""
    piece = TEXT | {"type": "unsupported", "errors": [{"code": "131051", "title": "Unknown"}]}
    update = inbound(messages(messages=[piece]))
    assert update.errors == (UpdateError(131051, "Unknown"),)


def test_a_changed_number_is_no_message() -> None:
    """Moving to another phone is not a reply."""
    piece = TEXT | {"type": "system", "system": {"type": "user_changed_number", "wa_id": "447700900999"}}
    update = only(messages(messages=[piece]))
    assert isinstance(update, NumberChanged)
    assert (update.old_phone, update.new_phone) == ("+447700900123", "+447700900999")


STATUS = {"id": "wamid.A", "status": "failed", "timestamp": "1795000000", "recipient_id": "447700900123"}


def test_a_failed_status_is_read_with_its_errors_and_callback_data() -> None:
    """A numeric string counts as a code, and the callback data comes back."""
    errors = [{"code": "132015", "title": "Paused", "error_data": {"details": "dropped"}}, {"code": "x"}]
    update = only(messages(statuses=[STATUS | {"errors": errors, "biz_opaque_callback_data": "1:0:0:1"}]))
    assert isinstance(update, StatusUpdate)
    assert (update.wamid, update.status, update.callback_data) == ("wamid.A", DeliveryStatus.FAILED, "1:0:0:1")
    assert update.recipient_phone == "+447700900123"
    assert update.errors == (UpdateError(132015, "Paused", "dropped"), UpdateError(None))


def test_an_unknown_status_is_kept_beside_its_neighbours() -> None:
    """A new word in one status costs the others nothing."""
    known, unknown = parse(messages(statuses=[STATUS, STATUS | {"status": "teleported"}])).updates
    assert isinstance(known, StatusUpdate)
    assert isinstance(unknown, Unrecognised)
    assert (unknown.field, unknown.raw["status"]) == ("messages.statuses", "teleported")


def test_a_preference_and_a_template_event_are_read() -> None:
    """Stops carry who and when; template events are normalised in case and language."""
    wish = {"wa_id": "447700900123", "category": "marketing_messages", "value": "stop", "timestamp": 1795000006}
    stop = only(webhook("user_preferences", metadata=METADATA, user_preferences=[wish]))
    assert isinstance(stop, UserPreference)
    assert (stop.phone, stop.value, stop.at.timestamp()) == ("+447700900123", "stop", 1795000006)
    news = {"event": "paused", "message_template_id": 7, "message_template_name": "t", "reason": "NONE"}
    paused = only(webhook("message_template_status_update", time=1795000008, **news, message_template_language="en-US"))
    assert isinstance(paused, TemplateStatusUpdate)
    assert (paused.template_id, paused.event, paused.language, paused.reason) == ("7", "PAUSED", "en_US", None)


def test_errors_about_a_number_are_read() -> None:
    """Errors that belong to no message are an update of their own."""
    update = only(messages(errors=[{"code": 130429, "title": "Rate limit hit", "error_data": "slow down"}]))
    assert isinstance(update, ReportedErrors)
    assert update.errors == (UpdateError(130429, "Rate limit hit", "slow down"),)


def test_an_update_has_one_key_however_it_is_delivered() -> None:
    """A redelivery in another batch is recognised; another status of the same message is not the same update."""
    alone = only(messages(statuses=[STATUS]))
    (_, again) = parse(messages(messages=[TEXT], statuses=[STATUS | {"pricing": {"category": "utility"}}])).updates
    read = only(messages(statuses=[STATUS | {"status": "read"}]))
    assert alone.dedupe_key == again.dedupe_key
    assert alone.dedupe_key != read.dedupe_key
    assert "447700900123" not in alone.dedupe_key + only(messages(messages=[TEXT])).dedupe_key


def test_text_that_a_database_cannot_keep_is_repaired() -> None:
    """A zero byte or half a surrogate in one customer's words must not block the whole batch for days."""
    update = inbound(messages(messages=[TEXT | {"text": {"body": "a\x00b\ud800c"}}]))
    assert update.text is not None
    update.text.encode()
    assert "\x00" not in update.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "messages",
    "user_preferences",
    "smb_message_echoes",
    "message_echoes",
    "message_template_status_update",
    "message_template_quality_update",
    "template_category_update",
    "account_update",
    "business_capability_update",
    "phone_number_quality_update",
    "other",
)
WORDS = (
    "1795000000",
    "999999999999",
    "wamid.X",
    "447700900123",
    "sent",
    "text",
    "system",
    "edit",
    "user_changed_number",
    "2026-11-20",
    "November 20, 2026",
    "TIER_2K",
)
# What the pieces of every field are made of, so that the fuzz gets past the first glance at them.
PIECE_KEYS = (
    *("id", "timestamp", "status", "type", "text", "system", "edit", "from", "to", "errors", "context", "pricing"),
    *("wa_id", "user_id", "new_wa_id", "value", "restriction_type", "expiration", "message", "original_message_id"),
)
VALUE_KEYS = (
    *("event", "display_phone_number", "max_daily_conversations_per_business", "new_category", "new_quality_score"),
    *("message_template_id", "message_template_name", "message_template_language", "ban_info", "waba_info"),
)
contents = json_values | st.sampled_from(WORDS)
pieces = st.fixed_dictionaries({}, optional=dict.fromkeys(PIECE_KEYS, contents))
lists_of_pieces = st.lists(pieces, max_size=4) | json_values
value_lists = ("messages", "statuses", "user_preferences", "message_echoes", "restriction_info", "contacts", "errors")
values = st.fixed_dictionaries(
    {},
    optional={
        "metadata": json_values,
        **dict.fromkeys(value_lists, lists_of_pieces),
        **dict.fromkeys(VALUE_KEYS, contents | pieces),
    },
)


@given(field=st.sampled_from(FIELDS) | json_values, value=json_values | values, time=contents)
def test_no_body_makes_the_parser_raise(field: Any, value: Any, time: Any) -> None:
    """Whatever Meta sends, it is read or kept."""
    entry = {"id": "1", "time": time, "changes": [{"field": field, "value": value}]}
    raw = json.dumps({"entry": [entry]}).encode()
    for received_at in (None, datetime(2030, 1, 2, tzinfo=UTC)):
        updates = parse(raw, received_at=received_at).updates
        assert updates
        assert all(update.dedupe_key for update in updates)


@settings(max_examples=25)
@given(junk=st.lists(st.tuples(st.integers(0, 999), st.sampled_from(FIELDS), json_values | pieces), max_size=5))
def test_a_batch_of_a_thousand_keeps_every_good_piece_among_junk(junk: list[tuple[int, str, Any]]) -> None:
    """Junk between the pieces, of any shape, costs none of them, and none changes what another says."""
    noise: dict[int, list[dict[str, Any]]] = {}
    for place, field, value in junk:
        noise.setdefault(place, []).append({"field": field, "value": value})
    changes: list[dict[str, Any]] = []
    for number in range(1000):
        spoiled = noise.get(number, [])
        news = {
            "metadata": METADATA,
            "messages": [TEXT | {"id": f"wamid.good.{number}"}, *(one["value"] for one in spoiled)],
        }
        changes += [*spoiled, {"field": "messages", "value": news}]
    updates = parse(json.dumps({"entry": [{"id": "800000000000001", "changes": changes}]}).encode()).updates
    good = [one for one in updates if isinstance(one, InboundMessage) and one.id.startswith("wamid.good.")]
    assert [one.id for one in good] == [f"wamid.good.{number}" for number in range(1000)]
    assert {(one.text, one.from_phone, one.at.timestamp()) for one in good} == {("STOP", "+447700900123", 1795000003)}


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_raise(raw: bytes) -> None:
    """Bytes that are no JSON come back as one unrecognised body."""
    (update,) = parse(raw).updates
    assert isinstance(update, Unrecognised)


@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"entry":' + b"[" * 900 + b"]" * 900 + b"}", b'{"entry":[7, null]}'])
def test_absurd_bodies_are_kept(raw: bytes) -> None:
    """Depth and nonsense are no reason to fail."""
    assert all(isinstance(update, Unrecognised) for update in parse(raw).updates)


def test_no_depth_makes_the_parser_raise() -> None:
    """There is a depth that can still be read but no longer be written, wherever this machine has it."""
    for depth in range(800, 1000):
        assert parse(b'{"entry":' + b"[" * depth + b"]" * depth + b"}").updates


def sign(raw: bytes, secret: str) -> str:
    """The signature header that Meta would send."""
    return "sha256=" + hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def test_a_signature_of_any_current_secret_counts() -> None:
    """While a secret is rotated both are good."""
    assert verify_signature(b"{}", sign(b"{}", "new"), ["old", "new"])
    assert verify_signature(b"{}", sign(b"{}", "old"), ["old", "new"])


@pytest.mark.parametrize(
    "header", [None, "", "sha256=", "sha1=00", "sha256=é", sign(b"{} ", "s"), sign(b"{}", "other"), sign(b"{}", "")]
)
def test_anything_else_is_refused(header: str | None) -> None:
    """A missing, foreign or malformed signature, another body, or an empty secret is no signature."""
    assert not verify_signature(b"{}", header, ["s", ""])
