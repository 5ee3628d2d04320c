"""The journeys that are measured: three messages at once, after 60 hours and after 7 days, then a five-day watch.

It is the journey of the peer's measurement (`docs/benchmarks.md`).
"""

from typing import Any

from models.journey import JourneyDefinition, WinBack

_HELLO = {"template": "winback_hello", "language": "en", "variables": {"1": "{customer.first_name|friend}"}}
_NOTE = {"template": "winback_note", "language": "en", "variables": {"1": "We kept your favourites"}}
_WRITTEN = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked; no discount yet"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": _HELLO,
}


def template_journey(*, inactive_days_max: int = 90) -> JourneyDefinition:
    """Three template stages."""
    return _journey("bench-template", [_HELLO, _NOTE, _HELLO], inactive_days_max)


def written_journey() -> JourneyDefinition:
    """Three stages whose texts a model writes."""
    return _journey("bench-written", [_WRITTEN] * 3, 90)


def _journey(name: str, messages: list[dict[str, Any]], inactive_days_max: int) -> JourneyDefinition:
    return WinBack.model_validate(
        {
            "name": name,
            "kind": "win_back",
            "audience": {"inactive_days": 60, "inactive_days_max": inactive_days_max},
            "stages": [
                {"after": after, "message": message}
                for after, message in zip(("0d", "60h", "7d"), messages, strict=True)
            ],
            "sending": {"hours": "00:00-24:00"},
        }
    )
