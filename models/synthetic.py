"""People and orders that nobody has to have: what an order file leaves out, and a whole shop for the demo.

Everything follows from an id or a seed, so the same file has the same people and a simulation can be repeated.
Synthetic numbers look like real ones and may be somebody's: they are for the sandbox only, never for WhatsApp itself.
"""

import hashlib
import random
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from models.enums import ConsentState
from models.money import digits
from models.orders_file import OrderRow

_FIRST_NAMES: Final = (
    "Ada", "Alba", "Amir", "Anouk", "Aria", "Arno", "Bela", "Bo", "Carla", "Cem", "Clara", "Dario", "Dilara", "Ebba",
    "Edda", "Elif", "Emil", "Enzo", "Fanny", "Femi", "Finn", "Flora", "Greta", "Hana", "Hugo", "Ida", "Ilse", "Imran",
    "Ines", "Ivo", "Jana", "Joris", "Juna", "Kai", "Kira", "Lars", "Leni", "Levi", "Lina", "Loris", "Maja", "Malik",
    "Mara", "Mats", "Mina", "Nele", "Nils", "Noor", "Olga", "Otto", "Paula", "Pia", "Rafi", "Rosa", "Samir", "Selma",
    "Sven", "Tilda", "Timo", "Uma", "Vera", "Wanda", "Yara", "Zoe",
)  # fmt: skip

_GERMAN_MOBILE_PREFIXES: Final = (
    "1511", "1512", "1514", "1515", "1516", "1517", "1520", "1522", "1523", "1525", "1526", "1529",
    "1570", "1573", "1575", "1577", "1578", "1579", "1590",
)  # fmt: skip
_SUBSCRIBERS: Final = 10_000_000
"""Numbers behind each prefix: seven digits."""


@dataclass(frozen=True, slots=True)
class SyntheticPerson:
    """What an order file does not say about a customer."""

    first_name: str
    consent: ConsentState


def synthetic_person(customer_id: str) -> SyntheticPerson:
    """A first name that follows from the id, and consent given."""
    return SyntheticPerson(_FIRST_NAMES[_hash(customer_id) % len(_FIRST_NAMES)], ConsentState.SUBSCRIBED)


def synthetic_phones(customer_ids: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """A German mobile number in E.164 for each id, all different; one country with one time zone, Europe/Berlin.

    The number follows from the id alone unless two ids want the same one; then the lesser id has it and the other
    takes the next that is free, whatever order the ids come in.

    Args:
        customer_ids: may repeat.
        taken: numbers that somebody has already.
    """
    used = set(taken)
    phones: dict[str, str] = {}
    for customer_id in sorted(set(customer_ids)):
        index = _hash(f"phone:{customer_id}")
        while (phone := _german_mobile(index)) in used:
            index += 1
        used.add(phone)
        phones[customer_id] = phone
    return phones


def _german_mobile(index: int) -> str:
    index %= len(_GERMAN_MOBILE_PREFIXES) * _SUBSCRIBERS
    return f"+49{_GERMAN_MOBILE_PREFIXES[index // _SUBSCRIBERS]}{index % _SUBSCRIBERS:07d}"


def _hash(text: str) -> int:
    """The same on every machine and in every run, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest()[:8])


_HISTORY_DAYS: Final = 730
_MOST_ORDERS: Final = 12
_AREA_CODES: Final = ("212", "312", "415", "512", "617", "702", "206", "303", "404", "503")
EXAMPLE_CODE: Final = "COMEBACK10"
"""The coupon of the example journeys."""
_OLD_CODES: Final = ("WELCOME10", "SUMMER5", "FREESHIP")


def generate_orders(seed: int, customers: int, as_of: date, currency: str) -> list[OrderRow]:
    """A small shop's orders over the two years up to `as_of` and, for some customers, in the weeks after it.

    About two thirds of the customers have been quiet for two months or more. A few have no consent, have opted out,
    have no phone or one of the United States (the fictional 555-01xx), so that an audience shows every such reason.
    Customers whose `phone` is None get a synthetic one.

    Args:
        seed: the same seed gives the same shop.
        customers: how many people.
        as_of: the day that counts as today.
        currency: ISO 4217 code of every order.

    Returns:
        The orders by date, ids counting up in that order.
    """
    chance = random.Random(seed)  # noqa: S311  # reproducible play data, no secret
    orders = [
        order for number in range(1, customers + 1) for order in _customer_orders(chance, number, as_of, currency)
    ]
    orders.sort(key=lambda order: (order.ordered_on, order.customer_id))
    return [replace(order, order_id=f"S{number:06d}") for number, order in enumerate(orders, start=1)]


def _customer_orders(chance: random.Random, number: int, as_of: date, currency: str) -> list[OrderRow]:
    customer_id = f"P{number:05d}"
    person = synthetic_person(customer_id)
    phone = _phone(chance, number)
    consent = chance.choices(
        (ConsentState.SUBSCRIBED, ConsentState.NEVER_SUBSCRIBED, ConsentState.UNSUBSCRIBED), weights=(90, 6, 4)
    )[0]
    usual_basket = chance.lognormvariate(3.6, 0.5)
    return [
        OrderRow(
            order_id="",
            customer_id=customer_id,
            ordered_on=day,
            total_minor=_total(chance, usual_basket, currency),
            currency=currency,
            phone=phone,
            first_name=person.first_name,
            consent=consent,
            items=chance.randint(1, 5),
            discount_code=_discount(chance, later=day > as_of),
        )
        for day in _days(chance, as_of)
    ]


def _days(chance: random.Random, as_of: date) -> list[date]:
    """Each day at most once, so that the last order never hangs on an id."""
    lapsed = chance.random() < 0.66  # noqa: PLR2004  # share of the quiet
    last_ago = chance.randint(60, 400) if lapsed else chance.randint(0, 59)
    orders = min(_MOST_ORDERS, 1 + int(chance.expovariate(1 / 2.5)))
    ago = {last_ago, *(chance.randint(last_ago, _HISTORY_DAYS) for _ in range(orders - 1))}
    days = {as_of - timedelta(days=days_ago) for days_ago in ago}
    if len(days) < _MOST_ORDERS and chance.random() < (0.12 if lapsed else 0.35):
        days.add(as_of + timedelta(days=chance.randint(1, 45)))
    return sorted(days)


def _phone(chance: random.Random, number: int) -> str | None:
    kind = chance.choices(("synthetic", "none", "us"), weights=(92, 4, 4))[0]
    if kind == "us" and number < len(_AREA_CODES) * 100:
        return f"+1{_AREA_CODES[number // 100]}55501{number % 100:02d}"
    return "" if kind == "none" else None


def _total(chance: random.Random, usual: float, currency: str) -> int:
    major = usual * chance.uniform(0.6, 1.6)
    places = digits(currency)
    return round(major * 100) if places == 0 else round(major * 100) * 10 ** (places - 2)


def _discount(chance: random.Random, *, later: bool) -> str | None:
    if chance.random() > (0.4 if later else 0.1):
        return None
    return EXAMPLE_CODE if later else chance.choice(_OLD_CODES)
