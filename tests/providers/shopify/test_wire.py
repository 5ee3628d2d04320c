"""Ids and numbers as Shopify writes them."""

from decimal import Decimal

import pytest

from providers.shopify.wire import MoneyWire, SegmentMemberWire, customer_gid, numeric_id


@pytest.mark.parametrize(
    ("gid", "number"),
    [
        ("gid://shopify/Customer/7", 7),
        ("gid://shopify/CustomerSegmentMember/820982911946154508", 820982911946154508),
        ("gid://shopify/AppInstallation/12?with=options", 12),
    ],
)
def test_a_global_id_ends_in_a_number(gid: str, number: int) -> None:
    """The number is exact beyond what a float holds, whatever the type and the options around it."""
    assert numeric_id(gid) == number


@pytest.mark.parametrize(
    "gid",
    [
        "",
        "7",
        "gid://shopify/Customer/",
        "gid://shopify/Customer/x",
        "gid://other/Customer/7",
        "gid://shopify/Customer/²",
    ],
)
def test_anything_else_is_no_global_id(gid: str) -> None:
    """A text that only looks like an id is refused."""
    with pytest.raises(ValueError, match="not a Shopify global id"):
        numeric_id(gid)


def test_ids_go_there_and_back() -> None:
    """An id that we write reads as the number that it was made of."""
    assert numeric_id(customer_gid(7)) == 7


def test_numbers_in_strings_are_read_exactly() -> None:
    """UnsignedInt64 and Decimal arrive as strings and never pass through a float."""
    member = SegmentMemberWire.model_validate({"id": "gid://shopify/X/1", "numberOfOrders": "13", "brandNew": True})
    assert member.number_of_orders == 13
    assert MoneyWire.model_validate({"amount": "11884.9", "currencyCode": "XTS"}).amount == Decimal("11884.9")
