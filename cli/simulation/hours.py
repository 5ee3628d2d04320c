"""The hours that the sandbox watches over, worked out from the files without the product's own rules of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone

from models.journey import JourneyDefinition
from sandbox.whatsapp.books import AllowedHours, Hours

_BUSINESS = "08:00-18:00"
_BUSINESS_DAYS = frozenset(range(5))
_HALF_YEARS = (datetime(2030, 1, 15), datetime(2030, 7, 15))  # noqa: DTZ001 - a wall clock's, in each zone


@dataclass(frozen=True, slots=True)
class AnyHours:
    """Several journeys' hours: what arrives outside all of them has no excuse."""

    of_journeys: tuple[AllowedHours, ...]

    def allow(self, recipient: str, at: datetime) -> bool:
        """Whether a message to this recipient may arrive at this instant, of one journey or another."""
        return any(hours.allow(recipient, at) for hours in self.of_journeys)


def watched_hours(definitions: Sequence[JourneyDefinition], zone: ZoneInfo) -> Hours:
    """When messages of these journeys may arrive, in a store of that zone."""
    return AnyHours(tuple(_hours_of(definition, zone) for definition in definitions))


def _hours_of(definition: JourneyDefinition, zone: ZoneInfo) -> AllowedHours:
    rules = definition.sending
    weekdays = rules.open_weekdays()
    numbers = frozenset(number for number, day in enumerate(type(weekdays[0])) if day in weekdays)
    business = rules.hours == "business"
    return AllowedHours.parse(
        _BUSINESS if business else rules.hours,
        zone,
        weekdays=numbers & _BUSINESS_DAYS if business else numbers,
        zone_of=_zone_of if rules.time_zone == "recipient" else None,
    )


@lru_cache(maxsize=4096)
def _zone_of(recipient: str) -> ZoneInfo | None:
    """The zone of a number, if all that it may be in keep the same time; None where nobody can tell."""
    try:
        number = phonenumbers.parse(recipient)
    except phonenumbers.NumberParseException:
        return None
    country = phonenumbers.PhoneNumber(country_code=number.country_code)
    for names in (timezone.time_zones_for_number(number), timezone.time_zones_for_geographical_number(country)):
        known = [ZoneInfo(name) for name in names if name != timezone.UNKNOWN_TIMEZONE]
        if known:
            offsets = {tuple(half.replace(tzinfo=zone).utcoffset() for half in _HALF_YEARS) for zone in known}
            return known[0] if len(offsets) == 1 else None
    return None
