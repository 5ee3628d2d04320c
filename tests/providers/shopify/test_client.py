"""The client against the sandbox: every method, and what the shop may do to it."""

import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import pytest
import uvicorn

from models.enums import ConsentState
from models.money import Money
from providers.errors import CredentialRefused, OutcomeUnknown, Rejected, Throttled
from providers.shopify.client import CodeTaken, ShopifyClient
from providers.shopify.order_webhooks import parse_order
from providers.shopify.records import DiscountSpec, OrderUpdate
from sandbox.shopify.cost import Bucket
from sandbox.shopify.faults import Fault
from sandbox.shopify.state import CustomerRecord, DiscountRecord, OrderRecord
from tests.providers.shopify.conftest import NOW, Shop


def spec(code: str = "BACK-7F3K", customer_id: int = 7, title: str = "lapsed-60-days 7") -> DiscountSpec:
    """Ten per cent for one customer, for thirty days."""
    return DiscountSpec(
        code=code,
        title=title,
        customer_id=customer_id,
        starts_at=NOW,
        ends_at=NOW + timedelta(days=30),
        percent=10,
        minimum=Decimal("20.00"),
    )


async def test_the_shop_tells_its_zone_currency_and_scopes(shop: Shop, client: ShopifyClient) -> None:
    """The shop's settings come with whether this app sees orders older than 60 days."""
    info = await client.shop(shop.access)
    assert (info.time_zone, info.currency, info.has_all_orders) == ("America/New_York", "USD", True)
    shop.state.scopes -= {"read_all_orders"}
    assert not (await client.shop(shop.access)).has_all_orders


async def test_lapsed_customers_are_those_within_both_bounds(shop: Shop, client: ShopifyClient) -> None:
    """Both bounds are inclusive numbers of dates; customers without orders are nobody's lapsed customers."""
    for customer_id, days_ago in enumerate([59, 60, 100, 180, 181], start=1):
        shop.customer(customer_id)
        shop.order(100 + customer_id, customer_id, days_ago)
    shop.customer(6)
    page = await client.lapsed_customers(
        shop.access, inactive_days=60, inactive_days_max=180, time_zone="America/New_York"
    )
    assert [one.customer_id for one in page.items] == [4, 3, 2]
    assert [one.last_order_id for one in page.items] == [104, 103, 102]
    assert (page.total, page.next_cursor) == (3, None)


async def test_lapsed_customers_come_in_pages_that_leave_nobody_out(shop: Shop, client: ShopifyClient) -> None:
    """Paging by cursor gives each member once, even if another one buys and leaves in between."""
    for customer_id in range(1, 8):
        shop.customer(customer_id)
        shop.order(100 + customer_id, customer_id, 100 - customer_id)
    seen: list[int] = []
    after: str | None = None
    for turn in range(9):
        page = await client.lapsed_customers(
            shop.access, inactive_days=60, inactive_days_max=None, time_zone="UTC", after=after, first=2
        )
        seen += [one.customer_id for one in page.items]
        after = page.next_cursor
        if after is None:
            break
        if turn == 0:
            shop.order(201, 1, 0)
            shop.sandbox._segments._lists.clear()  # the list is made anew, as after a restart
    assert seen == [1, 2, 3, 4, 5, 6, 7]


async def test_a_customer_comes_with_phone_consent_and_last_order(shop: Shop, client: ShopifyClient) -> None:
    """Everything that selection asks about a customer arrives in one record."""
    shop.customer(7)
    shop.order(70, 7, 90)
    [customer] = await client.customers(shop.access, [7])
    assert (customer.first_name, customer.locale, customer.phone) == ("Customer 7", "en", "+447700900001")
    assert (customer.whatsapp_consent, customer.consent_updated_at) == ("subscribed", NOW - timedelta(days=300))
    assert customer.number_of_orders == 1
    assert customer.last_order is not None
    assert (customer.last_order.id, customer.last_order.total) == (70, Money(4990, "USD"))
    assert customer.last_order.created_at == NOW - timedelta(days=90)


async def test_the_last_order_is_neither_a_test_nor_cancelled(shop: Shop, client: ShopifyClient) -> None:
    """However many tests and cancelled orders came later, the last real one is found."""
    shop.customer(7)
    shop.order(70, 7, 90)
    for at in range(14):
        shop.order(71 + at, 7, 50 - at, test=at % 2 == 0, cancelled=at % 2 == 1)
    [customer] = await client.customers(shop.access, [7])
    assert customer.last_order is not None
    assert customer.last_order.id == 70


async def test_a_customer_with_nothing_but_tests_has_no_last_order(shop: Shop, client: ShopifyClient) -> None:
    """The search for a real order ends where the orders end."""
    shop.customer(7, phone=None)
    for at in range(5):
        shop.order(71 + at, 7, 50 - at, test=True)
    [customer] = await client.customers(shop.access, [7])
    assert customer.last_order is None
    assert (customer.phone, customer.whatsapp_consent) == (None, None)


async def test_many_customers_are_read_in_requests_that_the_cost_limit_allows(
    shop: Shop, client: ShopifyClient
) -> None:
    """More customers than one request may hold come back complete and in order; unknown ones are left out."""
    for customer_id in range(1, 121):
        shop.customer(customer_id, phone=None)
    found = await client.customers(shop.access, [*range(120, 0, -1), 999])
    assert [one.id for one in found] == [*range(120, 0, -1)]


async def test_orders_older_than_60_days_are_hidden_without_the_scope(shop: Shop, client: ShopifyClient) -> None:
    """Without read_all_orders the count stays and the order itself is gone, which the record shows as none."""
    shop.customer(7)
    shop.order(70, 7, 61)
    shop.state.scopes -= {"read_all_orders"}
    [customer] = await client.customers(shop.access, [7])
    assert (customer.number_of_orders, customer.last_order) == (1, None)


async def test_a_customer_is_found_by_phone(shop: Shop, client: ShopifyClient) -> None:
    """The number leads straight to the customer, and an unknown one to nobody."""
    shop.customer(7, phone="+447700900007")
    found = await client.customer_by_phone(shop.access, "+447700900007")
    assert found is not None
    assert found.id == 7
    assert await client.customer_by_phone(shop.access, "+447700900008") is None


async def test_purchases_since_reach_back_exactly_to_the_moment(shop: Shop, client: ShopifyClient) -> None:
    """An order of the very moment counts, one before does not, and more orders than a page holds all come."""
    shop.customer(7)
    shop.order(70, 7, 30.001)
    for at in range(25):
        shop.order(71 + at, 7, 30 - at)
    found = await client.purchases_since(shop.access, 7, NOW - timedelta(days=30))
    assert [one.id for one in found] == [*range(95, 70, -1)]
    assert await client.purchases_since(shop.access, 404, NOW) == []


async def test_purchases_tell_typed_codes_from_manual_discounts(shop: Shop, client: ShopifyClient) -> None:
    """A discount that staff gave by hand is not a code that the customer used."""
    shop.customer(7)
    shop.order(70, 7, 1, codes=("COMEBACK10",), manual=("BACK-7F3K",))
    [order] = await client.purchases_since(shop.access, 7, NOW - timedelta(days=2))
    assert order.discount_codes == ("COMEBACK10",)


async def test_an_order_of_the_future_does_not_exist_yet(shop: Shop, client: ShopifyClient) -> None:
    """A planted order appears when the clock reaches it, not before."""
    shop.customer(7)
    shop.order(70, 7, -1)
    assert await client.purchases_since(shop.access, 7, NOW) == []
    shop.now = NOW + timedelta(days=1)
    assert [one.id for one in await client.purchases_since(shop.access, 7, NOW)] == [70]


async def updated(client: ShopifyClient, shop: Shop, since: datetime, first: int = 2) -> list[OrderUpdate]:
    """Every order that changed since, page by page."""
    found: list[OrderUpdate] = []
    after: str | None = None
    while True:
        page = await client.orders_updated_since(shop.access, since, after, first=first)
        found += page.items
        after = page.next_cursor
        if after is None:
            return found


async def test_changed_orders_come_with_all_their_sums(shop: Shop, client: ShopifyClient) -> None:
    """An order of the list of changes says everything that its webhooks would have said."""
    shop.customer(7, phone="+447700900007")
    deeds = shop.sandbox.deeds(shop.state.domain)
    order = OrderRecord(
        70,
        7,
        NOW - timedelta(days=90),
        Decimal("49.90"),
        "USD",
        discount_codes=("COMEBACK10",),
        manual_discounts=("Gift",),
        checkout_token="c-1",
        cart_token="k-1",
    )
    deeds.place_order(order, order.created_at)
    [_, told] = deeds.refund(70, NOW, Decimal("9.90"))
    [update] = await updated(client, shop, NOW)
    assert update == OrderUpdate(
        id=70,
        customer_id=7,
        created_at=NOW - timedelta(days=90),
        updated_at=NOW,
        cancelled_at=None,
        test=False,
        financial_status="partially_refunded",
        total=Money(4000, "USD"),
        discount_codes=("COMEBACK10",),
        phone="+447700900007",
        original_total=Money(4990, "USD"),
        refunded=Money(990, "USD"),
        checkout_token="c-1",
        cart_token="k-1",
        first_name="Customer 7",
    )
    assert parse_order(told.body) == update


async def test_changed_orders_come_in_the_order_of_their_changes(shop: Shop, client: ShopifyClient) -> None:
    """Orders and guests' orders come by the time of their last change; what lies in the future does not come."""
    shop.customer(7)
    for number, days_ago in enumerate([9, 3, 5, -1]):
        shop.order(70 + number, 7, days_ago)
    shop.state.put_order(replace(shop.state.orders[70], cancelled_at=NOW - timedelta(days=4)))
    shop.state.put_order(OrderRecord(80, None, NOW - timedelta(days=6), Decimal(1), "USD", phone="+447700900009"))
    shop.order(60, 7, 20)
    found = await updated(client, shop, NOW - timedelta(days=6, seconds=0.5))
    assert [one.id for one in found] == [80, 72, 70, 71]
    assert [one.id for one in await updated(client, shop, NOW - timedelta(days=4))] == [70, 71]
    assert (found[0].customer_id, found[0].phone) == (None, "+447700900009")
    assert found[2].cancelled_at == found[2].updated_at == NOW - timedelta(days=4)
    shop.now = NOW + timedelta(days=1)
    assert [one.id for one in await updated(client, shop, NOW)] == [73]


async def test_an_order_that_changes_while_pages_are_read_is_not_lost(shop: Shop, client: ShopifyClient) -> None:
    """It moves behind the reader's place with its new state; nobody else is left out or moves up past the cursor."""
    shop.customer(7)
    for number in range(6):
        shop.order(70 + number, 7, 6 - number)
    first = await client.orders_updated_since(shop.access, NOW - timedelta(days=9), first=2)
    shop.now = NOW + timedelta(hours=1)
    shop.sandbox.deeds(shop.state.domain).cancel_order(72, shop.now)
    shop.sandbox.deeds(shop.state.domain).cancel_order(70, shop.now)
    seen = [one.id for one in first.items]
    after = first.next_cursor
    while after is not None:
        page = await client.orders_updated_since(shop.access, NOW - timedelta(days=9), after, first=2)
        seen += [one.id for one in page.items]
        after = page.next_cursor
    assert seen == [70, 71, 73, 74, 75, 70, 72]


async def test_changed_orders_older_than_60_days_are_hidden_without_the_scope(
    shop: Shop, client: ShopifyClient
) -> None:
    """A late refund of an old order is seen only with read_all_orders."""
    shop.customer(7)
    shop.order(70, 7, 61)
    shop.sandbox.deeds(shop.state.domain).refund(70, NOW)
    assert [one.financial_status for one in await updated(client, shop, NOW)] == ["refunded"]
    shop.state.scopes -= {"read_all_orders"}
    assert await updated(client, shop, NOW) == []


async def test_a_discount_is_made_for_one_customer_and_one_use(shop: Shop, client: ShopifyClient) -> None:
    """The code is bound to the customer, works once, and has the dates asked for."""
    shop.customer(7)
    made = await client.ensure_discount(shop.access, spec())
    assert (made.code, made.title, made.status, made.usage_limit) == ("BACK-7F3K", "lapsed-60-days 7", "active", 1)
    assert (made.starts_at, made.ends_at) == (NOW, NOW + timedelta(days=30))
    assert made.customer_ids == frozenset({7})


async def test_an_amount_off_is_made_too(shop: Shop, client: ShopifyClient) -> None:
    """A fixed amount, without end or minimum, is as good as a percentage."""
    shop.customer(7)
    wanted = replace(spec(), percent=None, amount=Decimal("5.00"), ends_at=None, minimum=None)
    assert (await client.ensure_discount(shop.access, wanted)).ends_at is None


async def test_a_discount_takes_off_one_thing_only() -> None:
    """A spec with both a percentage and an amount, or with neither, cannot be made."""
    with pytest.raises(ValueError, match="either"):
        replace(spec(), amount=Decimal(5))
    with pytest.raises(ValueError, match="either"):
        replace(spec(), percent=None)


async def test_making_a_discount_again_gives_the_first_one(shop: Shop, client: ShopifyClient) -> None:
    """A repeated request finds its own code, with the dates of the first making, and makes no second one."""
    shop.customer(7)
    first = await client.ensure_discount(shop.access, spec())
    later = replace(spec(), code="back-7f3k", starts_at=NOW + timedelta(days=1), ends_at=NOW + timedelta(days=31))
    again = await client.ensure_discount(shop.access, later)
    assert (again.id, again.ends_at) == (first.id, first.ends_at)
    assert len(shop.state.discounts) == 1


async def test_a_discount_whose_answer_was_lost_is_found_again(shop: Shop, client: ShopifyClient) -> None:
    """After a 502 that came too late the outcome is unknown, and asking again settles it."""
    shop.customer(7)
    shop.sandbox.faults.add(Fault(status=502, applied=True))
    with pytest.raises(OutcomeUnknown):
        await client.ensure_discount(shop.access, spec())
    assert (await client.ensure_discount(shop.access, spec())).title == "lapsed-60-days 7"
    assert len(shop.state.discounts) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"title": "Summer sale", "customer_ids": (7,)},
        {"title": "lapsed-60-days 7", "customer_ids": (8,)},
        {"title": "lapsed-60-days 7"},
    ],
)
async def test_somebody_elses_code_is_not_taken_for_ours(
    shop: Shop, client: ShopifyClient, other: dict[str, object]
) -> None:
    """A code with another title, for another customer or for everybody is refused as taken."""
    shop.customer(7)
    shop.customer(8)
    shop.state.put_discount(DiscountRecord(1, "BACK-7F3K", starts_at=NOW, **other))  # type: ignore[arg-type]
    with pytest.raises(CodeTaken):
        await client.ensure_discount(shop.access, spec())


async def test_a_discount_that_shopify_refuses_names_the_field(shop: Shop, client: ShopifyClient) -> None:
    """A user error is a rejection with its code and field, and without Shopify's sentence."""
    shop.customer(7)
    with pytest.raises(Rejected) as caught:
        await client.ensure_discount(shop.access, replace(spec(), ends_at=NOW))
    assert (caught.value.code, caught.value.subcode) == ("INVALID", "basicCodeDiscount.endsAt")


@pytest.mark.parametrize(("days", "status"), [(-1, "scheduled"), (0, "active"), (5, "expired")])
async def test_a_fixed_code_shows_whether_it_is_alive(
    shop: Shop, client: ShopifyClient, days: int, status: str
) -> None:
    """A code of whatever kind tells its status, whatever the case it is asked in."""
    shop.state.put_discount(
        DiscountRecord(1, "COMEBACK10", "Come back", NOW, NOW + timedelta(days=5), kind="DiscountCodeFreeShipping")
    )
    shop.now = NOW + timedelta(days=days)
    found = await client.discount_status(shop.access, "comeback10")
    assert found is not None
    assert (found.status, found.kind, found.customer_ids) == (status, "DiscountCodeFreeShipping", None)
    assert await client.discount_status(shop.access, "NOSUCH") is None


async def test_an_opt_out_is_written_back(shop: Shop, client: ShopifyClient) -> None:
    """The shop learns of the customer's word with the time at which it was given."""
    shop.customer(7)
    said_at = datetime(2030, 6, 2, 20, 15, tzinfo=UTC)
    await client.set_whatsapp_consent(shop.access, 7, ConsentState.UNSUBSCRIBED, said_at)
    customer = shop.state.customers[7]
    assert (customer.consent, customer.consent_updated_at) == (ConsentState.UNSUBSCRIBED, said_at)


async def test_consent_without_a_phone_is_rejected(shop: Shop, client: ShopifyClient) -> None:
    """Shopify keeps WhatsApp consent at the phone number, so a customer without one is refused."""
    shop.customer(7, phone=None)
    with pytest.raises(Rejected) as caught:
        await client.set_whatsapp_consent(shop.access, 7, ConsentState.UNSUBSCRIBED, NOW)
    assert caught.value.code == "INVALID"


@pytest.mark.parametrize("state", [ConsentState.REDACTED, ConsentState.NEVER_SUBSCRIBED])
async def test_states_that_only_shopify_sets_are_not_sent(
    shop: Shop, client: ShopifyClient, state: ConsentState
) -> None:
    """A read-only consent state is refused before anything is sent."""
    with pytest.raises(ValueError, match="Shopify alone"):
        await client.set_whatsapp_consent(shop.access, 7, state, NOW)


async def test_subscribing_twice_keeps_one_subscription(shop: Shop, client: ShopifyClient) -> None:
    """A topic that already goes to the address is found, not doubled, among more than a page of others."""
    for at in range(130):
        await client.subscribe(shop.access, "ORDERS_UPDATED", f"https://hooks.example.com/{at}")
    first = await client.subscribe(shop.access, "ORDERS_CREATE", "https://hooks.example.com/shopify")
    assert await client.subscribe(shop.access, "ORDERS_CREATE", "https://hooks.example.com/shopify") == first
    assert len(await client.subscriptions(shop.access)) == 131


async def test_an_address_that_shopify_refuses_is_rejected(shop: Shop, client: ShopifyClient) -> None:
    """An address without https is no subscription, and the refusal says which field."""
    with pytest.raises(Rejected) as caught:
        await client.subscribe(shop.access, "ORDERS_CREATE", "http://hooks.example.com")
    assert (caught.value.code, caught.value.subcode) == ("user_error", "webhookSubscription.callbackUrl")


async def test_a_wrong_token_is_refused(shop: Shop, client: ShopifyClient) -> None:
    """A token that is not the shop's is a matter for a person."""
    with pytest.raises(CredentialRefused):
        await client.shop(replace(shop.access, token="other"))


async def test_a_missing_scope_is_refused_by_name(shop: Shop, client: ShopifyClient) -> None:
    """Without the scope that an operation needs, the error names the scope."""
    shop.customer(7)
    shop.state.scopes -= {"write_discounts"}
    with pytest.raises(CredentialRefused) as caught:
        await client.ensure_discount(shop.access, spec())
    assert caught.value.subcode == "write_discounts"


async def test_an_empty_bucket_throttles_until_it_has_refilled(shop: Shop, client: ShopifyClient) -> None:
    """After the wait that the client was told, the same request goes through, and not a second earlier."""
    elapsed = 0.0
    shop.customer(7)
    shop.sandbox.buckets[shop.state.domain] = Bucket(maximum=200, restore_rate=50, timer=lambda: elapsed)
    shop.order(70, 7, 1)
    for _ in range(5):  # each is charged 153 and given back what it did not need
        await client.purchases_since(shop.access, 7, NOW - timedelta(days=2))
    shop.sandbox.buckets[shop.state.domain].spend(150)
    with pytest.raises(Throttled) as caught:
        await client.purchases_since(shop.access, 7, NOW - timedelta(days=2))
    wait = caught.value.retry_after.total_seconds()
    assert 0 < wait < 4
    elapsed = wait - 0.1
    with pytest.raises(Throttled):
        await client.purchases_since(shop.access, 7, NOW - timedelta(days=2))
    elapsed = wait + 0.02  # currentlyAvailable is told in whole points
    assert len(await client.purchases_since(shop.access, 7, NOW - timedelta(days=2))) == 1


async def test_it_works_over_a_real_socket(shop: Shop) -> None:
    """The same client speaks to the same sandbox through a real server on this machine."""
    shop.state.load([CustomerRecord(8, first_name="Zoë", phone="+447700900008", consent=ConsentState.SUBSCRIBED)])
    shop.order(80, 8, 70)
    server = uvicorn.Server(uvicorn.Config(shop.sandbox, log_level="error", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # connections queue here until the server is up
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            async with httpx.AsyncClient(trust_env=False) as http:
                client = ShopifyClient(http, base_url=f"http://127.0.0.1:{listening.getsockname()[1]}")
                [customer] = await client.customers(replace(shop.access, endpoint=None), [8])
        finally:
            server.should_exit = True
            await serving
    assert customer.first_name == "Zoë"
    assert customer.last_order is not None
    assert customer.last_order.id == 80
