"""Sending hours as a person writes them: `08:00-22:00`, `business`, `00:00-24:00`.

The grammar stands here and not with the calendar rules because a journey file must be refused, with its line, before
any rule sees it.
"""

import re
from dataclasses import dataclass

MINUTES_A_DAY = 24 * 60

_RANGE = re.compile(r"(?P<from>\d{1,2}:\d{2})\s*(?:-|\u2013)\s*(?P<to>\d{1,2}:\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hours:
    """A half-open stretch of the local day: the start belongs to it, the end does not.

    Attributes:
        start_minute: minutes after local midnight, 0 to 1439.
        end_minute: minutes after local midnight, 1 to 1440; less than the start when the stretch runs past midnight.
    """

    start_minute: int
    end_minute: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_minute < MINUTES_A_DAY:
            raise ValueError("hours cannot start at 24:00; the first minute of a day is 00:00")
        if not 0 <= self.end_minute <= MINUTES_A_DAY:
            raise ValueError("hours end at 24:00 at the latest")
        if self.start_minute == self.end_minute:
            raise ValueError("hours that start and end at the same time never open; write 00:00-24:00 for always")
        if self.end_minute == 0:
            raise ValueError("write 24:00 for hours that last until midnight")

    @property
    def always(self) -> bool:
        """Whether every minute of the day belongs to it."""
        return self.start_minute == 0 and self.end_minute == MINUTES_A_DAY

    def __str__(self) -> str:
        return f"{_clock(self.start_minute)}-{_clock(self.end_minute)}"


BUSINESS_WORD = "business"
"""Stands for `BUSINESS` on `BUSINESS_WEEKDAYS`."""

BUSINESS = Hours(8 * 60, 18 * 60)
"""What `business` opens, on the days of `BUSINESS_WEEKDAYS` (DESIGN section 5)."""

BUSINESS_WEEKDAYS = frozenset(range(5))
"""Monday to Friday, as `datetime.weekday()` counts."""


def parse_hours(text: str) -> Hours:
    """The hours that the text means; `business` gives `BUSINESS`, whose weekdays are the caller's to apply.

    Raises:
        ValueError: it is no stretch of hours, names an impossible time, or never opens.
    """
    stripped = text.strip()
    if stripped.lower() == BUSINESS_WORD:
        return BUSINESS
    match = _RANGE.fullmatch(stripped)
    if match is None:
        raise ValueError(f'{text!r} is no stretch of hours; write such as "08:00-22:00" or business')
    return Hours(_minute(match["from"]), _minute(match["to"]))


def _minute(clock: str) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    if minute > 59 or hour * 60 + minute > MINUTES_A_DAY:  # noqa: PLR2004  # a clock's minutes
        raise ValueError(f"{clock} is no time of day; times run from 00:00 to 24:00")
    return hour * 60 + minute


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
