"""The stand-in's indexes keep up with what is put into them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState

NOW = datetime(2030, 6, 3, 9, 0, tzinfo=UTC)


def order(order_id: int, days_ago: float, customer_id: int | None = 1) -> OrderRecord:
    """An order of customer 1 unless told."""
    return OrderRecord(order_id, customer_id, NOW - timedelta(days=days_ago), Decimal(1), "USD")


def test_orders_are_kept_by_time_whatever_order_they_come_in() -> None:
    """Loaded in bulk or one by one, a customer's orders lie in the order of their making."""
    shop = ShopState("demo.myshopify.com", "t", "s")
    shop.load([CustomerRecord(1)], [order(3, 1), order(1, 9), order(2, 5), order(9, 2, customer_id=None)])
    shop.put_order(order(4, 7))
    assert [one.id for one in shop.visible_orders(1, NOW)] == [1, 4, 2, 3]
    assert set(shop.orders) == {1, 2, 3, 4, 9}


def test_an_order_put_again_is_replaced() -> None:
    """A cancellation changes the order; it does not make a second one, in bulk neither."""
    shop = ShopState("demo.myshopify.com", "t", "s")
    shop.load([CustomerRecord(1)], [order(1, 9)])
    shop.put_order(replace(order(1, 9), cancelled_at=NOW))
    shop.load(orders=[replace(order(1, 9), cancelled_at=NOW)])
    assert [one.cancelled_at for one in shop.visible_orders(1, NOW)] == [NOW]


def test_a_changed_number_leads_nobody_astray() -> None:
    """After a customer's number changes, the old one is nobody's."""
    shop = ShopState("demo.myshopify.com", "t", "s")
    shop.put_customer(CustomerRecord(1, phone="+447700900001"))
    shop.put_customer(CustomerRecord(1, phone="+447700900002"))
    assert shop.by_phone("+447700900001") is None
    assert shop.by_phone("+447700900002") == CustomerRecord(1, phone="+447700900002")


def test_changes_are_found_by_their_time() -> None:
    """The last change so far counts, replacing an order forgets its former changes, and a bulk counts as well."""
    shop = ShopState("demo.myshopify.com", "t", "s")
    shop.load([CustomerRecord(1)], [order(1, 9), order(2, 5, customer_id=None)])
    shop.put_order(replace(order(1, 9), cancelled_at=NOW - timedelta(days=1)))
    shop.put_order(order(3, -1))

    def changed(days_ago: float, now: datetime = NOW) -> list[int]:
        return [one.id for one in shop.changed_orders(NOW - timedelta(days=days_ago), now)]

    assert changed(9) == [2, 1]
    assert changed(1) == [1]
    assert changed(9, NOW - timedelta(days=2)) == [1, 2]
    assert changed(9, NOW + timedelta(days=1)) == [2, 1, 3]
    shop.put_order(order(1, 7))
    assert (changed(9), changed(1)) == ([1, 2], [])


def test_a_made_up_id_is_nobody_elses() -> None:
    """Orders that the shop was filled with keep their numbers."""
    shop = ShopState("demo.myshopify.com", "t", "s")
    shop.load([CustomerRecord(1)], [order(2, 9), order(3, 8)])
    assert [shop.new_id(), shop.new_id()] == [4, 5]
