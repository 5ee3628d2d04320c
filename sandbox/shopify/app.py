"""The stand-in as an ASGI application: `POST /{shop}/admin/api/{version}/graphql.json`.

The shop's domain is the first part of the path, because a local server has no host name for every shop. Beside it,
`POST /_sandbox/{shop}/{deed}` makes something happen at a shop (`sandbox.shopify.door`).
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
from graphql import DocumentNode, ExecutionResult, execute_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.shopify.cost import MUTATION_COST, QUERY_MAXIMUM, Bucket, actual_cost, requested_cost
from sandbox.shopify.deeds import Deeds
from sandbox.shopify.documents import SCHEMA, check, denied
from sandbox.shopify.door import ShopDoor
from sandbox.shopify.faults import Fault, Faults
from sandbox.shopify.outbox import Deliverer, Outbox
from sandbox.shopify.reading import Json, Reading
from sandbox.shopify.segments import SegmentLists
from sandbox.shopify.state import Clock, ShopState
from sandbox.shopify.writing import Writing

_OK = 200


class ShopifySandbox:
    """Any number of shops behind one ASGI application.

    Attributes:
        shops: by domain.
        buckets: the rate limit of each shop; replace one to throttle.
        faults: trouble to order.
        outbox: webhooks that wait for a `Deliverer`; nothing is put there for a shop without subscription or hook.
    """

    def __init__(self, clock: Clock) -> None:
        self.shops: dict[str, ShopState] = {}
        self.buckets: dict[str, Bucket] = {}
        self.faults = Faults()
        self._clock = clock
        self._segments = SegmentLists()
        self.outbox = Outbox()
        self._door = ShopDoor(self.shops, self.outbox, clock)
        self._app = Starlette(
            routes=[
                Route("/_sandbox/{shop}/{deed}", self._door.act, methods=["POST"]),
                Route("/{shop}/admin/api/{version}/graphql.json", self._graphql, methods=["POST"]),
            ]
        )

    def add_shop(self, shop: ShopState, bucket: Bucket | None = None) -> ShopState:
        """Open a shop."""
        self.shops[shop.domain] = shop
        self.buckets[shop.domain] = bucket or Bucket()
        return shop

    def deeds(self, domain: str) -> Deeds:
        """What can happen at a shop."""
        return Deeds(self.shops[domain], self.outbox)

    def deliver_with(self, http: httpx.AsyncClient) -> Deliverer:
        """A deliverer of the outbox. The door then answers only when what it caused was posted."""
        deliverer = Deliverer(self.outbox, http, self._clock)
        self._door.flush = deliverer.flush
        return deliverer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await self._app(scope, receive, send)

    async def _graphql(self, request: Request) -> Response:
        shop = self.shops.get(request.path_params["shop"])
        if shop is None:
            return _answer({"errors": "Not Found"}, 404)
        if not shop.installed or request.headers.get("X-Shopify-Access-Token") != shop.token:
            told = "[API] Invalid API key or access token (unrecognized login or wrong password)"
            return _answer({"errors": told}, 401)
        try:
            body = json.loads(await request.body())
            text, variables = body["query"], body.get("variables") or {}
        except (ValueError, KeyError, TypeError):
            return _answer({"errors": {"query": "Required parameter missing or invalid"}}, 400)
        fault = self.faults.next_for(text)
        if fault is None:
            return _answer(self._run(shop, text, variables))
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.status == _OK and fault.code is None:
            return _answer(self._run(shop, text, variables))
        if fault.applied:
            self._run(shop, text, variables)
        return self._trouble(shop, fault)

    def _run(self, shop: ShopState, text: str, variables: Mapping[str, Any]) -> Json:
        """Check, charge and execute one document."""
        checked = check(text)
        if checked.document is None:
            return {"errors": list(checked.errors)}
        bucket = self.buckets[shop.domain]
        requested = requested_cost(SCHEMA, checked.document, variables)
        if requested > QUERY_MAXIMUM:
            told = f"Query cost is {requested}, which exceeds the single query max cost limit ({QUERY_MAXIMUM})."
            return {"errors": [_error(told, "MAX_COST_EXCEEDED", cost=requested, maxCost=QUERY_MAXIMUM)]}
        if not bucket.spend(requested):
            return {"errors": [_error("Throttled", "THROTTLED")], **_cost(requested, None, bucket)}
        refused = denied(checked, shop.scopes)
        if refused is not None:
            return {**_access_denied(*refused), **_cost(requested, 1, bucket)}
        result = self._execute(shop, checked.document, variables, mutation=checked.mutation)
        actual = sum(actual_cost(one) for one in (result.data or {}).values())
        actual += MUTATION_COST if checked.mutation else 0
        bucket.give_back(max(requested - actual, 0))
        return {**_body(result), **_cost(requested, actual, bucket)}

    def _execute(
        self, shop: ShopState, document: DocumentNode, variables: Mapping[str, Any], *, mutation: bool
    ) -> ExecutionResult:
        reading = Reading(shop, self._clock(), self._segments)
        root = Writing(reading, Deeds(shop, self.outbox)).root() if mutation else reading.root()
        return execute_sync(SCHEMA, document, root_value=root, variable_values=dict(variables))

    def _trouble(self, shop: ShopState, fault: Fault) -> Response:
        headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after}"}
        if fault.status != _OK:
            return _answer({"errors": "Ordered trouble"}, fault.status, headers)
        code = fault.code or "INTERNAL_SERVER_ERROR"
        cost = _cost(100, None, self.buckets[shop.domain])
        return _answer({"errors": [_error(code.capitalize(), code)], **cost}, fault.status, headers)


def _body(result: ExecutionResult) -> Json:
    errors = [dict(one.formatted) for one in result.errors or ()]
    if result.data is None and not any("path" in one for one in errors):
        # Nothing was executed: the variables did not fit the operation.
        return {"errors": [{**one, "extensions": {"code": "INVALID_VARIABLE"}} for one in errors]}
    return {"data": result.data, "errors": errors} if errors else {"data": result.data}


def _error(message: str, code: str, **more: Any) -> Json:
    return {
        "message": message,
        "extensions": {"code": code, "documentation": "https://shopify.dev/api/usage/rate-limits", **more},
    }


def _access_denied(field: str, scope: str) -> Json:
    needed = f"`{scope}` access scope."
    return {
        "data": None,
        "errors": [
            {
                "message": f"Access denied for {field} field. Required access: {needed}",
                "path": [field],
                "extensions": {
                    "code": "ACCESS_DENIED",
                    "documentation": "https://shopify.dev/api/usage/access-scopes",
                    "requiredAccess": needed,
                },
            }
        ],
    }


def _cost(requested: int, actual: int | None, bucket: Bucket) -> Json:
    return {
        "extensions": {
            "cost": {
                "requestedQueryCost": requested,
                "actualQueryCost": actual,
                "throttleStatus": bucket.status(),
            }
        }
    }


def _answer(body: Json, status: int = _OK, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(body, separators=(",", ":"))
    return Response(content, status_code=status, media_type="application/json", headers=dict(headers or {}))
