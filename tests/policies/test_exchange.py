"""Amounts in US dollars by dated rates."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.money import Money
from policies.exchange import Quote, Rates, read_quote

DAY = date(2026, 11, 22)
DAYS = st.dates(date(2026, 1, 1), date(2026, 2, 1))
WORTH = st.decimals("0.0001", "100", places=4)


@given(st.dictionaries(DAYS, WORTH, max_size=8), DAYS, st.integers(-(10**9), 10**9))
def test_the_newest_rate_on_or_before_the_day_counts(known: dict[date, Decimal], on: date, minor: int) -> None:
    """Whatever is known, an amount goes by the last day that is not later; without one there is no amount."""
    rates = Rates(Quote("EUR", day, usd) for day, usd in known.items())
    before = [day for day in known if day <= on]
    found = rates.in_usd(Money(minor, "EUR"), on)
    if not before:
        assert found is None
    else:
        assert found is not None
        assert abs(found - Decimal(minor) / 100 * known[max(before)]) <= Decimal("0.005")
        assert found == found.quantize(Decimal("0.01"))


def test_a_dollar_is_a_dollar_and_half_a_cent_is_a_cent() -> None:
    """US dollars need no rate; of other currencies the digits are their own, and halves go up."""
    rates = Rates([Quote("JPY", DAY, Decimal("0.0065")), Quote("KWD", DAY, Decimal("3.25"))])
    assert Rates().in_usd(Money(1999, "USD"), DAY) == Decimal("19.99")
    assert rates.in_usd(Money(1000, "JPY"), DAY) == Decimal("6.50")
    assert rates.in_usd(Money(1, "JPY"), DAY) == Decimal("0.01")
    assert rates.in_usd(Money(1500, "KWD"), DAY) == Decimal("4.88")
    assert rates.in_usd(Money(1000, "JPY"), DAY - timedelta(days=1)) is None


@pytest.mark.parametrize(
    ("currency", "usd"),
    [
        ("US", "1"),
        ("EURO", "1"),
        ("USD", "1"),
        ("EUR", "0"),
        ("EUR", "-1"),
        ("EUR", "1,1"),
        ("EUR", "NaN"),
        ("EUR", "1e3"),
        ("EUR", "9999999999"),
    ],
)
def test_what_is_no_rate_is_refused(currency: str, usd: str) -> None:
    """Three letters that are not the dollar's, and a number above zero written with a point."""
    with pytest.raises(ValueError, match=r"no currency|no rate|one US dollar"):
        read_quote(currency, usd, DAY)
    assert read_quote(" eur ", " 1.0842 ", DAY) == Quote("EUR", DAY, Decimal("1.0842"))
