"""Whose clock counts."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.zones import evaluating_zone, phone_zones

WINTER, SUMMER = datetime(2026, 1, 15, 12, tzinfo=UTC), datetime(2026, 7, 15, 12, tzinfo=UTC)
UK, GERMAN, US_MANY, AUSTRALIAN = "+447700900123", "+4915112345678", "+18005550100", "+61412345678"
SPANISH = "+34612345678"


def zone_of(
    phone: str | None, *, given_zone: str | None = None, store: str = "Asia/Tokyo", at: datetime = WINTER
) -> str:
    """The name of the recipient's evaluating zone."""
    return evaluating_zone(rule="recipient", customer_zone=given_zone, phone=phone, store_zone=store, at=at).key


def test_a_number_tells_its_zones() -> None:
    """A German mobile number is in Berlin, an Australian one in one of many zones."""
    assert phone_zones(GERMAN) == {"Europe/Berlin"}
    assert len(phone_zones(AUSTRALIAN)) > 1


def test_a_possible_number_in_no_listed_range_has_its_countrys_zones() -> None:
    """The numbers that are reserved for fiction live in Britain all the same."""
    assert "Europe/London" in phone_zones(UK)


@pytest.mark.parametrize("phone", ["", "nonsense", "+999123456789", "+80012345678", "+4", "447700900123"])
def test_a_number_that_tells_nothing_has_no_zone(phone: str) -> None:
    """No country, no zone."""
    assert phone_zones(phone) == frozenset()


def test_the_stores_rule_ignores_the_customer() -> None:
    """`time_zone: store` is the store's zone whatever is known of the customer."""
    zone = evaluating_zone(rule="store", customer_zone="Europe/Paris", phone=GERMAN, store_zone="Asia/Tokyo", at=WINTER)
    assert zone == ZoneInfo("Asia/Tokyo")


def test_a_given_zone_wins_over_the_number() -> None:
    """What the customer's record says counts before what the digits say."""
    assert zone_of(GERMAN, given_zone="America/Lima") == "America/Lima"


@pytest.mark.parametrize("broken", ["Mars/Olympus", "", "../etc", "Europe", "+02:00"])
def test_a_given_zone_that_does_not_exist_is_passed_over(broken: str) -> None:
    """A shop's odd value does not stop a journey."""
    assert zone_of(GERMAN, given_zone=broken) == "Europe/Berlin"


def test_zones_that_disagree_give_the_stores() -> None:
    """A number that may be in New York or Honolulu tells no time."""
    assert zone_of(US_MANY) == "Asia/Tokyo"
    assert zone_of(AUSTRALIAN) == "Asia/Tokyo"
    assert zone_of(SPANISH) == "Asia/Tokyo"


def test_zones_that_agree_prefer_the_stores_name() -> None:
    """Where the store's zone is one of several equal ones its name is used."""
    assert zone_of(UK, store="Europe/Jersey") == "Europe/Jersey"


def test_agreement_is_asked_for_at_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phoenix and Denver share winter time only."""
    monkeypatch.setattr("policies.zones.phone_zones", lambda _: frozenset({"America/Phoenix", "America/Denver"}))
    assert zone_of(UK, at=WINTER) == "America/Denver"
    assert zone_of(UK, at=SUMMER) == "Asia/Tokyo"


def test_a_store_without_a_real_zone_is_an_error() -> None:
    """The store's zone is the last resort, so it must exist."""
    with pytest.raises(ValueError, match="Nowhere"):
        zone_of(None, store="Nowhere/Town")


def test_a_naive_moment_is_an_error() -> None:
    """Offsets are compared at a real moment only."""
    with pytest.raises(ValueError, match="zone"):
        zone_of(UK, at=datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@given(
    phone=st.from_regex(r"\+[1-9][0-9]{6,13}", fullmatch=True),
    days=st.integers(0, 2000),
    store=st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Pacific/Apia", "Australia/Lord_Howe"]),
)
def test_the_zone_shows_the_time_of_every_zone_of_the_number_or_is_the_stores(
    phone: str, days: int, store: str
) -> None:
    """Whatever the number, the chosen zone is either the store's or right for all places that it may be in."""
    at = WINTER + timedelta(days=days)
    chosen = evaluating_zone(rule="recipient", customer_zone=None, phone=phone, store_zone=store, at=at)
    offsets = {at.astimezone(ZoneInfo(name)).utcoffset() for name in phone_zones(phone)}
    assert chosen.key == store or offsets == {at.astimezone(chosen).utcoffset()}
