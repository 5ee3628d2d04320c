"""What each kind of failure is told as."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
)
from providers.shopify import operations
from providers.shopify.operations import Operation
from providers.shopify.records import ShopAccess
from providers.shopify.transport import DEFAULT_WAIT, PARKED_CODES, GraphQLTransport

ACCESS = ShopAccess("demo.myshopify.com", "shop-token")
READ, WRITE = operations.SHOP, operations.CONSENT_UPDATE


async def fail(handler: Callable[[httpx.Request], httpx.Response], operation: Operation[Any] = READ) -> ProviderError:
    """The error of one request that the handler answers."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        with pytest.raises(ProviderError) as caught:
            await GraphQLTransport(http, version="2026-10").run(ACCESS, operation, {"secret": "+447700900001"})
    assert caught.value.operation == operation.name
    assert "447700900001" not in str(caught.value)
    assert "shop-token" not in str(caught.value)
    return caught.value


def answering(status: int, body: Any = None, headers: dict[str, str] | None = None) -> Callable[..., httpx.Response]:
    """A handler that always answers so."""
    return lambda _request: httpx.Response(status, json=body or {"errors": "+447700900001"}, headers=headers)


def graphql_error(code: str, cost: dict[str, Any] | None = None, **more: str) -> Callable[..., httpx.Response]:
    """A handler that answers with an error inside a 200."""
    body = {"errors": [{"message": "+447700900001", "extensions": {"code": code, **more}}], "data": None}
    return answering(200, body | ({"extensions": {"cost": cost}} if cost else {}))


async def test_the_request_carries_the_token_and_goes_to_the_shops_own_domain() -> None:
    """Without a stand-in the request goes over https to the shop's domain and the pinned version, with its token."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(500)

    await fail(handler)
    assert str(seen[0].url) == "https://demo.myshopify.com/admin/api/2026-10/graphql.json"
    assert seen[0].headers["X-Shopify-Access-Token"] == "shop-token"
    assert json.loads(seen[0].content)["variables"] == {"secret": "+447700900001"}


def test_a_shops_own_endpoint_comes_before_the_clients() -> None:
    """The access's endpoint wins over the client's base address, and the shop's domain leads the path at both."""
    transport = GraphQLTransport(httpx.AsyncClient(), version="2026-10", base_url="http://127.0.0.1:1/")
    own = ShopAccess("demo.myshopify.com", "t", endpoint="http://127.0.0.1:2/shopify")
    assert transport.url(ACCESS) == "http://127.0.0.1:1/demo.myshopify.com/admin/api/2026-10/graphql.json"
    assert transport.url(own) == "http://127.0.0.1:2/shopify/demo.myshopify.com/admin/api/2026-10/graphql.json"


@pytest.mark.parametrize(
    "domain", ["evil.example.com", "demo.myshopify.com/x", "Demo.myshopify.com", "a.b.myshopify.com"]
)
def test_a_token_is_never_addressed_to_anything_but_a_shops_permanent_domain(domain: str) -> None:
    """An access for any other host cannot even be made."""
    with pytest.raises(ValueError, match="permanent domain"):
        ShopAccess(domain, "shop-token")


def test_an_access_does_not_show_its_token() -> None:
    """The token is left out of the access's own text."""
    assert "shop-token" not in repr(ACCESS)


@pytest.mark.parametrize(
    "given",
    [({"Retry-After": "2.5"}, timedelta(seconds=2.5)), ({}, DEFAULT_WAIT), ({"Retry-After": "soon"}, DEFAULT_WAIT)],
)
async def test_a_429_says_when_to_come_back(given: tuple[dict[str, str], timedelta]) -> None:
    """HTTP 429 is a throttle with Shopify's own wait, or ours where it says nothing readable."""
    headers, wait = given
    error = await fail(answering(429, headers=headers))
    assert isinstance(error, Throttled)
    assert (error.retry_after, error.status) == (wait, 429)


async def test_a_throttled_answer_waits_until_the_bucket_holds_enough() -> None:
    """The wait is what is missing in the bucket divided by what flows back each second."""
    status = {"maximumAvailable": 2000.0, "currentlyAvailable": 152, "restoreRate": 100.0}
    cost = {"requestedQueryCost": 752, "actualQueryCost": None, "throttleStatus": status}
    error = await fail(graphql_error("THROTTLED", cost))
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=6)


async def test_a_throttled_answer_without_a_cost_waits_our_own_time() -> None:
    """THROTTLED without throttleStatus still has a wait."""
    error = await fail(graphql_error("THROTTLED"))
    assert isinstance(error, Throttled)
    assert error.retry_after == DEFAULT_WAIT


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_a_credentials_matter(status: int) -> None:
    """401 and 403 ask for a person, not for a retry."""
    assert isinstance(await fail(answering(status)), CredentialRefused)


async def test_a_missing_scope_is_named() -> None:
    """ACCESS_DENIED is a refused credential whose subcode is the scope to ask the merchant for."""
    error = await fail(graphql_error("ACCESS_DENIED", requiredAccess="`read_customers` access scope."))
    assert isinstance(error, CredentialRefused)
    assert (error.code, error.subcode) == ("ACCESS_DENIED", "read_customers")


@pytest.mark.parametrize("status", [402, 423, 430])
async def test_a_shop_that_is_shut_is_parked(status: int) -> None:
    """Frozen, locked and blocked shops are rejected for good with a code of their own."""
    error = await fail(answering(status))
    assert isinstance(error, Rejected)
    assert error.code in PARKED_CODES
    assert not error.transient


@pytest.mark.parametrize("status", [400, 404, 406, 422, 301])
async def test_other_refusals_are_for_good(status: int) -> None:
    """Any other status that is neither success nor server trouble will not change by asking again."""
    error = await fail(answering(status))
    assert isinstance(error, Rejected)
    assert (error.code, error.transient) == (f"http_{status}", False)


@pytest.mark.parametrize("handler", [answering(503), graphql_error("INTERNAL_SERVER_ERROR")])
async def test_server_trouble_is_transient_for_a_read_and_unknown_for_a_write(handler: Callable[..., Any]) -> None:
    """A broken server may have done what a mutation asked; a read has nothing to have done."""
    read, write = await fail(handler, READ), await fail(handler, WRITE)
    assert isinstance(read, Rejected)
    assert read.transient
    assert isinstance(write, OutcomeUnknown)


async def test_too_dear_a_query_is_refused_for_good() -> None:
    """MAX_COST_EXCEEDED does not get cheaper by waiting."""
    error = await fail(graphql_error("MAX_COST_EXCEEDED"))
    assert isinstance(error, Rejected)
    assert (error.code, error.transient) == ("MAX_COST_EXCEEDED", False)


@pytest.mark.parametrize(
    "content", [b"<html>", b"{}", b'{"data":{"shop":{"name":1}}}', b'{"data":{"shop":null}}', b'{"errors":"x"}']
)
async def test_an_answer_that_makes_no_sense_is_a_bad_answer(content: bytes) -> None:
    """A 200 that is not the operation's answer is never taken for one."""
    assert isinstance(await fail(lambda _request: httpx.Response(200, content=content)), BadAnswer)


async def test_a_body_that_cannot_be_unpacked_is_a_bad_answer() -> None:
    """An answer that says gzip and is not is as unreadable as any other."""

    def handler(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b"plain"), headers={"Content-Encoding": "gzip"})

    assert isinstance(await fail(handler), BadAnswer)


async def test_an_error_without_a_code_is_a_rejection() -> None:
    """An error that says nothing about itself is still an error, and not the operation's answer."""
    error = await fail(answering(200, {"errors": [{"message": "+447700900001", "extensions": None}]}))
    assert isinstance(error, Rejected)
    assert error.code == "unspecified"


@pytest.mark.parametrize(("broken", "expected"), [(httpx.ConnectError, NotSent), (httpx.ReadTimeout, OutcomeUnknown)])
async def test_a_lost_connection_is_told_by_whether_the_request_left(
    broken: type[Exception], expected: type[Exception]
) -> None:
    """Transport failures are classified as for every other service."""

    def handler(_request: httpx.Request) -> httpx.Response:
        raise broken("+447700900001")

    assert isinstance(await fail(handler), expected)
