"""The sandbox's own account of what reached it, kept without knowing how Rekindle decides anything.

A run's report compares itself with these numbers, so nothing here may come from the product's own rules: the hours
are worked out again from the clock, and a duplicate is told from what was on the wire alone.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

_MINUTES_A_DAY = 24 * 60
_CALLBACK_COLONS = 3  # enrollment:stage:occurrence:attempt


class Hours(Protocol):
    """When messages may arrive."""

    def allow(self, recipient: str, at: datetime) -> bool:
        """Whether a message to this recipient may arrive at this instant."""
        ...


@dataclass(frozen=True, slots=True)
class AllowedHours:
    """When messages may arrive.

    Attributes:
        opens: local minutes after midnight, included.
        closes: local minutes after midnight, excluded; 1440 is the end of the day.
        weekdays: `datetime.weekday()` numbers, Monday 0.
        zone: the store's zone.
        zone_of: the zone of a recipient, where it differs; None answers `zone`.
    """

    opens: int
    closes: int
    weekdays: frozenset[int]
    zone: ZoneInfo
    zone_of: Callable[[str], ZoneInfo | None] | None = None

    @classmethod
    def parse(
        cls,
        hours: str,
        zone: ZoneInfo,
        *,
        weekdays: frozenset[int] = frozenset(range(7)),
        zone_of: Callable[[str], ZoneInfo | None] | None = None,
    ) -> "AllowedHours":
        """From `HH:MM-HH:MM`, the second at most `24:00`; one that is earlier than the first is on the next day.

        Raises:
            ValueError: the text says anything else.
        """
        opens, _, closes = hours.partition("-")
        window = cls(_minutes(opens), _minutes(closes), weekdays, zone, zone_of)
        if window.opens == window.closes:
            raise ValueError(f"{hours!r} is never open")
        return window

    def allow(self, recipient: str, at: datetime) -> bool:
        """Whether a message to this recipient may arrive at this instant."""
        zone = (self.zone_of(recipient) if self.zone_of else None) or self.zone
        local = at.astimezone(zone)
        minute = local.hour * 60 + local.minute
        if self.opens < self.closes:
            return local.weekday() in self.weekdays and self.opens <= minute < self.closes
        # Past midnight the window still belongs to the day on which it opened.
        today, yesterday = local.weekday() in self.weekdays, (local.weekday() - 1) % 7 in self.weekdays
        return (today and minute >= self.opens) or (yesterday and minute < self.closes)


def _minutes(text: str) -> int:
    hour, _, minute = text.strip().partition(":")
    total = int(hour) * 60 + int(minute)
    if not (0 <= int(minute) < 60 and 0 <= total <= _MINUTES_A_DAY):  # noqa: PLR2004 - sixty minutes
        raise ValueError(f"{text!r} is no time of day")
    return total


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """One message that the sandbox took.

    Attributes:
        at: the sandbox's clock.
        phone_number_id: the business number that sent it.
        recipient: E.164 with `+`, or a business-scoped user id.
        wamid: the id that the sandbox gave it.
        callback_data: the request's `biz_opaque_callback_data`.
        kind: `template` or `text`.
        content: the request's `template` or `text` object.
        rendered: the words that the customer would read.
    """

    at: datetime
    phone_number_id: str
    recipient: str
    wamid: str
    callback_data: str | None
    kind: str
    content: dict[str, Any]
    rendered: str

    @property
    def occurrence(self) -> str | None:
        """`enrollment:stage:occurrence`, what must be accepted once only; None for callback data of another form."""
        if self.callback_data is None or self.callback_data.count(":") < _CALLBACK_COLONS:
            return None
        return self.callback_data.rpartition(":")[0]

    @property
    def enrollment(self) -> str | None:
        """The enrollment in the callback data."""
        return None if self.occurrence is None else self.occurrence.rsplit(":", 2)[0]


@dataclass(slots=True)
class Books:
    """What was received, and what of it should not have been.

    Attributes:
        hours: when messages may arrive; None counts nothing as outside.
        messages: every accepted message, in order of acceptance.
        requests: every send request, accepted or not.
        refused: send requests that were refused, by Graph error code.
        duplicates: accepted messages whose recipient and occurrence had been accepted before.
        outside_hours: accepted messages outside `hours`.
        after_exit: accepted messages at or after their recipient's told exit.
    """

    hours: Hours | None = None
    messages: list[AcceptedMessage] = field(default_factory=list)
    requests: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    duplicates: int = 0
    outside_hours: int = 0
    after_exit: int = 0
    _seen: set[tuple[str, str]] = field(default_factory=set)
    _exits: dict[tuple[str, str | None], datetime] = field(default_factory=dict)
    _newest: dict[str, str] = field(default_factory=dict)

    @property
    def received(self) -> int:
        """Messages that were accepted."""
        return len(self.messages)

    def last_enrollment(self, recipient: str) -> str | None:
        """The enrollment of the recipient's newest message; None if there was none."""
        return self._newest.get(recipient)

    def told_exit(self, recipient: str, at: datetime, *, enrollment: str | None = None) -> None:
        """From this moment no message may come to the recipient, or none of the enrollment; the earliest counts."""
        key = (recipient, enrollment)
        self._exits[key] = min(at, self._exits.get(key, at))

    def accept(self, message: AcceptedMessage) -> None:
        """Enter an accepted message and judge it."""
        self.messages.append(message)
        occurrence = message.occurrence
        if message.enrollment is not None:
            self._newest[message.recipient] = message.enrollment
        if occurrence is not None:
            key = (message.recipient, occurrence)
            self.duplicates += key in self._seen
            self._seen.add(key)
        if self.hours is not None and not self.hours.allow(message.recipient, message.at):
            self.outside_hours += 1
        exits = (self._exits.get((message.recipient, scope)) for scope in (None, message.enrollment))
        self.after_exit += any(moment is not None and message.at >= moment for moment in exits)

    def counts(self) -> dict[str, int]:
        """The four numbers of a run's report."""
        return {
            "received": self.received,
            "duplicates": self.duplicates,
            "outside_hours": self.outside_hours,
            "after_exit": self.after_exit,
        }
