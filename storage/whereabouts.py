"""Where people write from, and where the changes of number that WhatsApp tells of lead from there.

A number is somebody's for a time only: whoever gives it up takes their past along to the next one, and the carrier may
hand it to a stranger. News of it comes late, twice and in any order. So whom a word comes from is computed from the
address, the time of the word and all known changes, whichever of them was told first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from policies.phone_forms import same_line


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where a person writes from. At least one of phone (E.164) and business-scoped user id is set."""

    store_id: int
    phone: str | None
    wa_user_id: str | None

    def meets(self, other: "Address") -> bool:
        """Whether both name the same telephone line or the same user."""
        if self.store_id != other.store_id:
            return False
        if self.wa_user_id is not None and self.wa_user_id == other.wa_user_id:
            return True
        return self.phone is not None and other.phone is not None and other.phone in same_line(self.phone)


@dataclass(frozen=True, slots=True)
class Sighting:
    """Somebody was heard from, or written to, at this address at that time."""

    address: Address
    at: datetime


@dataclass(frozen=True, slots=True)
class Step:
    """Whoever was at the old address went to the new one.

    Attributes:
        old: where they were; that a phone and a user id are one person's holds from then on.
        new: where they are. Without a phone it is the same as before, or hidden: it is kept.
        at: when WhatsApp said so. A word of the same moment from the old address is still theirs.
        id: the stored row's.
        customer_id: who is known to have taken it.
    """

    old: Address
    new: Address
    at: datetime
    id: int | None = None
    customer_id: int | None = None

    @property
    def order(self) -> tuple[Any, ...]:
        """Its place among all steps. Those of one moment are put in some order, the same whichever was told first."""
        names = (self.old.phone, self.old.wa_user_id, self.new.phone, self.new.wa_user_id)
        return (self.at, *(name or "" for name in names))

    def from_(self, place: Address) -> Address:
        """Where it leads whoever was there. WhatsApp gives a new user id with a new number."""
        return replace(self.new, phone=self.new.phone or place.phone)


def follow(sighting: Sighting, steps: Iterable[Step]) -> tuple[Address, tuple[Step, ...]]:
    """Where whoever was seen there is now, and the steps that led them there."""
    return _go_on(sighting.address, (sighting.at,), steps)


def follow_on(step: Step, steps: Iterable[Step]) -> tuple[Address, tuple[Step, ...]]:
    """Where whoever takes this step is now, and the steps that they took after it."""
    return _go_on(step.from_(step.old), step.order, steps)


def _go_on(place: Address, since: tuple[Any, ...], steps: Iterable[Step]) -> tuple[Address, tuple[Step, ...]]:
    trail: list[Step] = []
    remaining = sorted(steps, key=lambda step: step.order)
    # Every step is later than the one before it, so a way back to an earlier address comes to an end.
    for step in remaining:
        if step.order > since and step.old.meets(place):
            place, since = step.from_(place), step.order
            trail.append(step)
    return place, tuple(trail)
