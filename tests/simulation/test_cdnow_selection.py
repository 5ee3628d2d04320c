"""Real orders through whole launches: who enters, is held out, waits or is left out, counted again from the file.

What is expected is computed from the CSV alone, by its dates and amounts and by a holdout draw of its own. A part of
the customers is enough to be quick; `REKINDLE_TEST_CDNOW=whole` takes all of them.
"""

import csv
import hashlib
import hmac
import os
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.enums import ConsentState
from sandbox.shopify.state import CustomerRecord, OrderRecord
from storage.engine import Database
from tests.around.names import SALT
from tests.selecting import Selecting, selecting, win_back

HISTORY = Path(__file__).parents[3] / "shared" / "data" / "cdnow_orders.csv"
WHOLE = os.environ.get("REKINDLE_TEST_CDNOW") == "whole"
ONE_IN = 1 if WHOLE else 31
MANY = 31 // ONE_IN
ZONE = ZoneInfo("Europe/London")
PERCENT = 20

pytestmark = [
    pytest.mark.skipif(not HISTORY.exists(), reason="the order history is not here"),
    *([pytest.mark.timeout(3600)] if WHOLE else []),
]


@dataclass(frozen=True)
class Purchase:
    """An order of the file; one in thirty customers cancelled their last."""

    order_id: int
    at: datetime
    total: Decimal
    cancelled: bool = False


@dataclass
class Person:
    """A customer of the file, with what the file does not say made up from the id."""

    number: int
    orders: list[Purchase] = field(default_factory=list)

    @property
    def phone(self) -> str | None:
        """Some have none, some have a US one, which WhatsApp delivers no marketing to."""
        if self.number % 11 == 0:
            return None
        if self.number % 13 == 0:
            return f"+1{212 + self.number // 10_000}555{self.number % 10_000:04d}"
        return f"+4915550{self.number:06d}"

    @property
    def consent(self) -> ConsentState:
        """Some said no, some never said yes."""
        if self.number % 17 == 0:
            return ConsentState.UNSUBSCRIBED
        return ConsentState.NEVER_SUBSCRIBED if self.number % 19 == 0 else ConsentState.SUBSCRIBED


@dataclass(frozen=True)
class Case:
    """One audience on one day."""

    today: date
    least: int
    most: int
    low: Decimal | None = None
    high: Decimal | None = None
    limit: int | None = None
    per_day: int = 1_000_000

    @property
    def now(self) -> datetime:
        """Noon of the day at the store."""
        return datetime.combine(self.today, time(12), ZONE)


@cache
def _people() -> dict[int, Person]:
    found: dict[int, Person] = {}
    rows: dict[int, list[dict[str, str]]] = defaultdict(list)
    with HISTORY.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if int(row["customer_id"]) % ONE_IN == 0:
                rows[int(row["customer_id"])].append(row)
    for number, theirs in rows.items():
        person = found[number] = Person(number)
        theirs.sort(key=lambda row: (row["ordered_on"], row["order_id"]))
        for place, row in enumerate(theirs):
            # A second of its own for each customer, and later ones for later orders of a day: no two are equal.
            morning = datetime.combine(date.fromisoformat(row["ordered_on"]), time(1), ZONE)
            at = morning.astimezone(UTC) + timedelta(seconds=number, microseconds=place)
            cancelled = number % 30 == 0 and place == len(theirs) - 1
            person.orders.append(Purchase(int(row["order_id"].strip("C")), at, Decimal(row["total"]), cancelled))
    return found


def _silence(order: Purchase, today: date) -> int:
    return (today - order.at.astimezone(ZONE).date()).days


def _left_out(person: Person, last: Purchase | None, case: Case) -> str | None:
    """The first reason that keeps a customer out, in the order in which reasons count."""
    if person.phone is None:
        return "no_phone"
    if person.consent is ConsentState.UNSUBSCRIBED:
        return "unsubscribed"
    if person.consent is ConsentState.NEVER_SUBSCRIBED:
        return "no_consent"
    if person.phone.startswith("+1"):
        return "marketing_not_deliverable"
    if last is None or not case.least <= _silence(last, case.today) <= case.most:
        return "filter:inactive_days"
    if (case.low is not None and last.total < case.low) or (case.high is not None and last.total > case.high):
        return "filter:last_order_total"
    return None


def _held_out(number: int) -> bool:
    key = hmac.new(bytes.fromhex(SALT), b"holdout", hashlib.sha256).digest()
    drawn = hmac.new(key, f"5:quiet{number}".encode(), hashlib.sha256).digest()
    return int.from_bytes(drawn[:8], "big") * 100 < PERCENT * 2**64


def _expected(case: Case) -> tuple[dict[int, str], dict[int, int]]:
    """Everybody whom the shop offers with their outcome, and the days until those enter who wait."""
    outcomes: dict[int, str] = {}
    passed: list[tuple[datetime, int]] = []
    written_to = 0
    for number, person in sorted(_people().items()):
        orders = [one for one in person.orders if one.at <= case.now]
        if not orders or not case.least <= _silence(orders[-1], case.today) <= case.most:
            continue
        last = next((one for one in reversed(orders) if not one.cancelled), None)
        reason = _left_out(person, last, case)
        if reason is not None:
            outcomes[number] = reason
        elif case.limit is not None and written_to >= case.limit:
            outcomes[number] = "limit"
        else:
            assert last is not None
            passed.append((last.at, number))
            written_to += not _held_out(number)
    days: dict[int, int] = {}
    place = 0
    for _, number in sorted(passed):
        place += not _held_out(number)
        day = (max(place, 1) - 1) // case.per_day
        if day:
            days[number] = day
        outcomes[number] = "paced" if day else "control" if _held_out(number) else "entered"
    return outcomes, days


def _fill(shop: Selecting) -> None:
    shop.shop.load(
        (
            CustomerRecord(
                one.number,
                first_name="Ada",
                phone=one.phone,
                consent=one.consent,
                consent_updated_at=datetime(1996, 1, 1, tzinfo=UTC),
            )
            for one in _people().values()
        ),
        (
            OrderRecord(
                order.order_id,
                person.number,
                order.at,
                order.total,
                "USD",
                cancelled_at=order.at if order.cancelled else None,
            )
            for person in _people().values()
            for order in person.orders
        ),
    )


_BOUNDS: dict[str, Any] = {"low": Decimal(12), "high": Decimal("39.5")}


@pytest.mark.parametrize(
    "case",
    [
        Case(date(1998, 7, 1), 60, 3650),
        Case(date(1997, 9, 15), 30, 150, **_BOUNDS),
        Case(date(1997, 9, 15), 30, 150, **_BOUNDS, limit=15 * MANY),
        Case(date(1997, 11, 3), 45, 200, limit=60 * MANY, per_day=13 * MANY),
    ],
    ids=["everybody", "bounds", "limit", "limit-and-days"],
)
async def test_an_audience_is_what_the_orders_say(sqlite_database: Database, case: Case) -> None:
    """Each customer has the outcome, and those who wait have the day, that the file's dates and amounts give."""
    shop = await selecting(sqlite_database, now=case.now.astimezone(UTC))
    _fill(shop)
    bounds = {"min": case.low, "max": case.high} if case.low is not None else None
    audience = {"inactive_days": case.least, "inactive_days_max": case.most, "last_order_total": bounds}
    definition = win_back(control_percent=PERCENT, max_per_day=case.per_day, audience=audience)
    launch_id = await shop.launch(definition, limit=case.limit)
    outcomes, days = _expected(case)
    found = await shop.outcomes(launch_id)
    assert found == outcomes
    assert await shop.days() == days
    assert await shop.arms() == {
        number: outcome == "control" for number, outcome in outcomes.items() if outcome in ("entered", "control")
    }
    counted = Counter(outcomes.values())
    assert counted["entered"] > 0 < counted["control"]
    assert (counted["limit"] > 0) == (case.limit is not None)
    assert case.limit is None or case.per_day < case.limit or counted["entered"] == case.limit
