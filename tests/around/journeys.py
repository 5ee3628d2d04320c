"""The journey that a test runs if it needs no particular one."""

from collections.abc import Mapping
from typing import Any

from models.journey import JourneyDefinition, WinBack

HELLO: dict[str, Any] = {
    "template": "winback_hello",
    "language": "en",
    "variables": {"1": "{customer.first_name|friend}"},
}


def journey(
    *stages: tuple[str, Mapping[str, Any]],
    name: str = "lapsed",
    sending: Mapping[str, Any] | None = None,
    **changes: Any,
) -> JourneyDefinition:
    """A win-back of these (delay, message) stages; without any, one greeting at once. Its hours never close."""
    listed = stages or (("0d", HELLO),)
    return WinBack.model_validate(
        {
            "name": name,
            "kind": "win_back",
            "audience": {"inactive_days": 60},
            "stages": [{"after": after, "message": message} for after, message in listed],
            "sending": {"hours": "00:00-24:00", **(sending or {})},
        }
        | changes
    )
