"""What a shop says of one customer, in any order and any number of times."""

import asyncio
import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from models.enums import ConsentState
from models.money import Money
from models.tables import Checkout, Customer, CustomerEvent, Order, Refund
from storage.checkouts import CheckoutFacts
from storage.engine import Database
from storage.ingest import Delivery
from storage.ingest_shopify import ingest_shopify
from storage.orders import OrderFacts
from storage.refunds import RefundFacts
from storage.shop_pieces import (
    CheckoutDeletedPiece,
    CheckoutPiece,
    ConsentPiece,
    CustomerPiece,
    OrderPiece,
    RefundPiece,
    ShopPiece,
)
from storage.shoppers import Shopper
from tests.worlds import NOON, PHONE, World, later, make_world

_STORES = itertools.count(1)


def usd(cents: int) -> Money:
    """So many cents."""
    return Money(cents, "USD")


def order(
    number: int, minutes: int, left: int, *, ordered: int = 30, original: int = 5000, **changes: Any
) -> OrderFacts:
    """An order as it stood so many minutes after noon."""
    return OrderFacts(
        str(number), later(minutes=ordered), later(minutes=minutes), usd(left), original=usd(original), **changes
    )


def checkout(token: str, minutes: int, cents: int, **changes: Any) -> CheckoutFacts:
    """A checkout as it stood so many minutes after noon."""
    number = token.removeprefix("c")
    return CheckoutFacts(
        token, f"90{number}", NOON, later(minutes=minutes), usd(cents), url=f"https://shop.example/{token}", **changes
    )


def stream(store_id: int) -> list[ShopPiece]:
    """Everything that happens, in the order in which it happened."""
    who = Shopper(store_id, "77", PHONE)

    def consent(state: ConsentState, minutes: int) -> ConsentPiece:
        return ConsentPiece(who, state, later(minutes=minutes))

    def profile(name: str, minutes: int) -> CustomerPiece:
        return CustomerPiece(Shopper(store_id, "77", PHONE, name, "en"), later(minutes=minutes))

    return [
        profile("Ada", 1),
        consent(ConsentState.SUBSCRIBED, 2),
        CheckoutPiece(who, checkout("c1", 3, 4000)),
        CheckoutPiece(who, checkout("c2", 4, 900)),
        CheckoutPiece(who, checkout("c1", 6, 5000)),
        OrderPiece(who, order(1, 30, 5000, financial_status="pending", checkout_token="c1")),
        CheckoutPiece(who, checkout("c1", 31, 5000, completed_at=later(minutes=31))),
        OrderPiece(who, order(1, 32, 4800, refunded=usd(200), financial_status="paid", checkout_token="c1")),
        OrderPiece(who, order(2, 40, 700, ordered=40, original=700, financial_status="paid")),
        consent(ConsentState.UNSUBSCRIBED, 45),
        RefundPiece(RefundFacts("1", "1", usd(1500), later(minutes=50))),
        # The list of purchases tells neither what it came to at first nor what was given back.
        OrderPiece(who, OrderFacts("1", later(minutes=30), later(minutes=51), usd(4000))),
        RefundPiece(RefundFacts("2", "2", usd(700), later(minutes=52))),
        OrderPiece(who, order(2, 53, 0, ordered=40, original=700, cancelled_at=later(minutes=53))),
        profile("Anna", 54),
        CheckoutPiece(who, checkout("c4", 60, 300)),
        CheckoutPiece(who, checkout("c4", 61, 350)),
        CheckoutPiece(who, checkout("c3", 70, 100)),
        CheckoutDeletedPiece("903", None),
        consent(ConsentState.SUBSCRIBED, 62),
    ]


async def hear(database: Database, store_id: int, pieces: Sequence[ShopPiece]) -> None:
    """Take each as a request of its own."""
    for number, piece in enumerate(pieces):
        delivery = Delivery("shopify", "x", f"{store_id}-{number}", "{}", later(hours=3), store_id)
        await ingest_shopify(database, delivery, piece)


async def facts(database: Database, store_id: int) -> list[Any]:
    """What is known in the end."""
    columns: list[Any] = [
        (
            Customer.external_id,
            Customer.phone,
            Customer.first_name,
            Customer.language,
            Customer.consent,
            Customer.consent_at,
            Customer.opted_out_at,
            Customer.last_order_external_id,
            Customer.last_order_at,
            Customer.last_order_minor,
        ),
        (
            Order.external_id,
            Order.updated_at,
            Order.total_minor,
            Order.current_minor,
            Order.original_minor,
            Order.checkout_token,
            Order.cancelled_at,
            Order.financial_status,
        ),
        (
            Checkout.token,
            Checkout.external_id,
            Checkout.updated_at,
            Checkout.total_minor,
            Checkout.url,
            Checkout.completed_at,
            Checkout.deleted_at,
            Checkout.idle_since,
        ),
        (Refund.external_id, Refund.minor),
    ]
    async with database.read() as session:
        found = [
            sorted(map(repr, await session.exec(select(*wanted).where(wanted[0].class_.store_id == store_id))))
            for wanted in columns
        ]
        heard = select(CustomerEvent.dedupe_key).where(
            CustomerEvent.store_id == store_id, col(CustomerEvent.dedupe_key) == "order:1"
        )
        return [*found, list(await session.exec(heard))]


async def another_store(world: World) -> int:
    """A store of its own for every try, since emptying tables takes longer."""
    number = next(_STORES)
    return await world.add_store(f"s{number}", phone_number_id=f"9{number:06}", shop_domain=f"s{number}.example")


def shuffled() -> st.SearchStrategy[list[int]]:
    """Every piece at least once, some twice, in any order."""
    count = len(stream(0))
    twice = st.lists(st.integers(0, count - 1), max_size=6)
    return twice.flatmap(lambda more: st.permutations([*range(count), *more]))


async def test_the_story_as_it_happened(world: World) -> None:
    """The facts that every order must come to."""
    store_id = await another_store(world)
    await hear(world.database, store_id, stream(store_id))
    [customer] = [one for one in await world.rows(Customer) if one.store_id == store_id]
    assert (customer.first_name, customer.consent, customer.opted_out_at) == ("Anna", ConsentState.SUBSCRIBED, None)
    assert (customer.last_order_external_id, customer.last_order_minor) == ("1", 3500)
    assert {one.external_id: one.total_minor for one in await world.rows(Order)} == {"1": 3500, "2": 0}
    idle: dict[str, datetime | None] = {one.token: one.idle_since for one in await world.rows(Checkout)}
    assert idle == {"c1": None, "c2": None, "c3": None, "c4": later(minutes=61)}


@pytest.fixture
async def sqlite_world(sqlite_database: Database) -> World:
    """A world for many tries."""
    return await make_world(sqlite_database)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order_of_arrival=shuffled())
async def test_any_order_and_any_repetition_leave_the_same_facts(
    sqlite_world: World, order_of_arrival: list[int]
) -> None:
    """Orders, refunds, checkouts, profile and consent come to the same, however they arrive."""
    as_it_happened, otherwise = await another_store(sqlite_world), await another_store(sqlite_world)
    await hear(sqlite_world.database, as_it_happened, stream(as_it_happened))
    pieces = stream(otherwise)
    await hear(sqlite_world.database, otherwise, [pieces[number] for number in order_of_arrival])
    assert await facts(sqlite_world.database, otherwise) == await facts(sqlite_world.database, as_it_happened)


async def test_refunds_and_their_orders_at_the_same_moment_miss_nothing(world: World) -> None:
    """Whichever of the two transactions is the slower one, what was given back is taken off."""
    store_id = world.store_id
    who = Shopper(store_id, "77", PHONE)
    await hear(world.database, store_id, [CustomerPiece(who, NOON)])

    async def tell(key: str, piece: ShopPiece) -> None:
        await ingest_shopify(world.database, Delivery("shopify", "x", key, "{}", NOON, store_id), piece)

    for number in range(1, 13):
        await asyncio.gather(
            tell(f"r{number}", RefundPiece(RefundFacts(str(number), str(number), usd(100), NOON))),
            tell(f"o{number}", OrderPiece(who, order(number, 30, 5000))),
        )
    assert {one.total_minor for one in await world.rows(Order)} == {4900}


async def test_of_several_orders_the_last_that_stands_is_the_last(world: World) -> None:
    """A cancelled last order gives its place back to the one before it."""
    who = Shopper(world.store_id, "77", PHONE)
    pieces: list[ShopPiece] = [
        OrderPiece(who, order(1, 30, 5000)),
        OrderPiece(who, order(2, 40, 700, ordered=40)),
        OrderPiece(who, order(2, 50, 700, ordered=40, cancelled_at=later(minutes=50))),
    ]
    await hear(world.database, world.store_id, pieces[:2])
    [customer] = await world.rows(Customer)
    assert customer.last_order_external_id == "2"
    await hear(world.database, world.store_id, [*pieces, *pieces])
    [customer] = await world.rows(Customer)
    assert (customer.last_order_external_id, customer.last_order_minor) == ("1", 5000)
