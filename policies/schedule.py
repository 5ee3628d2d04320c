"""When the next thing of an enrollment is due: its stages, and the end of its watch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from models.journey import JourneyDefinition
from models.sending import SendingRules
from policies.calendar import SendingHours, add_span, closes_at, is_open, next_opening
from policies.zones import evaluating_zone


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """What tells the zone in which a customer's hours and days are reckoned."""

    customer_zone: str | None
    phone: str | None
    store_zone: str


@lru_cache(maxsize=512)
def sending_hours(rules: SendingRules) -> SendingHours:
    """The parsed hours of a journey's sending rules."""
    return SendingHours.parse(rules.hours, rules.weekdays)


def zone_at(definition: JourneyDefinition, where: Whereabouts, at: datetime) -> ZoneInfo:
    """The evaluating zone of a journey for a customer at a moment (DESIGN section 5)."""
    return evaluating_zone(
        rule=definition.sending.time_zone,
        customer_zone=where.customer_zone,
        phone=where.phone,
        store_zone=where.store_zone,
        at=at,
    )


def due_after(definition: JourneyDefinition, stage: int, anchor: datetime, where: Whereabouts) -> datetime:
    """When stage number `stage` is to be sent, reckoned from `anchor`: its delay, then the next open hour.

    After the last stage it is the end of the watch: `watch_days` blocks of 24 hours.
    """
    if stage >= len(definition.stages):
        return anchor + timedelta(days=definition.watch_days)
    due = add_span(anchor, definition.delay_of(stage), zone_at(definition, where, anchor))
    return next_opening(due, sending_hours(definition.sending), zone_at(definition, where, due))


def window_end(definition: JourneyDefinition, where: Whereabouts, at: datetime) -> datetime | None:
    """The end of the sending window that contains `at`; None when the journey may always send."""
    return closes_at(at, sending_hours(definition.sending), zone_at(definition, where, at))


def opening_after(definition: JourneyDefinition, where: Whereabouts, at: datetime) -> datetime | None:
    """When the sending hours open next; None while they are open."""
    hours, zone = sending_hours(definition.sending), zone_at(definition, where, at)
    return None if is_open(at, hours, zone) else next_opening(at, hours, zone)


def horizon(definition: JourneyDefinition, entered_at: datetime, zone: ZoneInfo) -> datetime:
    """The fixed end of what counts for an entrant in both arms of the holdout: all delays, the watch, no waiting."""
    at = entered_at
    for stage in range(len(definition.stages)):
        at = add_span(at, definition.delay_of(stage), zone)
    return at + timedelta(days=definition.watch_days)
