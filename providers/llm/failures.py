"""From what the OpenAI SDK raises to what this house raises, in one place.

The order of the questions is the SDK's own (`_should_retry`): the server's `x-should-retry` wins over the status. The
SDK itself repeats nothing here; the caller waits durably, so a long `Retry-After` is honoured as it stands.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import httpx2
import openai
from pydantic import ValidationError

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
)
from providers.llm.wire import ErrorBody, ErrorDetail

_SERVICE: Final = "llm"

DEFAULT_THROTTLE: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = timedelta(days=1)

_NEVER_LEFT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
# A 429 in form, an unpaid bill in substance: no waiting helps.
_OUT_OF_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_TRANSIENT_STATUSES: Final = frozenset({408, 409, 425})
_CODE = re.compile(r"[\w.\-]{1,64}")
_TOO_MANY_REQUESTS, _SERVER_ERRORS = 429, 500


def map_openai_error(exc: openai.OpenAIError, operation: str = "write") -> ProviderError:
    """What the SDK's exception means; raise the result `from None`, because the original holds the prompt.

    Connections that never came about are `NotSent`; a timeout or a break after that is `OutcomeUnknown` (the answer
    may have been written and billed). 401 and 403 are `CredentialRefused`, 429 is `Throttled` unless no waiting
    helps, everything else that the server answered is `Rejected`, transient where it may go well later.
    """
    match exc:
        case openai.APIResponseValidationError():
            return BadAnswer(service=_SERVICE, operation=operation, status=exc.status_code)
        case openai.APIStatusError():
            return _from_status(exc, operation)
        case openai.APIConnectionError():
            return _from_connection(exc, operation)
        case _:
            return OutcomeUnknown(service=_SERVICE, operation=operation, detail=type(exc).__name__)


def names_response_format(exc: openai.APIStatusError) -> bool:
    """Whether the server refuses the response format itself, as servers without JSON Schema do."""
    detail = _detail(exc.body)
    named = detail.param or detail.message or str(exc.body or "")
    return exc.status_code in {400, 422} and ("response_format" in named or "json_schema" in named)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long the server asks us to wait: `retry-after-ms`, then `retry-after` in seconds or as an HTTP date.

    A date is measured against the answer's own `Date`, so neither clock matters. None if it does not say, says
    nonsense or names the past.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    seconds = _number(headers.get("retry-after"))
    if milliseconds is not None:
        wait = timedelta(milliseconds=milliseconds)
    elif seconds is not None:
        wait = timedelta(seconds=seconds)
    else:
        try:
            wait = parsedate_to_datetime(headers["retry-after"]) - parsedate_to_datetime(headers["date"])
        except (KeyError, ValueError, TypeError, OverflowError):
            return None
    return min(wait, _LONGEST_WAIT) if wait > timedelta(0) else None


def _from_status(exc: openai.APIStatusError, operation: str) -> ProviderError:
    status = exc.status_code
    headers = exc.response.headers
    detail = _detail(exc.body)
    code = _code(detail, status)
    if status in {401, 403}:
        return CredentialRefused(service=_SERVICE, operation=operation, status=status, code=code)
    out_of_money = not _OUT_OF_MONEY.isdisjoint({str(detail.code), str(detail.type)})
    transient = (
        status == _TOO_MANY_REQUESTS or status in _TRANSIENT_STATUSES or status >= _SERVER_ERRORS
    ) and not out_of_money
    told = headers.get("x-should-retry")
    if told in {"true", "false"} and not out_of_money:
        transient = told == "true"
    wait = retry_after(headers)
    if status == _TOO_MANY_REQUESTS and transient:
        return Throttled(
            service=_SERVICE, operation=operation, retry_after=wait or DEFAULT_THROTTLE, status=status, code=code
        )
    if status >= _SERVER_ERRORS and detail == _NOTHING and transient:
        # Not the service speaking but something in front of it: the work may have been done behind.
        return OutcomeUnknown(service=_SERVICE, operation=operation, detail=f"HTTP {status}", status=status)
    return Rejected(
        service=_SERVICE, operation=operation, status=status, code=code, transient=transient, retry_after=wait
    )


def _from_connection(exc: openai.APIConnectionError, operation: str) -> ProviderError:
    cause = exc.__cause__
    kind = type(cause or exc).__name__
    if isinstance(cause, _NEVER_LEFT):
        return NotSent(service=_SERVICE, operation=operation, detail=f"not sent ({kind})")
    return OutcomeUnknown(service=_SERVICE, operation=operation, detail=f"outcome unknown ({kind})")


_NOTHING = ErrorDetail()


def _detail(body: object) -> ErrorDetail:
    # The SDK hands over what stands under `error`, or the whole body where nothing does.
    for attempt in (body, body.get("error") if isinstance(body, dict) else None):
        if isinstance(attempt, dict) and "error" not in attempt:
            try:
                return ErrorDetail.model_validate(attempt)
            except ValidationError:
                continue
    try:
        return ErrorBody.model_validate(body).error
    except ValidationError:
        return _NOTHING


def _code(detail: ErrorDetail, status: int) -> str:
    for candidate in (detail.code, detail.type):
        if candidate is not None and _CODE.fullmatch(str(candidate)):
            return str(candidate)
    return f"http_{status}"


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d{1,12}(\.\d{1,6})?", text.strip()) else None
