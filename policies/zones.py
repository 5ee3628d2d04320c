"""Whose clock counts: the evaluating zone of a customer, from what is known of them (DESIGN section 5).

A phone number tells a zone only by its digits, and many tell several. A guess that could be an hour off would put a
message outside the sending hours, so a number counts only while all its zones show the same time.
"""

from datetime import datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import timezone as phone_timezone

_UNKNOWN = phone_timezone.UNKNOWN_TIMEZONE


@lru_cache(maxsize=1024)
def phone_zones(phone: str) -> frozenset[str]:
    """The IANA zones in which the holder of a number may live.

    A number that has a plausible length but is in no range that the numbering plan lists gets every zone of its
    country: ranges are opened faster than the list is updated, and more zones are the careful answer.

    Args:
        phone: E.164.

    Returns:
        Zone names; empty when the digits tell nothing (no number, no country, an international service).
    """
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return frozenset()
    names = set(phone_timezone.time_zones_for_number(number)) - {_UNKNOWN}
    if not names and phonenumbers.is_possible_number(number):
        country = phonenumbers.PhoneNumber(country_code=number.country_code)
        names = set(phone_timezone.time_zones_for_geographical_number(country)) - {_UNKNOWN}
    return frozenset(names)


def evaluating_zone(
    *, rule: Literal["recipient", "store"], customer_zone: str | None, phone: str | None, store_zone: str, at: datetime
) -> ZoneInfo:
    """The zone in which a customer's sending hours and calendar days are reckoned at `at`.

    The recipient's own zone if one is given (and exists), else the one that the number tells if all zones that it may
    be in have the same offset at `at`, else the store's. Two zones may agree in winter and part in summer, so the
    answer holds for `at` and is asked for again later.

    Raises:
        ValueError: `at` is naive, or `store_zone` is no IANA zone.
    """
    if at.tzinfo is None:
        raise ValueError("the moment must carry its zone")
    store = zone_or_none(store_zone)
    if store is None:
        raise ValueError(f"{store_zone!r} is no IANA time zone")
    if rule == "store":
        return store
    given = zone_or_none(customer_zone) if customer_zone else None
    return given or (_agreed_zone(phone, store, at) if phone else None) or store


def zone_or_none(name: str) -> ZoneInfo | None:
    """The zone of that name, or None when there is none (a customer's field holds whatever a shop once wrote)."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _agreed_zone(phone: str, store: ZoneInfo, at: datetime) -> ZoneInfo | None:
    """One zone that stands for all zones of the number, or None when they disagree at `at`."""
    names = phone_zones(phone)
    # The store's own zone stands first where it is one of them: the name that its staff know.
    zones = [ZoneInfo(name) for name in sorted(names, key=lambda name: (name != store.key, name))]
    return zones[0] if len({at.astimezone(zone).utcoffset() for zone in zones}) == 1 else None
