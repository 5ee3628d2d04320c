"""A journey as its author wrote it, checked field by field; `models.journey_file` reads it from YAML with line numbers.

A definition is immutable once published: its JSON form is stored with the `JourneyVersion` and an enrollment runs to
its end on the version that it entered with. The parts with a subject of their own have modules of their own and are
named here too, so that callers import the whole definition from one place.
"""

import hashlib
import json
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from models.coupon import COUPON_PRESETS, Coupon, FixedCoupon, PersonalCoupon, PresetCoupon
from models.definition import INVALID, Amount, Strict
from models.enums import DEFAULT_PRIORITY, JourneyKind
from models.journey_rules import coupon_findings, refuse
from models.message import AiInstruction, Message, TemplateRef
from models.sending import SendingRules, Weekday
from models.span import Span, Unit

__all__ = [
    "COUPON_PRESETS",
    "KIND_NOT_AVAILABLE",
    "MAX_MESSAGES",
    "AiInstruction",
    "Audience",
    "ConsentRule",
    "Coupon",
    "FixedCoupon",
    "JourneyDefinition",
    "Message",
    "MoneyRange",
    "PersonalCoupon",
    "PresetCoupon",
    "SendingRules",
    "Span",
    "Stage",
    "TemplateRef",
    "Unit",
    "Weekday",
]

KIND_NOT_AVAILABLE: Final = "kind_not_available"
"""Pydantic error type of a kind that exists but cannot be used yet; the rest of such a file means nothing here."""

MAX_MESSAGES: Final = 30
"""Most messages in one journey (DESIGN section 4)."""


class ConsentRule(StrEnum):
    """Whose marketing consent is enough to enter."""

    SUBSCRIBED = "subscribed"
    NOT_UNSUBSCRIBED = "not_unsubscribed"


class MoneyRange(Strict):
    """Inclusive bounds in the store's currency, in major units as written (`20`, `19.90`)."""

    min: Amount | None = Field(default=None, ge=0)
    max: Amount | None = Field(default=None, ge=0, validate_default=True)

    @field_validator("max")
    @classmethod
    def _check_bounds(cls, value: Decimal | None, info: ValidationInfo) -> Decimal | None:
        low = info.data.get("min", INVALID)
        if low is None and value is None:
            raise ValueError("the range is empty; give min, max or both")
        if isinstance(low, Decimal) and value is not None and value < low:
            raise ValueError(f"max ({value}) is below min ({low}), so nobody can qualify")
        return value


class Audience(Strict):
    """Who may enter a win-back."""

    inactive_days: int = Field(ge=1, le=3650)
    inactive_days_max: int | None = Field(default=None, ge=1, le=3650)
    last_order_total: MoneyRange | None = None
    consent: ConsentRule = ConsentRule.SUBSCRIBED
    control_percent: int = Field(default=0, ge=0, le=90)
    re_entry_days: int = Field(default=90, ge=1, le=3650)

    @field_validator("inactive_days_max")
    @classmethod
    def _check_longest(cls, value: int | None, info: ValidationInfo) -> int | None:
        shortest = info.data.get("inactive_days")
        if value is not None and shortest is not None and value < shortest:
            raise ValueError(f"inactive_days_max ({value}) is below inactive_days ({shortest}), so nobody can qualify")
        return value


class Stage(Strict):
    """A delay and a message; `after` counts from entry or from the previous stage's settlement."""

    after: Span
    message: Message


class JourneyDefinition(Strict):
    """A whole win-back journey file."""

    name: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
    kind: Literal[JourneyKind.WIN_BACK]
    priority: int = Field(default=DEFAULT_PRIORITY[JourneyKind.WIN_BACK], ge=0, le=1000)
    audience: Audience
    coupon: Coupon | None = None
    stages: tuple[Stage, ...]
    sending: SendingRules = SendingRules()
    attribution_days: int = Field(default=5, ge=1, le=90)
    watch_days: int = Field(default=5, ge=1, le=90, validate_default=True)

    @field_validator("kind", mode="before")
    @classmethod
    def _check_kind(cls, value: Any) -> Any:
        if isinstance(value, str) and value in set(JourneyKind) - {JourneyKind.WIN_BACK}:
            text = f"journeys of kind {value} are not available in this version yet; it runs win_back"
            raise PydanticCustomError(KIND_NOT_AVAILABLE, "{text}", {"text": text})
        if value != JourneyKind.WIN_BACK:
            shown = repr(value)[:60] if isinstance(value, str) else "this"
            raise ValueError(f"{shown} is no kind of journey; write win_back")
        return value

    @field_validator("stages", mode="before")
    @classmethod
    def _check_number_of_messages(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and not 1 <= len(value) <= MAX_MESSAGES:
            raise ValueError(f"the journey has {len(value)} stages; it takes 1 to {MAX_MESSAGES}")
        return value

    @field_validator("stages")
    @classmethod
    def _check_coupon_is_there(cls, value: tuple[Stage, ...], info: ValidationInfo) -> tuple[Stage, ...]:
        coupon = info.data.get("coupon", INVALID)
        if coupon is None or isinstance(coupon, FixedCoupon):
            stages = [stage.model_dump(mode="json") for stage in value]
            refuse("stages", coupon_findings(stages, fixed=coupon is not None))
        return value

    @field_validator("watch_days")
    @classmethod
    def _check_watch(cls, value: int, info: ValidationInfo) -> int:
        attribution = info.data.get("attribution_days", 0)
        if value < attribution:
            raise ValueError(
                f"watch_days ({value}) is below attribution_days ({attribution}); "
                f"watch at least {attribution} days, or orders that belong to the journey are missed"
            )
        return value

    @property
    def message_count(self) -> int:
        """How many messages a customer gets at most."""
        return len(self.stages)

    def templates(self) -> list[TemplateRef]:
        """One reference for each template that may be sent, fallbacks included, in order of first use.

        A template is a name in a language; of several references to it the first is given.
        """
        unique: dict[tuple[str, str], TemplateRef] = {}
        for stage in self.stages:
            for template in stage.message.templates():
                unique.setdefault((template.name, template.language), template)
        return list(unique.values())

    def resolved_coupon(self) -> FixedCoupon | PersonalCoupon | None:
        """The coupon with a preset's terms in its place."""
        return COUPON_PRESETS[self.coupon.preset] if isinstance(self.coupon, PresetCoupon) else self.coupon

    def content_hash(self) -> str:
        """SHA-256 (hex) of the canonical JSON: equal for files that mean the same, however they are written.

        A default spelled out and one left out mean the same, and so do 5 and 5.00.
        """
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()
