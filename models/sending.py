"""When and how fast a journey's messages may go."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from models.definition import Strict
from models.hours import BUSINESS_WEEKDAYS, BUSINESS_WORD, Hours, parse_hours
from models.span import Span, Unit


class Weekday(StrEnum):
    """Days of the week, in `datetime.weekday()` order."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def in_order(days: tuple[Weekday, ...], *, empty: str) -> tuple[Weekday, ...]:
    """The days from Monday on.

    Raises:
        ValueError: there is none (with the text `empty`), or one is named twice.
    """
    if not days:
        raise ValueError(empty)
    twice = sorted({day.value for day in days if days.count(day) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} is named more than once")
    return tuple(day for day in Weekday if day in days)


APPROVAL_EXPIRES: Final = Span(amount=3, unit=Unit.DAYS)
"""How long a message waits for a person unless the journey says otherwise."""


STOP_LOSS_PERCENT: Final = 10
"""The share of lost messages above which a journey pauses itself, unless it says otherwise."""


class SendingRules(Strict):
    """When and how fast messages may go."""

    hours: str = "08:00-22:00"
    weekdays: tuple[Weekday, ...] = tuple(Weekday)
    time_zone: Literal["recipient", "store"] = "recipient"
    smart_sending_days: int = Field(default=5, ge=0, le=90)
    recent_order_days: int = Field(default=0, ge=0, le=365)
    max_per_day: int = Field(default=1000, ge=1, le=1_000_000)
    spread: Literal["none", "day"] = "none"
    approval: Literal["none", "required"] = "none"
    # Left out of the definition's JSON unless it says something: versions from before it exists keep their hash.
    approval_expires: Span = Field(default=APPROVAL_EXPIRES, exclude_if=lambda value: value == APPROVAL_EXPIRES)
    hold_for: Span = Span(amount=3, unit=Unit.DAYS)
    on_expire: Literal["skip", "exit"] = "skip"
    stop_loss_percent: int = Field(
        default=STOP_LOSS_PERCENT, ge=0, le=100, exclude_if=lambda value: value == STOP_LOSS_PERCENT
    )

    @field_validator("hours")
    @classmethod
    def _check_hours(cls, value: str) -> str:
        hours = parse_hours(value)
        return BUSINESS_WORD if value.lower() == BUSINESS_WORD else str(hours)

    @field_validator("weekdays")
    @classmethod
    def _check_weekdays(cls, value: tuple[Weekday, ...], info: ValidationInfo) -> tuple[Weekday, ...]:
        ordered = in_order(value, empty="the list is empty, so nothing could ever be sent; name at least one day")
        if info.data.get("hours") == BUSINESS_WORD and not _business_days(ordered):
            raise ValueError("hours: business are Monday to Friday, and none of these days is among them")
        return ordered

    def opening(self) -> Hours:
        """The stretch of a local day in which messages may go, on each of `open_weekdays()`."""
        return parse_hours(self.hours)

    def open_weekdays(self) -> tuple[Weekday, ...]:
        """The days on which messages may go: `weekdays`, of which `hours: business` keeps Monday to Friday."""
        return _business_days(self.weekdays) if self.hours == BUSINESS_WORD else self.weekdays


def _business_days(weekdays: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    return tuple(day for number, day in enumerate(Weekday) if number in BUSINESS_WEEKDAYS and day in weekdays)
