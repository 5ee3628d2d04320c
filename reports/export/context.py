"""What every row is written with: the journey, the store's clock and rates, and the days that are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from policies.exchange import Rates
from storage.report_facts import Reported, VersionFacts
from storage.statistics.period import Period


@dataclass(frozen=True, slots=True)
class Context:
    """What is the same for all rows.

    Attributes:
        start: first moment of the period; None for everything before `end`.
        end: first moment after it; None for everything since `start`.
    """

    about: Reported
    zone: ZoneInfo
    rates: Rates
    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def of(cls, about: Reported, rates: Rates, period: Period) -> "Context":
        """The context of a period, whose bounds are worked out once."""
        return cls(about, period.zone, rates, period.start_at, period.end_at)

    def holds(self, at: datetime) -> bool:
        """Whether the moment lies within the period."""
        return (self.start is None or self.start <= at) and (self.end is None or at < self.end)

    @property
    def journey_id(self) -> int:
        """Whose report it is."""
        return self.about.journey_id

    @property
    def journey(self) -> str:
        """The journey's name."""
        return self.about.journey

    @property
    def versions(self) -> Mapping[int, VersionFacts]:
        """The journey's versions by id."""
        return self.about.versions
