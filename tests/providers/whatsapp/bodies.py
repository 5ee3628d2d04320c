"""Webhook bodies as the tests of the parser write them."""

import json
from typing import Any

from providers.whatsapp.updates import Update
from providers.whatsapp.webhooks import parse

METADATA = {"display_phone_number": "15550000001", "phone_number_id": "900000000000001"}
SENT_AT = 1795000008


def webhook(field: str, *, time: int | None = None, **pieces: Any) -> bytes:
    """A body with one change."""
    entry: dict[str, Any] = {"id": "800000000000001", "changes": [{"field": field, "value": pieces}]}
    if time is not None:
        entry["time"] = time
    return json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()


def messages(**pieces: Any) -> bytes:
    """A body of the `messages` field."""
    return webhook("messages", messaging_product="whatsapp", metadata=METADATA, **pieces)


def only(raw: bytes) -> Update:
    """The single update in a body."""
    (update,) = parse(raw).updates
    return update
