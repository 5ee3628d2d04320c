"""A tracking journey: which conversations a daily review looks at, and what becomes of the sales that it finds open."""

import re
from collections.abc import Iterator
from datetime import time
from typing import Any, Final, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from models.audience import ConsentRule
from models.definition import Strict
from models.enums import DEFAULT_PRIORITY, BuyingIntent, JourneyKind
from models.journey_base import JourneyDefinition
from models.journey_rules import Finding, path_findings, refuse, uses
from models.message import TemplateRef
from models.placeholders import AI_TEXT, COUPON_CODE, COUPON_EXPIRES_ON
from models.sending import Weekday, in_order
from models.span import Span, Unit

DEFAULT_ATTRIBUTION_DAYS: Final = 5
DEFAULT_WATCH_DAYS: Final = 7
NO_COUPON: Final = (
    "a tracking journey has no coupon: its message is written for one conversation; name a code that everybody may "
    "have in instructions, or leave it out"
)
NO_STAGES: Final = (
    "a tracking journey has one message, which is written for each conversation, and no stages; template says what "
    "goes outside the 24-hour window"
)
_CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2})(:\d{2})?", re.ASCII)
_TEMPLATE_OF_THE_STAGE: Final = (0, "message", "template")
_LONGEST_SHOWN: Final = 60
_AT_ONCE: Final = "0m"
"""The one stage's own delay: `wait_days` counts from the customer's last message, not from entry."""


class TrackedConversations(Strict):
    """Whose conversations are reviewed."""

    consent: ConsentRule = ConsentRule.NOT_UNSUBSCRIBED
    control_percent: int = Field(default=0, ge=0, le=90)


class Tracking(JourneyDefinition):
    """Reviews the conversations of each active day with the model and follows up those that show an open sale.

    Attributes:
        run_at: local time of the store at which a run begins, `HH:MM`.
        weekdays: days on which it runs; the others are covered by the next of these.
        window_hours: how far a run looks back at least; it always goes back to the last run's start.
        sensitivity: the lowest intent that is followed up, by what it leaves: `low` takes every case.
        wait_days: calendar days between the customer's last message and the first contact.
        max_conversations: how many a run analyses at most, most recent customer message first.
        restart_days: days of a customer's silence after which another message of theirs is a new opportunity.
        max_attempts: how many follow-ups an opportunity gets.
        act: `message` enrolls the customer; `event` only tells of them by webhook.
        auto_send: whether a message goes without a person's approval.
        instructions: what the marketer wants the model to keep in mind.
        template: what goes outside the 24-hour window; without it nothing does.
    """

    kind: Literal[JourneyKind.TRACKING]
    priority: int = Field(default=DEFAULT_PRIORITY[JourneyKind.TRACKING], ge=0, le=1000)
    coupon: None = None
    run_at: str = "09:00"
    weekdays: tuple[Weekday, ...] = tuple(Weekday)
    window_hours: Literal[12, 24, 48, 72] = 24
    sensitivity: Literal["low", "medium", "high"] = "medium"
    wait_days: int = Field(default=0, ge=0, le=30)
    max_conversations: int = Field(default=200, ge=1, le=100_000)
    watch_days: int = Field(default=DEFAULT_WATCH_DAYS, ge=1, le=30, validate_default=True)
    restart_days: int = Field(default=90, ge=30, le=365)
    max_attempts: int = Field(default=3, ge=1, le=20)
    act: Literal["message", "event"] = "message"
    auto_send: bool = False
    instructions: str | None = Field(default=None, min_length=1, max_length=2000)
    template: TemplateRef | None = None
    conversations: TrackedConversations = TrackedConversations()

    @model_validator(mode="before")
    @classmethod
    def _write_out(cls, value: Any) -> Any:
        return _with_its_stage(value) if isinstance(value, dict) else value

    @field_validator("run_at")
    @classmethod
    def _check_run_at(cls, value: str) -> str:
        found = _CLOCK.fullmatch(value)
        if found is None:
            raise ValueError(f'{value[:_LONGEST_SHOWN]!r} is no time of day; write such as run_at: "09:00"')
        hour, minute = int(found[1]), int(found[2])
        if found[3] is not None:
            raise ValueError(f'{value} has seconds; a run begins at a minute, such as run_at: "{hour:02d}:{found[2]}"')
        if (hour, minute) == (24, 0):
            raise ValueError('the first minute of a day is 00:00; write run_at: "00:00", of the day that begins then')
        if hour > 23 or minute > 59:  # noqa: PLR2004 - a clock's hours and minutes
            raise ValueError(f"{value} is no time of day; times run from 00:00 to 23:59")
        return f"{hour:02d}:{minute:02d}"

    @field_validator("weekdays")
    @classmethod
    def _check_run_days(cls, value: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
        return in_order(value, empty="the list is empty, so no run would ever begin; name at least one day")

    @field_validator("window_hours", mode="before")
    @classmethod
    def _read_window(cls, value: Any) -> Any:
        """A file's values are texts; what is no whole number is left for the list of choices to refuse."""
        return int(value) if isinstance(value, str) and value.strip().isdecimal() else value

    @field_validator("template")
    @classmethod
    def _check_template(cls, value: TemplateRef | None) -> TemplateRef | None:
        if value is not None:
            refuse("template", _template_findings(value))
        return value

    @property
    def control_percent(self) -> int:
        """As the conversations say."""
        return self.conversations.control_percent

    @property
    def needs_approval(self) -> bool:
        """A message goes by itself only if the file says so, and then only if its sending rules agree."""
        return not self.auto_send or super().needs_approval

    @property
    def run_time(self) -> time:
        """`run_at` as a time of day."""
        return time.fromisoformat(self.run_at)

    @property
    def wait(self) -> Span:
        """`wait_days` as a span of calendar days."""
        return Span(amount=self.wait_days, unit=Unit.DAYS)

    def takes(self, intent: BuyingIntent) -> bool:
        """Whether this intent is strong enough to be followed up."""
        order = list(BuyingIntent)
        return order.index(intent) >= order.index(BuyingIntent(self.sensitivity))


def _template_findings(template: TemplateRef) -> Iterator[Finding]:
    """What is wrong with the template of a text that the model writes for one conversation."""
    if not template.uses(AI_TEXT):
        yield Finding((), 'no variable of the template shows what the model writes; give one "{ai.text}"')
    stage = {"message": {"template": template.model_dump(mode="json")}}
    for finding in path_findings([stage], JourneyKind.TRACKING):
        yield Finding(finding.path[len(_TEMPLATE_OF_THE_STAGE) :], finding.text)
    for name, text in template.variables.items():
        if uses(text, COUPON_CODE, COUPON_EXPIRES_ON):
            yield Finding(("variables", name), NO_COUPON)


def _with_its_stage(journey: dict[str, Any]) -> dict[str, Any]:
    """The plain data with the one stage that it stands for, and an attribution that its watch covers."""
    written = journey if "stages" in journey else {**journey, "stages": [_stage(journey.get("template"))]}
    watch = _whole(journey.get("watch_days", DEFAULT_WATCH_DAYS))
    if "attribution_days" not in journey and watch is not None and 1 <= watch < DEFAULT_ATTRIBUTION_DAYS:
        written = {**written, "attribution_days": watch}
    return written


def _stage(template: Any) -> dict[str, Any]:
    """The one stage; a template with faults is left out of it, since they are reported where it stands in the file."""
    message: dict[str, Any] = {"ai": {"mode": "smart"}}
    try:
        right = template is not None and not list(_template_findings(TemplateRef.model_validate(template)))
    except ValidationError:
        right = False
    return {"after": _AT_ONCE, "message": {**message, "template": template} if right else message}


def _whole(value: Any) -> int | None:
    """A number as a file or as JSON has it."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    return value if isinstance(value, int) else None
