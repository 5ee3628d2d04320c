"""Speaks to the WhatsApp Cloud API; one call is one HTTP request (a page at a time for lists) and never a retry.

There is no idempotency key on `/messages`: repeating a request sends the message again. So nothing here repeats
anything, and every failure says what is known about the effect (`providers.errors`).
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import httpx
from pydantic import ValidationError

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
    classify_transport,
)
from providers.whatsapp.wire import (
    DEFAULT_VERSION,
    GraphError,
    GraphErrorBody,
    PhoneNumberHealth,
    SendResponse,
    SendTemplate,
    SendText,
    Template,
    TemplatePage,
)

BASE_URL: Final = "https://graph.facebook.com"
TIMEOUT: Final = httpx.Timeout(connect=5.0, write=10.0, read=30.0, pool=5.0)
"""Seconds. The read is patient: giving up early turns a slow success into an unknown outcome."""

_TEMPLATE_FIELDS: Final = "id,name,status,category,language,components,parameter_format,quality_score,rejected_reason"
_HEALTH_FIELDS: Final = (
    "id,display_phone_number,verified_name,quality_rating,throughput,name_status,status,"
    "whatsapp_business_manager_messaging_limit"
)
_HEALTH_STATUS: Final = ",health_status"
_PAGE_SIZE: Final = 100
_MOST_PAGES: Final = 200  # a WABA holds far fewer; a list that goes on is a list that repeats itself

# Meta's error reference: the token, its permissions or the account behind it, never the message.
_CREDENTIAL_CODES: Final = frozenset({0, 3, 10, 33, 104, 190, 131005, *range(200, 300)})
_MISSING_OBJECT: Final = (100, 33)  # what a wrong phone number id or a missing permission really answers
# The app's and the WABA's quota reopen within minutes, a number's messages per second at once.
_THROTTLES: Final = {4: timedelta(minutes=5), 80007: timedelta(minutes=5), 130429: timedelta(seconds=10)}
_LONGEST_WAIT: Final = timedelta(days=1)
_TOO_MANY_REQUESTS: Final = 429
_REQUEST_TIMEOUT: Final = 408
_UNAUTHORIZED: Final = 401


class WhatsAppClient:
    """The Cloud API for any number, with the caller's token.

    Every call may name an `endpoint` of its own: a number of the sandbox lives elsewhere than Meta's.

    Args:
        http: a client whose pool is shared by the whole process; its own base URL and headers are not used.
        base_url: where the Graph API listens.
        version: Graph version, such as `v26.0`.
        timeout: seconds for each phase of a request.
        asks_health_status: whether a number is asked for its `health_status` too. We know that field from others'
            words alone, and a field that is not there is an error to Graph.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        base_url: str = BASE_URL,
        version: str = DEFAULT_VERSION,
        timeout: httpx.Timeout = TIMEOUT,
        asks_health_status: bool = False,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._version = version
        self._timeout = timeout
        self._health_fields = _HEALTH_FIELDS + (_HEALTH_STATUS if asks_health_status else "")

    async def send(
        self, phone_number_id: str, token: str, body: SendTemplate | SendText, *, endpoint: str | None = None
    ) -> SendResponse:
        """Post one message; a return means that Meta took it, which is not delivery.

        Raises:
            NotSent: it never left.
            Rejected: Meta did not take it; `code` says why.
            Throttled: Meta did not take it because the app, the WABA or the number sends too fast.
            CredentialRefused: the token or the number is wrong.
            OutcomeUnknown: it may have been taken; posting it again may send it twice.
            BadAnswer: a success status without a message id: it was probably taken.
        """
        answer = await self._request(
            "send", "POST", f"{phone_number_id}/messages", token, json_body=body.payload(), endpoint=endpoint
        )
        try:
            return SendResponse.model_validate(_json(answer))
        except ValidationError:
            raise _misread("send", answer) from None

    async def templates(self, waba_id: str, token: str, *, endpoint: str | None = None) -> list[Template]:
        """All templates of a WABA, every language of each, from all pages.

        An entry without an id, a name and a language is left out: nothing can be sent with it.

        Raises:
            ProviderError: as for `send`; nothing has an effect here.
        """
        found: list[Template] = []
        params = {"fields": _TEMPLATE_FIELDS, "limit": str(_PAGE_SIZE)}
        for _ in range(_MOST_PAGES):
            answer = await self._request(
                "templates", "GET", f"{waba_id}/message_templates", token, params=params, endpoint=endpoint
            )
            try:
                page = TemplatePage.model_validate(_json(answer))
            except ValidationError:
                raise _misread("templates", answer) from None
            found.extend(template for entry in page.data if (template := _template(entry)) is not None)
            after = page.paging.cursors.after
            if page.paging.next is None or not page.data or after is None:
                return found
            params["after"] = after
        raise BadAnswer(service="whatsapp", operation="templates", detail="the list of templates does not end")

    async def phone_number(self, phone_number_id: str, token: str, *, endpoint: str | None = None) -> PhoneNumberHealth:
        """How the business number is doing.

        Raises:
            ProviderError: as for `send`; nothing has an effect here.
        """
        answer = await self._request(
            "phone_number", "GET", phone_number_id, token, params={"fields": self._health_fields}, endpoint=endpoint
        )
        try:
            return PhoneNumberHealth.model_validate(_json(answer))
        except ValidationError:
            raise _misread("phone_number", answer) from None

    async def _request(
        self,
        operation: str,
        method: str,
        path: str,
        token: str,
        *,
        params: Mapping[str, str] | None = None,
        json_body: dict[str, Any] | None = None,
        endpoint: str | None = None,
    ) -> httpx.Response:
        if not (token and token.isascii() and token.isprintable()):
            # Such a header cannot be written, and the exception that says so would quote it.
            raise CredentialRefused(service="whatsapp", operation=operation, status=None)
        # httpx's own texts may quote a header or a URL, so none of its exceptions stays as a cause.
        try:
            answer = await self._http.request(
                method,
                f"{(endpoint or self._base_url).rstrip('/')}/{self._version}/{path}",
                params=params,
                json=json_body,
                headers={"Authorization": f"Bearer {token}"},
                timeout=self._timeout,
                follow_redirects=False,
            )
        except httpx.TransportError as exc:
            raise classify_transport(exc, service="whatsapp", operation=operation) from None
        except httpx.DecodingError:
            raise OutcomeUnknown(
                service="whatsapp", operation=operation, detail="outcome unknown (an undecodable answer)"
            ) from None
        except httpx.InvalidURL:
            raise NotSent(service="whatsapp", operation=operation, detail="not sent (InvalidURL)") from None
        if answer.is_success:
            return answer
        raise _refusal(operation, answer)


def _json(answer: httpx.Response) -> Any:
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


def _template(entry: Any) -> Template | None:
    try:
        return Template.model_validate(entry)
    except ValidationError:
        return None


def _graph_error(answer: httpx.Response) -> GraphError | None:
    try:
        return GraphErrorBody.model_validate(_json(answer)).error
    except ValidationError:
        return None


def _misread(operation: str, answer: httpx.Response) -> ProviderError:
    """A success status whose body is not the expected one: an error in disguise, or nothing that we know."""
    if _graph_error(answer) is not None:
        return _refusal(operation, answer)
    return BadAnswer(service="whatsapp", operation=operation, status=answer.status_code)


def _refusal(operation: str, answer: httpx.Response) -> ProviderError:
    status = answer.status_code
    error = _graph_error(answer)
    if error is None:
        return _without_error(operation, answer)
    code, subcode = error.code, error.error_subcode
    finer = None if subcode is None else str(subcode)
    if code in _CREDENTIAL_CODES or (code, subcode) == _MISSING_OBJECT:
        return CredentialRefused(service="whatsapp", operation=operation, status=status, code=str(code), subcode=finer)
    asked = _asked_wait(answer)
    if code in _THROTTLES or status == _TOO_MANY_REQUESTS:
        wait = asked or _THROTTLES.get(code, timedelta(minutes=1))
        return Throttled(service="whatsapp", operation=operation, retry_after=wait, status=status, code=str(code))
    return Rejected(
        service="whatsapp",
        operation=operation,
        status=status,
        code=str(code),
        subcode=finer,
        transient=error.is_transient is True,
        retry_after=asked,
    )


def _without_error(operation: str, answer: httpx.Response) -> ProviderError:
    """A refusal that is not Meta's own: a gateway's page. Only a 4xx says that nothing was done."""
    status = answer.status_code
    if status == _TOO_MANY_REQUESTS:
        wait = _asked_wait(answer) or timedelta(minutes=1)
        return Throttled(service="whatsapp", operation=operation, retry_after=wait, status=status)
    if status == _UNAUTHORIZED:
        return CredentialRefused(service="whatsapp", operation=operation, status=status)
    if answer.is_client_error and status != _REQUEST_TIMEOUT:
        return Rejected(service="whatsapp", operation=operation, status=status, code=f"http_{status}")
    return OutcomeUnknown(
        service="whatsapp", operation=operation, status=status, detail=f"outcome unknown (HTTP {status}, no error body)"
    )


def _asked_wait(answer: httpx.Response) -> timedelta | None:
    """How long Meta asks us to wait: the longest `estimated_time_to_regain_access` (minutes), or `Retry-After`."""
    waits: list[timedelta] = []
    try:
        usage = json.loads(answer.headers.get("X-Business-Use-Case-Usage", "{}"))
        entries = [entry for group in usage.values() for entry in group]
        waits = [timedelta(minutes=float(entry.get("estimated_time_to_regain_access", 0))) for entry in entries]
    except (ValueError, TypeError, AttributeError, OverflowError):
        waits = []
    seconds = answer.headers.get("Retry-After", "")
    if seconds.isdecimal() and len(seconds) < len("1000000"):
        waits.append(timedelta(seconds=int(seconds)))
    longest = max(waits, default=timedelta(0))
    return min(longest, _LONGEST_WAIT) if longest > timedelta(0) else None
