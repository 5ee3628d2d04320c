"""One GraphQL request to one shop, and what its failure means.

Every call may be repeated: reads have no effect, and the client's mutations find out by themselves that they already
happened. The errors still say what is known. A 5xx, `INTERNAL_SERVER_ERROR` or `TIMEOUT` is a transient `Rejected`
for a read and `OutcomeUnknown` for a mutation; a lost connection is classified for both as for any other service.

    429, THROTTLED                      Throttled, with the wait that the answer implies
    401, 403, ACCESS_DENIED             CredentialRefused; the missing scope is the subcode
    402, 423, 430, SHOP_INACTIVE        Rejected, a code of `PARKED_CODES`: no retry helps, the shop's owner must act
    other 4xx, MAX_COST_EXCEEDED, ...   Rejected, for good
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
from pydantic import ValidationError

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    classify_transport,
)
from providers.shopify.operations import AnswerT, Operation
from providers.shopify.records import ShopAccess
from providers.shopify.wire import CostWire, EnvelopeWire, GraphQLErrorWire

SERVICE: Final = "shopify"

PARKED_BY_STATUS: Final[Mapping[int, str]] = {402: "shop_frozen", 423: "shop_locked", 430: "security_rejection"}
PARKED_CODES: Final = frozenset({*PARKED_BY_STATUS.values(), "SHOP_INACTIVE"})
"""Codes of a `Rejected` that is a state of the shop (unpaid, locked, blocked, closed), not of the request."""

DEFAULT_WAIT: Final = timedelta(seconds=2)
"""How long to stay away when Shopify throttles without saying for how long; its buckets refill within seconds."""

_TRANSIENT_CODES = frozenset({"INTERNAL_SERVER_ERROR", "TIMEOUT"})
_SCOPE = re.compile(r"`([a-z_]+)`")
_SERVER_ERROR = 500


class GraphQLTransport:
    """Posts operations and tells failures apart.

    Args:
        http: the connection pool, with its timeouts; not closed here.
        version: the Admin API's quarterly version.
        base_url: where all shops are reached instead of at their own domains; an access's own endpoint comes first.
    """

    def __init__(self, http: httpx.AsyncClient, *, version: str, base_url: str | None = None) -> None:
        self._http = http
        self._version = version
        self._base_url = base_url

    async def run(
        self, access: ShopAccess, operation: Operation[AnswerT], variables: Mapping[str, Any] | None = None
    ) -> AnswerT:
        """Post the operation and read its answer.

        Raises:
            ProviderError: any of the tree, as the module's table says.
        """
        try:
            response = await self._http.post(
                self.url(access),
                json={"query": operation.document, "variables": dict(variables or {})},
                headers={"X-Shopify-Access-Token": access.token, "Accept": "application/json"},
            )
        except httpx.TransportError as exc:
            raise classify_transport(exc, service=SERVICE, operation=operation.name) from None
        except httpx.DecodingError:
            raise BadAnswer(service=SERVICE, operation=operation.name, detail="undecodable body") from None
        if response.status_code != httpx.codes.OK:
            raise _refusal(response, operation)
        try:
            envelope = EnvelopeWire.model_validate_json(response.content)
            if envelope.errors:
                raise _graphql_refusal(envelope, operation)
            return operation.answer.model_validate(envelope.data)
        except ValidationError as exc:
            where = ", ".join(sorted({".".join(map(str, error["loc"])) or "body" for error in exc.errors()})[:3])
            raise BadAnswer(
                service=SERVICE, operation=operation.name, detail=f"unreadable at {where}", status=response.status_code
            ) from None

    def url(self, access: ShopAccess) -> str:
        """Where the shop's Admin API is: at its own domain, or under its domain's name at a stand-in."""
        stand_in = access.endpoint or self._base_url
        root = f"https://{access.shop_domain}" if stand_in is None else f"{stand_in.rstrip('/')}/{access.shop_domain}"
        return f"{root}/admin/api/{self._version}/graphql.json"


def _refusal(response: httpx.Response, operation: Operation[Any]) -> ProviderError:
    """What an answer other than 200 means; its body is not trusted to be JSON and not read."""
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        wait = _seconds(response.headers.get("Retry-After"))
        return Throttled(service=SERVICE, operation=operation.name, retry_after=wait, status=status)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return CredentialRefused(service=SERVICE, operation=operation.name, status=status)
    if status >= _SERVER_ERROR:
        return _server_trouble(operation, status=status, code=f"http_{status}")
    code = PARKED_BY_STATUS.get(status, f"http_{status}")
    return Rejected(service=SERVICE, operation=operation.name, status=status, code=code)


def _graphql_refusal(envelope: EnvelopeWire, operation: Operation[Any]) -> ProviderError:
    """What top-level errors inside a 200 mean; partial data beside them is not used."""
    by_code = {error.code: error for error in reversed(envelope.errors)}
    status = int(httpx.codes.OK)
    if "THROTTLED" in by_code:
        wait = _bucket_wait(envelope.extensions.cost)
        return Throttled(service=SERVICE, operation=operation.name, retry_after=wait, status=status, code="THROTTLED")
    if "ACCESS_DENIED" in by_code:
        return CredentialRefused(
            service=SERVICE,
            operation=operation.name,
            status=status,
            code="ACCESS_DENIED",
            subcode=_missing_scopes(by_code["ACCESS_DENIED"]),
        )
    code = envelope.errors[0].code
    if code in _TRANSIENT_CODES:
        return _server_trouble(operation, status=status, code=code)
    return Rejected(service=SERVICE, operation=operation.name, status=status, code=code)


def _server_trouble(operation: Operation[Any], *, status: int, code: str) -> ProviderError:
    if operation.mutation:
        return OutcomeUnknown(
            service=SERVICE, operation=operation.name, detail=f"outcome unknown, {code}", status=status
        )
    return Rejected(service=SERVICE, operation=operation.name, status=status, code=code, transient=True)


def _missing_scopes(error: GraphQLErrorWire) -> str | None:
    """Scope names out of a sentence such as "`read_orders` access scope."; nothing else of it is kept."""
    told = error.extensions.required_access if error.extensions is not None else None
    return ",".join(_SCOPE.findall(told or "")) or None


def _bucket_wait(cost: CostWire | None) -> timedelta:
    """Until the bucket holds what the request needs: (requested - available) / restore rate."""
    if cost is None or cost.throttle_status.restore_rate <= 0:
        return DEFAULT_WAIT
    missing = cost.requested_query_cost - cost.throttle_status.currently_available
    return timedelta(seconds=max(missing, 0.0) / cost.throttle_status.restore_rate)


def _seconds(header: str | None) -> timedelta:
    """Shopify writes `Retry-After` as seconds with a fraction ("2.0")."""
    try:
        return timedelta(seconds=max(float(header or ""), 0.0))
    except (ValueError, OverflowError):
        return DEFAULT_WAIT
