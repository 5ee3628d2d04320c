"""Customers, merges and consent as webhooks show them."""

import json
from datetime import UTC, datetime

import pytest

from models.enums import ConsentState
from providers.shopify.customer_webhooks import (
    parse_customer,
    parse_email_consent,
    parse_merge,
    parse_sms_consent,
    parse_whatsapp_consent,
)
from providers.shopify.webhook_bodies import UnreadableWebhookError

SAID_AT = "2030-06-01T08:00:00-04:00"
AT = datetime(2030, 6, 1, 12, 0, tzinfo=UTC)


def test_a_customer_is_read_without_being_shown() -> None:
    """Name, number and language come out, the first two unshown; a NUL, which no database takes, is left out."""
    raw = {"id": 7, "first_name": "A\x00na", "phone": "+447700900007", "locale": "pt-BR", "updated_at": SAID_AT}
    update = parse_customer(json.dumps(raw).encode())
    assert (update.id, update.first_name, update.phone, update.locale) == (7, "Ana", "+447700900007", "pt-BR")
    assert update.updated_at == AT
    assert "Ana" not in repr(update)
    assert "7700" not in repr(update)


@pytest.mark.parametrize(
    ("status", "happened"), [("COMPLETED", True), ("completed", True), ("in_progress", False), ("failed", False)]
)
def test_a_merge_has_happened_only_when_it_is_completed(status: str, *, happened: bool) -> None:
    """The same topic tells of merges that are under way or failed."""
    raw = {
        "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/820982911946154508",
        "admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/8",
        "status": status,
    }
    merge = parse_merge(json.dumps(raw).encode())
    assert (merge.kept_id, merge.deleted_id, merge.happened) == (820982911946154508, 8, happened)


def test_a_merge_names_two_customers() -> None:
    """An id that is none is refused, and not quoted."""
    raw = b'{"admin_graphql_api_customer_kept_id": "7", "admin_graphql_api_customer_deleted_id": "x", "status": "a"}'
    with pytest.raises(UnreadableWebhookError) as caught:
        parse_merge(raw)
    assert str(caught.value).endswith("admin_graphql_api_customer_deleted_id, admin_graphql_api_customer_kept_id")


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("subscribed", ConsentState.SUBSCRIBED),
        ("UNSUBSCRIBED", ConsentState.UNSUBSCRIBED),
        ("pending", ConsentState.PENDING),
        ("redacted", ConsentState.REDACTED),
        ("not_subscribed", ConsentState.NEVER_SUBSCRIBED),
        ("never_subscribed", ConsentState.NEVER_SUBSCRIBED),
        ("invalid", ConsentState.NEVER_SUBSCRIBED),
        (None, ConsentState.NEVER_SUBSCRIBED),
    ],
)
def test_the_three_dialects_of_consent_say_the_same(word: str | None, state: ConsentState) -> None:
    """Whatever a topic calls its fields, the same facts come out, and a word that we do not know permits nothing."""
    whatsapp = {
        "customer_id": 7,
        "phone_number": "+447700900007",
        "whats_app_marketing_consent": {"state": word, "updated_at": SAID_AT},
    }
    sms = {"id": 7, "phone": "+447700900007", "sms_marketing_consent": {"state": word, "consent_updated_at": SAID_AT}}
    email = {
        "customer_id": 7,
        "email_address": "ana@example.com",
        "email_marketing_consent": {"state": word, "consent_updated_at": SAID_AT},
    }
    updates = [
        parse_whatsapp_consent(json.dumps(whatsapp).encode()),
        parse_sms_consent(json.dumps(sms).encode()),
        parse_email_consent(json.dumps(email).encode()),
    ]
    assert [one.channel for one in updates] == ["whatsapp", "sms", "email"]
    assert {(one.customer_id, one.state, one.at) for one in updates} == {(7, state, AT)}
    assert [one.phone for one in updates] == ["+447700900007", "+447700900007", None]
    assert "7700" not in repr(updates)


def test_one_channels_consent_is_not_anothers() -> None:
    """A body of another consent topic is refused, so that no consent is counted for the wrong channel."""
    sms = json.dumps({"id": 7, "phone": None, "sms_marketing_consent": {"state": "subscribed"}}).encode()
    for other in (parse_whatsapp_consent, parse_email_consent):
        with pytest.raises(UnreadableWebhookError):
            other(sms)
