"""Tests of models.synthetic."""

import random
from collections import defaultdict
from datetime import date
from unittest.mock import patch

import phonenumbers
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import timezone

from models import synthetic
from models.enums import ConsentState
from models.orders_file import OrderRow, last_order
from models.synthetic import generate_orders, synthetic_person, synthetic_phones

AS_OF = date(2026, 10, 1)


def by_customer(orders: list[OrderRow]) -> dict[str, list[OrderRow]]:
    """The orders of each customer."""
    customers = defaultdict(list)
    for order in orders:
        customers[order.customer_id].append(order)
    return customers


def test_a_person_follows_from_the_id() -> None:
    """The same id is the same person in every run, on every machine."""
    assert synthetic_person("00001") == synthetic_person("00001")
    assert synthetic_person("00001").consent is ConsentState.SUBSCRIBED
    assert len({synthetic_person(str(number)).first_name for number in range(500)}) > 40


def test_numbers_are_the_same_in_every_release() -> None:
    """A recorded simulation can be repeated: this number must never change."""
    assert synthetic_phones(["00001"]) == {"00001": synthetic_phones(["00001", "00002"])["00001"]}
    assert synthetic_phones(["00001"])["00001"] == "+4915162058441"


def test_every_number_is_a_german_mobile_in_one_zone() -> None:
    """Each prefix gives valid mobile numbers of Europe/Berlin and nowhere else."""
    phones = synthetic_phones(str(number) for number in range(2000))
    assert {phone[3:7] for phone in phones.values()} == set(synthetic._GERMAN_MOBILE_PREFIXES)
    for phone in phones.values():
        number = phonenumbers.parse(phone)
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.MOBILE
        assert timezone.time_zones_for_number(number) == ("Europe/Berlin",)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) == phone


@given(ids=st.lists(st.text(max_size=4), max_size=60), chance=st.randoms())
def test_numbers_are_unique_and_independent_of_order(ids: list[str], chance: random.Random) -> None:
    """Also where numbers are so few that ids compete, each keeps its own whatever the order they come in."""
    with patch.object(synthetic, "_SUBSCRIBERS", 4):
        phones = synthetic_phones(ids)
        shuffled = list(ids)
        chance.shuffle(shuffled)
        assert synthetic_phones(shuffled) == phones
    assert len(set(phones.values())) == len(set(ids))


def test_ids_that_want_one_number_get_neighbours() -> None:
    """The lesser id has the number; the greater takes the next."""
    wanted = synthetic_phones(["a"])["a"]
    moved = synthetic_phones(["a"], taken={wanted})["a"]
    assert int(moved) == int(wanted) + 1


def test_the_same_seed_is_the_same_shop() -> None:
    """A demo can be repeated, and another seed is another shop."""
    assert generate_orders(7, 50, AS_OF, "EUR") == generate_orders(7, 50, AS_OF, "EUR")
    assert generate_orders(7, 50, AS_OF, "EUR") != generate_orders(8, 50, AS_OF, "EUR")


def test_a_shop_has_what_a_demo_shows() -> None:
    """Quiet and active customers, purchases to come, coupons, and every reason to be left out."""
    orders = generate_orders(1, 300, AS_OF, "EUR")
    customers = by_customer(orders)
    assert len(customers) == 300
    past = {key: [row for row in rows if row.ordered_on <= AS_OF] for key, rows in customers.items()}
    quiet = [key for key, rows in past.items() if (AS_OF - last_order(rows).ordered_on).days >= 60]
    assert 150 < len(quiet) < 250
    assert sum(len(customers[key]) > len(past[key]) for key in quiet) >= 10
    people = [rows[0] for rows in customers.values()]
    assert {None, ""} < {person.phone for person in people}
    assert 3 < sum(1 for person in people if (person.phone or "").startswith("+1")) < 30
    assert {ConsentState.SUBSCRIBED, ConsentState.NEVER_SUBSCRIBED, ConsentState.UNSUBSCRIBED} == {
        person.consent for person in people
    }
    assert {order.discount_code for order in orders} > {None, "COMEBACK10", "WELCOME10"}


def test_a_shop_is_consistent() -> None:
    """Ids are unique and count up with the dates; a customer's own facts are the same in each row."""
    orders = generate_orders(3, 400, AS_OF, "EUR")
    assert [order.order_id for order in orders] == sorted({order.order_id for order in orders})
    assert [order.ordered_on for order in orders] == sorted(order.ordered_on for order in orders)
    for rows in by_customer(orders).values():
        assert len({(row.phone, row.first_name, row.consent) for row in rows}) == 1
        assert 1 <= len(rows) <= 12
        assert all((AS_OF - row.ordered_on).days <= 730 for row in rows)
    assert all(order.total_minor > 0 for order in orders)


def test_american_numbers_are_the_fictional_ones() -> None:
    """A +1 number is in 555-0100 to 555-0199, valid, and nobody shares one."""
    people = [rows[0] for rows in by_customer(generate_orders(5, 1200, AS_OF, "EUR")).values()]
    phones = [person.phone for person in people if person.phone]
    assert len(set(phones)) == len(phones) > 20
    for phone in phones:
        assert phone[5:10] == "55501"
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone))


def test_totals_fit_the_currency() -> None:
    """Yen have no decimals and dinars three; a basket is worth about the same."""
    yen, dinar = (sum(row.total_minor for row in generate_orders(1, 50, AS_OF, code)) for code in ("JPY", "KWD"))
    euro = sum(row.total_minor for row in generate_orders(1, 50, AS_OF, "EUR"))
    assert (yen, dinar) == (euro, euro * 10)
