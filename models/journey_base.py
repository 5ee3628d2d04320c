"""What journeys of every kind have in common; `models.journey` has the kinds."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, Final

from pydantic import Field, ValidationInfo, field_validator

from models.coupon import COUPON_PRESETS, Coupon, FixedCoupon, PersonalCoupon, PresetCoupon
from models.definition import INVALID, Strict
from models.enums import JourneyKind
from models.journey_rules import Finding, coupon_findings, path_findings, refuse
from models.message import Message, TemplateRef
from models.sending import SendingRules
from models.span import Span

MAX_MESSAGES: Final = 30
"""Most messages in one journey (DESIGN section 4)."""


class Stage(Strict):
    """A delay and a message; `after` counts from entry or from the previous stage's settlement."""

    after: Span
    message: Message


class JourneyDefinition(Strict):
    """What journeys of every kind have; a definition is always one of the kinds (`Definition`)."""

    name: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
    kind: JourneyKind
    priority: int = Field(ge=0, le=1000)
    coupon: Coupon | None = None
    stages: tuple[Stage, ...]
    sending: SendingRules = SendingRules()
    attribution_days: int = Field(default=5, ge=1, le=90)
    watch_days: int = Field(default=5, ge=1, le=90, validate_default=True)

    @field_validator("stages", mode="before")
    @classmethod
    def _check_number_of_messages(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and not 1 <= len(value) <= MAX_MESSAGES:
            raise ValueError(f"the journey has {len(value)} stages; it takes 1 to {MAX_MESSAGES}")
        return value

    @field_validator("stages")
    @classmethod
    def _check_stages(cls, value: tuple[Stage, ...], info: ValidationInfo) -> tuple[Stage, ...]:
        stages = [stage.model_dump(mode="json") for stage in value]
        found = list(cls.delay_findings(value))
        if isinstance(kind := info.data.get("kind"), JourneyKind):
            found += path_findings(stages, kind)
        coupon = info.data.get("coupon", INVALID)
        if coupon is None or isinstance(coupon, FixedCoupon):
            found += coupon_findings(stages, fixed=coupon is not None)
        refuse("stages", found)
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

    @classmethod
    def delay_findings(cls, stages: tuple[Stage, ...]) -> Iterator[Finding]:
        """What is wrong with the stages' delays in a journey of this kind, by their path below `stages`."""
        del stages
        yield from ()

    @property
    def message_count(self) -> int:
        """How many messages a customer gets at most."""
        return len(self.stages)

    @property
    @abstractmethod
    def control_percent(self) -> int:
        """Share of those who qualify that is held out, in percent."""

    @property
    def needs_approval(self) -> bool:
        """Whether a person decides about each message before it goes."""
        return self.sending.approval == "required"

    @property
    def entry_delay(self) -> Span | None:
        """What must pass before somebody enters: the silence, or the time a checkout stays open; None if nothing."""
        return None

    @property
    def re_entry_days(self) -> int | None:
        """How many blocks of 24 hours lie between two entries of a customer; None if only the entry key counts."""
        return None

    def delay_of(self, stage: int) -> Span:
        """What lies between entry, or the settlement of the stage before, and stage number `stage` (from 0)."""
        return self.stages[stage].after

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
