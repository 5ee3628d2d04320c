"""Half a character, which JSON can write and no database keeps, costs nobody a webhook."""

import json
from typing import Any

import pytest

from tests.gateway.conftest import Door
from tests.worlds import PHONE_NUMBER_ID, WABA

HALF = "\ud83d"


def _order(**changes: Any) -> bytes:
    order = {
        "id": 820982911946154508,
        "created_at": "2026-11-20T10:00:00Z",
        "updated_at": "2026-11-20T10:00:00Z",
        "currency": "USD",
        "current_total_price": "10.00",
        "total_price": "10.00",
        "customer": {"id": 115310627314723954, "first_name": "Ada", "phone": None},
    }
    return json.dumps(order | changes).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"customer": {"id": 1, "first_name": f"Ada {HALF}"}},
        {"financial_status": HALF},
        {"checkout_token": f"a{HALF}"},
        {"discount_codes": [{"code": HALF}]},
        {"phone": HALF},
        {"note": HALF},
    ],
)
async def test_an_order_with_half_a_character_is_taken_or_refused(door: Door, changes: dict[str, Any]) -> None:
    """It never breaks the gateway, whose sender would give up the subscription."""
    assert await door.shopify(_order(**changes)) in (200, 400)


def _message(**changes: Any) -> bytes:
    message = {
        "from": "447700900123",
        "id": "wamid.1",
        "timestamp": "1795000005",
        "type": "text",
        "text": {"body": "x"},
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15550000001", "phone_number_id": PHONE_NUMBER_ID},
        "contacts": [{"wa_id": "447700900123", "profile": {"name": f"Ada {HALF}"}}],
        "messages": [message | {"text": {"body": "x"}} | changes],
    }
    entry = {"id": WABA, "changes": [{"field": "messages", "value": value}]}
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


@pytest.mark.parametrize(
    "changes",
    [{"text": {"body": f"hello {HALF}"}}, {"id": f"wamid.{HALF}"}, {"type": HALF}, {"from_user_id": f"US.{HALF}"}],
)
async def test_a_message_with_half_a_character_is_taken(door: Door, changes: dict[str, Any]) -> None:
    """Meta would repeat it for a week."""
    assert await door.whatsapp(_message(**changes)) == 200
