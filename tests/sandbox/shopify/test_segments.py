"""The segment language: whole days of a time zone, and nothing beyond our corner."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.shopify.segments import SegmentLists, SegmentSyntaxError, members, parse
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState

NOW = datetime(2030, 6, 3, 9, 0, tzinfo=UTC)
TODAY = date(2030, 6, 3)


def shop_with_order_at(at: datetime) -> ShopState:
    """A shop with one customer and one order."""
    shop = ShopState("demo.myshopify.com", "t", "s")
    shop.load([CustomerRecord(1)], [OrderRecord(10, 1, at, Decimal(1), "USD")])
    return shop


@pytest.mark.parametrize(
    ("op", "days"),
    [("<=", {0, 1}), ("<", {0}), (">=", {1, 2}), (">", {2}), ("=", {1}), ("!=", {0, 2})],
)
def test_each_operator_means_what_it_says(op: str, days: set[int]) -> None:
    """A date compares with the day before, the day itself and the day after as its operator says."""
    matching = {
        day
        for day in range(3)
        if members(
            shop_with_order_at(datetime(2030, 4, 3 + day, 12, tzinfo=UTC)), f"last_order_date {op} -60d", "UTC", NOW
        )
    }
    assert matching == days


@pytest.mark.parametrize(("zone", "found"), [("UTC", 0), ("America/New_York", 1)])
def test_a_day_is_a_day_of_the_time_zone(zone: str, found: int) -> None:
    """03:00 UTC is still the day before in New York, and that decides a date."""
    shop = shop_with_order_at(datetime(2030, 4, 5, 3, 0, tzinfo=UTC))
    assert len(members(shop, "last_order_date <= -60d", zone, NOW)) == found


@pytest.mark.parametrize(("zone", "found"), [("UTC", 1), ("America/New_York", 0)])
def test_today_is_a_day_of_the_time_zone_too(zone: str, found: int) -> None:
    """At 03:00 UTC it is still yesterday in New York, so sixty days are not yet over there."""
    shop = shop_with_order_at(datetime(2030, 4, 4, 12, 0, tzinfo=UTC))
    assert len(members(shop, "last_order_date <= -60d", zone, datetime(2030, 6, 3, 3, 0, tzinfo=UTC))) == found


def test_a_list_of_yesterday_is_made_anew() -> None:
    """Whoever goes on paging a day later goes on in that day's segment; within a day the list stays as it is."""
    shop = shop_with_order_at(datetime(2030, 4, 5, 12, 0, tzinfo=UTC))
    lists, place, query = SegmentLists(), (0.0, 0), "last_order_date <= -60d"
    assert lists.after(None, shop, query, "UTC", NOW) == ([], 0)
    shop.load([CustomerRecord(2)], [OrderRecord(20, 2, datetime(2030, 4, 1, tzinfo=UTC), Decimal(1), "USD")])
    assert lists.after(place, shop, query, "UTC", NOW) == ([], 0)
    listed, start = lists.after(place, shop, query, "UTC", NOW + timedelta(days=1))
    assert ([one.customer_id for one in listed], start) == ([2, 1], 0)


def test_weeks_and_dates_are_read_too() -> None:
    """`-2w` is fourteen days before today, and a date stands for itself."""
    assert parse("last_order_date = -2w", TODAY)[0].value == date(2030, 5, 20).toordinal()
    assert parse("last_order_date = 2030-05-20", TODAY)[0].value == date(2030, 5, 20).toordinal()


def test_conditions_are_all_needed() -> None:
    """AND means both."""
    shop = shop_with_order_at(datetime(2030, 1, 1, tzinfo=UTC))
    assert members(shop, "last_order_date <= -60d AND number_of_orders >= 1", "UTC", NOW)
    assert not members(shop, "last_order_date <= -60d AND number_of_orders >= 2", "UTC", NOW)


def test_orders_of_the_future_do_not_count() -> None:
    """Neither the last order nor the number of orders knows what has not happened."""
    shop = shop_with_order_at(datetime(2030, 1, 1, tzinfo=UTC))
    shop.put_order(OrderRecord(11, 1, datetime(2030, 6, 4, tzinfo=UTC), Decimal(1), "USD"))
    [member] = members(shop, "last_order_date <= -60d AND number_of_orders = 1", "UTC", NOW)
    assert (member.last_order_id, member.number_of_orders) == (10, 1)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("valid segment", "Line 1 Column 0: 'valid' is unexpected."),
        ("number_of_orders >= 1 AND amount_spent > 5", "Line 1 Column 26: 'amount_spent' is unexpected."),
        ("number_of_orders >= 1 AND", "Line 1 Column 25: end of query is unexpected."),
        ("number_of_orders >= -60d", "Line 1 Column 0: 'number_of_orders' is unexpected."),
        ("last_order_date <= yesterday", "Line 1 Column 0: 'last_order_date' is unexpected."),
        ("", "Line 1 Column 0: end of query is unexpected."),
    ],
)
def test_anything_else_is_refused_with_its_place(query: str, told: str) -> None:
    """A query outside the corner is an error and never an empty or a full segment."""
    with pytest.raises(SegmentSyntaxError) as caught:
        parse(query, TODAY)
    assert str(caught.value) == told
