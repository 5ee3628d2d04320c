from datetime import timedelta

import httpx
import pytest

from providers.errors import CredentialRefused, NotSent, OutcomeUnknown, Rejected, Throttled, classify_transport

REQUEST = httpx.Request("POST", "https://graph.example.com/v26.0/900000000000001/messages")


@pytest.mark.parametrize("kind", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_a_request_that_never_left_is_not_sent(kind: type[httpx.TransportError]) -> None:
    """A failure before the connection stands proves that nothing happened."""
    error = classify_transport(kind("x", request=REQUEST), service="whatsapp", operation="send")
    assert isinstance(error, NotSent)


@pytest.mark.parametrize(
    "kind", [httpx.ReadTimeout, httpx.WriteTimeout, httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError]
)
def test_a_request_that_may_have_left_has_an_unknown_outcome(kind: type[httpx.TransportError]) -> None:
    """A failure after the connection stands says nothing about the effect."""
    error = classify_transport(kind("x", request=REQUEST), service="whatsapp", operation="send")
    assert isinstance(error, OutcomeUnknown)


def test_the_text_of_a_transport_failure_is_not_copied() -> None:
    """What httpx says may quote a host, a header or a number, so it does not reach our message."""
    error = classify_transport(
        httpx.ReadError("to +447700900123 at graph.example.com", request=REQUEST), service="whatsapp", operation="send"
    )
    assert "447700900123" not in str(error)
    assert "example" not in str(error)


def test_messages_name_service_operation_status_and_codes() -> None:
    """A log line is enough to know what was refused and how."""
    rejected = Rejected(service="whatsapp", operation="send", status=400, code="131047", subcode="7")
    assert str(rejected) == "whatsapp send: rejected, HTTP 400, code 131047/7"
    assert rejected.code_number == 131047
    assert Rejected(service="shopify", operation="orders", status=200, code="THROTTLED").code_number is None
    throttled = Throttled(service="llm", operation="chat", retry_after=timedelta(seconds=90), status=429)
    assert str(throttled) == "llm chat: throttled, HTTP 429, retry in 90 s"
    refused = CredentialRefused(service="whatsapp", operation="send", status=None)
    assert str(refused) == "whatsapp send: credential refused, not sent"
