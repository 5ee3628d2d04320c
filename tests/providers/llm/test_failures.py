"""From the SDK's exceptions to ours."""

from datetime import timedelta

import httpx2
import openai
import pytest

from providers.errors import BadAnswer, CredentialRefused, NotSent, OutcomeUnknown, ProviderError, Rejected, Throttled
from providers.llm.failures import map_openai_error, retry_after

URL = "http://llm.example/v1/chat/completions"
NOW = "Tue, 01 Jan 2030 10:00:00 GMT"


def status_error(status: int, body: object = None, **headers: str) -> openai.APIStatusError:
    """What the SDK raises for an answer with this status."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = httpx2.Response(status, headers=sent, request=httpx2.Request("POST", URL))
    return openai.APIStatusError("told", response=response, body=body)


def broken(cause: Exception | None) -> openai.APIConnectionError:
    """What the SDK raises when there is no answer."""
    error = openai.APIConnectionError(request=httpx2.Request("POST", URL))
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "3"}, timedelta(seconds=3)),
        ({"retry-after": "0.5"}, timedelta(milliseconds=500)),
        ({"retry-after-ms": "250", "retry-after": "3"}, timedelta(milliseconds=250)),
        ({"retry-after": "Tue, 01 Jan 2030 10:00:30 GMT", "date": NOW}, timedelta(seconds=30)),
        ({"retry-after": "Tue, 01 Jan 2030 09:00:00 GMT", "date": NOW}, None),
        ({"retry-after": "Tue, 01 Jan 2030 10:00:30 GMT"}, None),
        ({"retry-after": "soon", "date": NOW}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "999999999999"}, timedelta(days=1)),
    ],
)
def test_how_long_the_server_asks_us_to_wait(headers: dict[str, str], expected: timedelta | None) -> None:
    """Milliseconds, seconds or a date against the answer's own; nonsense and the past say nothing; at most a day."""
    assert retry_after(headers) == expected


@pytest.mark.parametrize(
    ("status", "transient"), [(400, False), (404, False), (408, True), (409, True), (422, False), (418, False)]
)
def test_which_rejections_may_go_better_later(status: int, transient: bool) -> None:  # noqa: FBT001 - a table's column
    """Timeouts and conflicts may be asked again; what is wrong with the request stays wrong."""
    error = map_openai_error(status_error(status, {"message": "told", "code": "some_code"}))
    assert isinstance(error, Rejected)
    assert (error.transient, error.status, error.code) == (transient, status, "some_code")


@pytest.mark.parametrize(
    ("status", "told", "expected", "transient"),
    [(429, "false", Rejected, False), (500, "false", Rejected, False), (400, "true", Rejected, True)],
)
def test_the_servers_own_word_on_repeating_wins(
    status: int,
    told: str,
    expected: type[ProviderError],
    transient: bool,  # noqa: FBT001 - a table's column
) -> None:
    """`x-should-retry` is heard before the status."""
    error = map_openai_error(status_error(status, {"message": "told"}, x_should_retry=told))
    assert isinstance(error, expected)
    assert getattr(error, "transient", None) is transient


@pytest.mark.parametrize("where", ["code", "type"])
@pytest.mark.parametrize("word", ["insufficient_quota", "billing_hard_limit_reached"])
def test_an_unpaid_bill_is_no_throttle(where: str, word: str) -> None:
    """No waiting and no header makes an exhausted quota worth repeating."""
    error = map_openai_error(
        status_error(429, {"message": "told", where: word}, retry_after="1", x_should_retry="true")
    )
    assert isinstance(error, Rejected)
    assert not error.transient


def test_a_throttle_without_a_hint_waits_the_default() -> None:
    """A 429 that does not say when is asked again after a while, and its code is kept."""
    error = map_openai_error(status_error(429, {"error": {"message": "told", "type": "tokens"}}))
    assert isinstance(error, Throttled)
    assert (error.retry_after, error.code) == (timedelta(seconds=10), "tokens")


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_a_credential(status: int) -> None:
    """Neither status is worth repeating before somebody acts."""
    assert isinstance(map_openai_error(status_error(status)), CredentialRefused)


@pytest.mark.parametrize("body", [None, "<html>", {"unrelated": {"a": 1}}])
def test_a_5xx_without_the_services_own_error_may_have_worked(body: object) -> None:
    """Something in front of the server gave up; what is behind may have written and billed."""
    assert isinstance(map_openai_error(status_error(503, body)), OutcomeUnknown)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (httpx2.ConnectError("x"), NotSent),
        (httpx2.ConnectTimeout("x"), NotSent),
        (httpx2.PoolTimeout("x"), NotSent),
        (httpx2.ReadTimeout("x"), OutcomeUnknown),
        (httpx2.RemoteProtocolError("x"), OutcomeUnknown),
        (None, OutcomeUnknown),
    ],
)
def test_a_connection_that_never_was_is_told_from_one_that_broke(
    cause: Exception | None, expected: type[ProviderError]
) -> None:
    """Only what provably never left counts as not sent."""
    assert type(map_openai_error(broken(cause))) is expected


def test_what_the_sdk_cannot_read_is_a_bad_answer() -> None:
    """The SDK's own validation error is an answer that cannot be understood."""
    response = httpx2.Response(200, request=httpx2.Request("POST", URL))
    assert isinstance(map_openai_error(openai.APIResponseValidationError(response=response, body=None)), BadAnswer)


def test_an_unknown_exception_of_the_sdk_claims_nothing() -> None:
    """What a later SDK may raise is treated as unknown, not as harmless."""
    assert isinstance(map_openai_error(openai.OpenAIError("x")), OutcomeUnknown)
