import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.enums import TemplateStatus
from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
)
from providers.whatsapp.client import WhatsAppClient
from providers.whatsapp.messages import text_message
from providers.whatsapp.wire import MessageStatus, PhoneNumberHealth, SendResponse

SAMPLES = Path(__file__).parents[4] / "shared" / "reference" / "whatsapp_samples"
NUMBER, TOKEN, PHONE = "900000000000001", "secret-token", "+447700900123"
MESSAGE = text_message(to=PHONE, body="Hello", callback_data="1:0:0:1")


def client(handler: Callable[[httpx.Request], httpx.Response]) -> WhatsAppClient:
    """A client whose network is the handler."""
    return WhatsAppClient(httpx.AsyncClient(transport=httpx.MockTransport(handler)), base_url="https://graph.example")


async def failure(answer: httpx.Response) -> ProviderError:
    """What `send` raises for this answer; it never shows the token or the phone."""
    with pytest.raises(ProviderError) as caught:
        await client(lambda _: answer).send(NUMBER, TOKEN, MESSAGE)
    assert TOKEN not in str(caught.value)
    assert "7700900" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def graph_error(status: int, **error: Any) -> httpx.Response:
    """An answer with a Graph error."""
    return httpx.Response(status, json={"error": {"message": f"to {PHONE}", "type": "OAuthException", **error}})


async def test_a_message_is_posted_as_documented() -> None:
    """Path, version, token and body are what the Cloud API expects."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        body = {"messaging_product": "whatsapp", "contacts": [], "messages": [{"id": "wamid.1"}]}
        return httpx.Response(200, json=body)

    response = await client(handler).send(NUMBER, TOKEN, MESSAGE)
    assert (response.wamid, response.status) == ("wamid.1", MessageStatus.ACCEPTED)
    (request,) = seen
    assert str(request.url) == f"https://graph.example/v26.0/{NUMBER}/messages"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert json.loads(request.content) == {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": PHONE,
        "type": "text",
        "text": {"body": "Hello", "preview_url": False},
        "biz_opaque_callback_data": "1:0:0:1",
    }


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("resp_text", MessageStatus.ACCEPTED),
        ("resp_bsuid", MessageStatus.ACCEPTED),
        ("resp_template_accepted", MessageStatus.ACCEPTED),
        ("resp_template_held", MessageStatus.HELD_FOR_QUALITY_ASSESSMENT),
    ],
)
def test_every_sampled_answer_is_read(name: str, status: MessageStatus) -> None:
    """Recorded success answers give an id and a status."""
    response = SendResponse.model_validate(json.loads((SAMPLES / f"{name}.json").read_text())["body"])
    assert response.wamid == "wamid.TEST0001"
    assert response.status is status


@pytest.mark.skipif(not SAMPLES.exists(), reason="the samples are not here")
@pytest.mark.parametrize(
    ("code", "kind"), [(130429, Throttled), (131056, Rejected), (132001, Rejected), (190, CredentialRefused)]
)
async def test_every_sampled_error_is_classified(code: int, kind: type[ProviderError]) -> None:
    """Recorded error answers come out as the right type."""
    body = json.loads((SAMPLES / f"graph_error_{code}.json").read_text())["body"]
    assert type(await failure(httpx.Response(400, json=body))) is kind


@pytest.mark.parametrize("code", [0, 3, 10, 33, 104, 190, 200, 250, 299, 131005])
async def test_codes_about_the_credential_are_told_apart(code: int) -> None:
    """A person must act on these; no message is to blame."""
    assert isinstance(await failure(graph_error(400, code=code)), CredentialRefused)


async def test_an_invalid_parameter_is_a_rejection_unless_the_object_is_missing() -> None:
    """Code 100 blames the request, 100 with subcode 33 the number or the token."""
    assert isinstance(await failure(graph_error(400, code=100)), Rejected)
    assert isinstance(await failure(graph_error(400, code=100, error_subcode=33)), CredentialRefused)


async def test_a_rejection_carries_what_the_service_said() -> None:
    """Code (also as a numeric string), subcode, status and transience are kept; odd extras do no harm."""
    error = await failure(
        graph_error(500, code="131000", error_subcode="7", is_transient=True, error_data="text", extra=None)
    )
    assert isinstance(error, Rejected)
    assert (error.status, error.code, error.subcode, error.transient) == (500, "131000", "7", True)
    plain = await failure(graph_error(400, code=131047, error_subcode={}, is_transient="no", error_data=[1]))
    assert isinstance(plain, Rejected)
    assert (plain.code, plain.subcode, plain.transient, plain.retry_after) == ("131047", None, False, None)


@pytest.mark.parametrize(
    ("code", "usage", "expected"),
    [
        (80007, '{"8":[{"estimated_time_to_regain_access":0},{"estimated_time_to_regain_access":19}]}', 19 * 60),
        (4, '{"8":[{"estimated_time_to_regain_access":0}]}', 5 * 60),
        (130429, "no json", 10),
        (130429, '{"8":[{"estimated_time_to_regain_access":1e9}]}', 24 * 60 * 60),
        (130429, '[{"x":1}]', 10),
    ],
)
async def test_a_throttle_says_when_to_come_back(code: int, usage: str, expected: int) -> None:
    """The usage header's longest estimate counts (in minutes, a day at most), else a default for the code."""
    answer = graph_error(400, code=code)
    answer.headers["X-Business-Use-Case-Usage"] = usage
    error = await failure(answer)
    assert isinstance(error, Throttled)
    assert error.retry_after == timedelta(seconds=expected)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(500, html="<h1>Sorry</h1>"), OutcomeUnknown),
        (httpx.Response(502), OutcomeUnknown),
        (httpx.Response(503, json={"error": "busy"}), OutcomeUnknown),
        (httpx.Response(408), OutcomeUnknown),
        (httpx.Response(302, headers={"Location": "https://elsewhere.example"}), OutcomeUnknown),
        (httpx.Response(413, html="too large"), Rejected),
        (httpx.Response(401), CredentialRefused),
        (httpx.Response(429, headers={"Retry-After": "7"}), Throttled),
        (httpx.Response(200, html="<h1>Hello</h1>"), BadAnswer),
        (httpx.Response(200, json={"messages": []}), BadAnswer),
        (httpx.Response(200, json={"error": {"code": 131047}}), Rejected),
    ],
)
async def test_answers_without_a_graph_error_say_only_what_they_prove(
    answer: httpx.Response, kind: type[ProviderError]
) -> None:
    """A 4xx proves that nothing was done; a 5xx page, a timeout page or a redirect prove nothing."""
    assert type(await failure(answer)) is kind


@pytest.mark.parametrize(
    ("exc", "kind"),
    [(httpx.ConnectError, NotSent), (httpx.ReadTimeout, OutcomeUnknown), (httpx.ReadError, OutcomeUnknown)],
)
async def test_transport_failures_are_classified(exc: type[httpx.TransportError], kind: type[ProviderError]) -> None:
    """A refused connection is safe to repeat, a broken one is not."""

    def handler(request: httpx.Request) -> httpx.Response:
        raise exc("boom", request=request)

    with pytest.raises(kind):
        await client(handler).send(NUMBER, TOKEN, MESSAGE)


@pytest.mark.parametrize("token", ["", "line\nbreak", "näh"])
async def test_a_token_that_is_no_header_never_leaves_and_is_never_shown(token: str) -> None:
    """A secret pasted with its line break is reported as a credential, not as an unknown outcome."""
    with pytest.raises(CredentialRefused) as caught:
        await client(lambda _: httpx.Response(200)).send(NUMBER, token, MESSAGE)
    assert not token or token not in str(caught.value)


async def test_all_pages_of_templates_are_read_and_odd_entries_left_out() -> None:
    """The list is followed to its end by cursor, and one template that makes no sense hides no other."""
    cursors: list[str | None] = []
    component = {"type": "BODY", "text": "Hi {{1}}, {{2}}{{1}}", "example": None}
    buttons = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY"}, {"type": "COPY_CODE"}]}
    pages: dict[str | None, dict[str, Any]] = {
        None: {
            "data": [
                {"id": 1, "name": "a", "language": "en", "status": "APPROVED", "components": [component, buttons]},
                {"id": "2", "name": "no_language"},
                7,
            ],
            "paging": {"cursors": {"after": "X"}, "next": "https://graph.example/?access_token=leak"},
        },
        "X": {
            "data": [{"id": "3", "name": "b", "language": "es", "status": "BRAND_NEW", "components": None}],
            "paging": {"cursors": {"after": "Y"}},
        },
    }

    def handler(request: httpx.Request) -> httpx.Response:
        cursor = request.url.params.get("after")
        cursors.append(cursor)
        return httpx.Response(200, json=pages[cursor])

    first, second = await client(handler).templates("800000000000001", TOKEN)
    assert cursors == [None, "X"]
    assert (first.id, first.status, first.variables, first.copy_code_index) == (
        "1",
        TemplateStatus.APPROVED,
        ("1", "2"),
        1,
    )
    assert (second.name, second.status, second.body, second.copy_code_index) == ("b", TemplateStatus.UNKNOWN, "", None)


async def test_a_list_that_never_ends_is_a_bad_answer() -> None:
    """A service that repeats a page forever cannot keep us forever."""
    page = {
        "data": [{"id": "1", "name": "a", "language": "en"}],
        "paging": {"cursors": {"after": "X"}, "next": "https://graph.example/again"},
    }
    with pytest.raises(BadAnswer):
        await client(lambda _: httpx.Response(200, json=page)).templates("800000000000001", TOKEN)


@pytest.mark.parametrize(
    ("told", "limit"),
    [("TIER_250", 250), ("TIER_2K", 2000), ("TIER_100K", 100_000), ("TIER_UNLIMITED", None), (None, None)],
)
def test_the_daily_limit_is_a_number_or_none(told: str | None, limit: int | None) -> None:
    """Meta's tier names become the number that the guards compare with."""
    health = PhoneNumberHealth.model_validate({"id": NUMBER, "whatsapp_business_manager_messaging_limit": told})
    assert health.daily_limit == limit
