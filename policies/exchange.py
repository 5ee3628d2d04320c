"""Currencies in US dollars by dated rates: the newest rate on or before a day, and nothing where there is none.

A report adds up over currencies only through these. Amounts are rounded once, half up to the cent, so that the sum of
a report's rows is the sum that it prints.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from models.money import Money

USD: Final = "USD"
_CENT: Final = Decimal("0.01")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,18})?")
"""No unit is worth a billion dollars; an amount times such a rate would have more digits than are reckoned with."""
_ONE: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Quote:
    """What one unit of a currency is worth in US dollars from a day on."""

    currency: str
    day: date
    usd: Decimal


def read_quote(currency: str, usd: str, day: date) -> Quote:
    """A rate as a person writes it.

    Raises:
        ValueError: it is no rate; the text says why.
    """
    code = currency.strip().upper()
    if _CURRENCY.fullmatch(code) is None:
        raise ValueError(f"{currency!r} is no currency; write its three letters, such as EUR")
    if code == USD:
        raise ValueError("a US dollar is one US dollar; rates are for other currencies")
    written = usd.strip()
    try:
        rate = Decimal(written) if _NUMBER.fullmatch(written) else Decimal(0)
    except InvalidOperation:  # pragma: no cover - the pattern lets nothing through that Decimal does not take
        rate = Decimal(0)
    if rate <= 0:
        raise ValueError(
            f"{usd!r} is no rate; write what one {code} is worth in US dollars with a point, such as 1.0842"
        )
    return Quote(code, day, rate)


class Rates:
    """A store's rates.

    Args:
        quotes: in any order; of two for one currency and day the later in the order stands.
    """

    def __init__(self, quotes: Iterable[Quote] = ()) -> None:
        by_day: dict[str, dict[date, Decimal]] = defaultdict(dict)
        for quote in quotes:
            by_day[quote.currency][quote.day] = quote.usd
        self._days = {currency: sorted(days) for currency, days in by_day.items()}
        self._usd = dict(by_day)

    def rate(self, currency: str, on: date) -> Decimal | None:
        """What one unit was worth on that day; None where no rate is known for it."""
        if currency == USD:
            return _ONE
        days = self._days.get(currency, [])
        known = bisect_right(days, on)
        return self._usd[currency][days[known - 1]] if known else None

    def in_usd(self, money: Money, on: date) -> Decimal | None:
        """The amount in US dollars and cents; None where no rate is known."""
        rate = self.rate(money.currency, on)
        return None if rate is None else (money.amount * rate).quantize(_CENT, rounding=ROUND_HALF_UP)
