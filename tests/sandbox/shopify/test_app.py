"""The stand-in as a client meets it: refusals, costs, ordered trouble, its clock."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.cost import Bucket
from sandbox.shopify.faults import Fault
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState

NOW = datetime(2030, 6, 3, 9, 0, tzinfo=UTC)
NAME = "{ shop { name } }"
CUSTOMER = 'query C { customer(id: "gid://shopify/Customer/1") { id %s } }'

SUBSCRIBE = """
mutation {
  webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: { uri: "https://x.example.com" }) {
    userErrors { message }
  }
}
"""


class Asked:
    """A shop to ask, with one customer who bought 70 days and one day ago and will buy and cancel tomorrow."""

    def __init__(self) -> None:
        self.now = NOW
        self.sandbox = ShopifySandbox(lambda: self.now)
        self.shop = self.sandbox.add_shop(ShopState("demo.myshopify.com", "shop-token", "shop-secret"))
        cancelled_at = NOW + timedelta(hours=30)
        self.shop.load(
            [CustomerRecord(1, "Ana", "Lima", "pt-BR", "+447700900001")],
            [
                OrderRecord(12, 1, NOW + timedelta(days=1), Decimal("1.50"), "USD", cancelled_at=cancelled_at),
                OrderRecord(10, 1, NOW - timedelta(days=70), Decimal("12.00"), "USD"),
                OrderRecord(11, 1, NOW - timedelta(days=1), Decimal("0.10"), "USD"),
            ],
        )
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.sandbox), base_url="http://sandbox")

    async def post(
        self, query: str, *, token: str = "shop-token", shop: str = "demo.myshopify.com", **variables: Any
    ) -> httpx.Response:
        """Send a document."""
        return await self.http.post(
            f"/{shop}/admin/api/2026-10/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": token},
        )

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a document; the answer to a 200."""
        response = await self.post(query, **variables)
        assert response.status_code == 200
        body: dict[str, Any] = response.json()
        return body

    async def order_ids(self) -> list[str]:
        """The customer's orders, newest first."""
        body = await self.ask(CUSTOMER % "orders(first: 9, sortKey: CREATED_AT, reverse: true) { nodes { id } }")
        return [one["id"].rpartition("/")[2] for one in body["data"]["customer"]["orders"]["nodes"]]


@pytest.fixture
async def asked() -> AsyncIterator[Asked]:
    """A shop to ask."""
    one = Asked()
    yield one
    await one.http.aclose()


async def test_an_unknown_shop_and_a_wrong_token_are_turned_away(asked: Asked) -> None:
    """404 for a shop that is not there, 401 for a token that is not its own, as Shopify answers."""
    assert (await asked.post(NAME, shop="other.myshopify.com")).status_code == 404
    assert (await asked.post(NAME, token="other")).status_code == 401


async def test_a_body_that_is_no_request_is_a_400(asked: Asked) -> None:
    """Something that is not a GraphQL request is refused before anything is looked at."""
    response = await asked.http.post(
        "/demo.myshopify.com/admin/api/2026-10/graphql.json",
        content=b"[]",
        headers={"X-Shopify-Access-Token": "shop-token"},
    )
    assert response.status_code == 400


@pytest.mark.parametrize("field", ["email", "phone", "favouriteColour"])
async def test_an_unknown_or_deprecated_field_is_refused_in_shopifys_words(asked: Asked, field: str) -> None:
    """Deprecated fields do not exist here, and the refusal has Shopify's own shape."""
    body = await asked.ask(CUSTOMER % field)
    assert "data" not in body
    assert body["errors"][0]["message"] == f"Field '{field}' doesn't exist on type 'Customer'"
    assert body["errors"][0]["extensions"] == {"code": "undefinedField", "typeName": "Customer", "fieldName": field}


async def test_a_document_that_does_not_parse_is_refused(asked: Asked) -> None:
    """A syntax error is an answer with errors, not a failure of the server."""
    assert "errors" in await asked.ask("{ shop {")


async def test_variables_that_do_not_fit_are_refused(asked: Asked) -> None:
    """A missing variable has Shopify's code for it."""
    body = await asked.ask("query Q($id: ID!) { customer(id: $id) { id } }")
    assert body["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"


@pytest.mark.parametrize("identifier", ["{}", '{id: "gid://shopify/Customer/1", phoneNumber: "+447700900001"}'])
async def test_an_identifier_names_exactly_one_thing(asked: Asked, identifier: str) -> None:
    """The rule that the schema cannot express is kept all the same."""
    body = await asked.ask(f"{{ customerByIdentifier(identifier: {identifier}) {{ id }} }}")
    assert body["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"


async def test_big_numbers_and_prices_are_strings(asked: Asked) -> None:
    """UnsignedInt64 and Decimal are strings, the latter without padding, as Shopify sends them."""
    body = await asked.ask(CUSTOMER % "numberOfOrders lastOrder { totalPriceSet { shopMoney { amount } } }")
    assert body["data"]["customer"]["numberOfOrders"] == "2"
    assert body["data"]["customer"]["lastOrder"]["totalPriceSet"]["shopMoney"]["amount"] == "0.1"


async def test_time_brings_orders_and_cancellations(asked: Asked) -> None:
    """A planted order appears at its moment, and is cancelled at its own later one."""
    last = CUSTOMER % "numberOfOrders lastOrder { id cancelledAt updatedAt }"
    assert await asked.order_ids() == ["11", "10"]
    asked.now = NOW + timedelta(days=1)
    assert await asked.order_ids() == ["12", "11", "10"]
    order = (await asked.ask(last))["data"]["customer"]["lastOrder"]
    assert (order["cancelledAt"], order["updatedAt"]) == (None, "2030-06-04T09:00:00Z")
    asked.now = NOW + timedelta(hours=30)
    order = (await asked.ask(last))["data"]["customer"]["lastOrder"]
    assert order["cancelledAt"] == order["updatedAt"] == "2030-06-04T15:00:00Z"


async def test_the_60_day_wall_hides_older_orders(asked: Asked) -> None:
    """An app without read_all_orders sees the last 60 days only."""
    asked.shop.scopes -= {"read_all_orders"}
    assert await asked.order_ids() == ["11"]


async def test_a_missing_scope_is_told_with_the_access_it_needs(asked: Asked) -> None:
    """ACCESS_DENIED names the scope, wherever in the document the field stands."""
    asked.shop.scopes -= {"read_orders"}
    body = await asked.ask(CUSTOMER % "lastOrder { id }")
    assert body["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"
    assert body["errors"][0]["extensions"]["requiredAccess"] == "`read_orders` access scope."
    assert "errors" not in await asked.ask(CUSTOMER % "firstName")


async def test_every_answer_says_what_it_cost(asked: Asked) -> None:
    """Asked for are an object, a connection of two orders; needed were those; the rest flows back."""
    asked.sandbox.buckets["demo.myshopify.com"] = Bucket(2000, 100, timer=lambda: 0.0)
    body = await asked.ask(CUSTOMER % "orders(first: 20) { nodes { id totalPriceSet { shopMoney { amount } } } }")
    cost = body["extensions"]["cost"]
    assert cost["requestedQueryCost"] == 1 + 2 + 20 * 3
    assert cost["actualQueryCost"] == 1 + 2 + 2 * 3
    assert cost["throttleStatus"] == {"maximumAvailable": 2000, "currentlyAvailable": 1991, "restoreRate": 100}


async def test_nodes_cost_as_often_as_they_are_asked_for(asked: Asked) -> None:
    """A list of ids is charged for each id, found or not."""
    body = await asked.ask(
        "query N($ids: [ID!]!) { nodes(ids: $ids) { ... on Customer { defaultPhoneNumber { phoneNumber } } } }",
        ids=["gid://shopify/Customer/1", "gid://shopify/Customer/404", "gid://shopify/Order/12"],
    )
    assert body["data"]["nodes"] == [{"defaultPhoneNumber": {"phoneNumber": "+447700900001"}}, None, None]
    assert body["extensions"]["cost"]["requestedQueryCost"] == 3 * 2


async def test_a_query_beyond_the_limit_is_refused_outright(asked: Asked) -> None:
    """1,000 points are the most for one query, however full the bucket is."""
    body = await asked.ask(
        CUSTOMER % "orders(first: 250) { nodes { totalPriceSet { shopMoney { amount } } customer { id } } }"
    )
    assert body["errors"][0]["extensions"] == body["errors"][0]["extensions"] | {
        "code": "MAX_COST_EXCEEDED",
        "cost": 1003,
    }


async def test_an_empty_bucket_refuses_until_it_refills(asked: Asked) -> None:
    """What a request cost is gone until time brings it back, at the restore rate."""
    elapsed = 0.0
    asked.sandbox.buckets["demo.myshopify.com"] = Bucket(2, 1, timer=lambda: elapsed)
    for _ in range(2):
        assert "errors" not in await asked.ask(NAME)
    body = await asked.ask(NAME)
    assert body["errors"] == [body["errors"][0] | {"message": "Throttled"}]
    assert "data" not in body
    assert body["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] == 0
    elapsed = 1.0
    assert "errors" not in await asked.ask(NAME)


async def test_ordered_trouble_comes_as_often_as_ordered(asked: Asked) -> None:
    """A fault hits the next matching requests and no others."""
    asked.sandbox.faults.add(Fault(status=429, retry_after=1.5, operation="customer(", times=2))
    assert (await asked.post(NAME)).status_code == 200
    first = await asked.post(CUSTOMER % "firstName")
    assert (first.status_code, first.headers["Retry-After"]) == (429, "1.5")
    assert (await asked.post(CUSTOMER % "firstName")).status_code == 429
    assert (await asked.post(CUSTOMER % "firstName")).status_code == 200


async def test_trouble_inside_a_200_has_a_code(asked: Asked) -> None:
    """A GraphQL error by order is an answer with that code and no data; a slow one is only slow."""
    asked.sandbox.faults.add(Fault(code="THROTTLED"))
    body = await asked.ask(NAME)
    assert body["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert "data" not in body
    asked.sandbox.faults.add(Fault(delay=0.001))
    assert (await asked.ask(NAME))["data"]["shop"]["name"] == "Sandbox"


@pytest.mark.parametrize("applied", [True, False])
async def test_a_lost_answer_may_have_taken_effect(asked: Asked, *, applied: bool) -> None:
    """A fault decides whether the request was carried out before the answer was lost."""
    asked.sandbox.faults.add(Fault(status=502, applied=applied))
    assert (await asked.post(SUBSCRIBE)).status_code == 502
    assert len(asked.shop.subscriptions) == int(applied)
