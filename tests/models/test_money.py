"""Money in whole minor units."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.money import Money, digits

CURRENCIES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "BRL"])


@given(st.integers(-(10**15), 10**15), CURRENCIES)
def test_minor_units_survive_the_way_through_decimals(minor: int, currency: str) -> None:
    """Out to major units and back loses nothing."""
    money = Money(minor, currency)
    assert Money.of(money.amount, currency) == money
    assert Money.of(Decimal(str(money).split()[0]), currency) == money


@given(st.decimals(-(10**9), 10**9, places=6), CURRENCIES)
def test_rounding_moves_an_amount_by_half_a_unit_at_most(amount: Decimal, currency: str) -> None:
    """The nearest minor unit is taken."""
    unit = Decimal(1).scaleb(-digits(currency))
    assert abs(Money.of(amount, currency).amount - amount) * 2 <= unit


@given(st.decimals(0, 10**9, places=6), st.decimals(0, 10**9, places=6), CURRENCIES)
def test_rounding_keeps_the_order(one: Decimal, other: Decimal, currency: str) -> None:
    """A larger amount never becomes the smaller."""
    low, high = sorted((one, other))
    assert Money.of(low, currency).minor <= Money.of(high, currency).minor


@pytest.mark.parametrize(
    ("amount", "currency", "minor", "text"),
    [
        ("19.90", "EUR", 1990, "19.90 EUR"),
        ("0.005", "USD", 1, "0.01 USD"),
        ("1250.5", "JPY", 1251, "1251 JPY"),
        ("1.2345", "KWD", 1235, "1.235 KWD"),
    ],
)
def test_each_currency_has_its_own_decimals(amount: str, currency: str, minor: int, text: str) -> None:
    """Yen have none, dinars three, and halves go up."""
    money = Money.of(Decimal(amount), currency)
    assert money.minor == minor
    assert str(money) == text


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_amount_is_refused(amount: str) -> None:
    """Only finite amounts are money."""
    with pytest.raises(ValueError, match="no amount"):
        Money.of(Decimal(amount), "EUR")
