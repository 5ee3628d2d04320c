"""Asking a store's own CRM whether somebody has bought."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from providers.crm import CrmAccess, CrmAnswer, CrmClient
from providers.errors import BadAnswer, CredentialRefused, NotSent, OutcomeUnknown, ProviderError, Rejected, Throttled
from providers.outgoing import OutgoingClient
from sandbox.receiver import Receiver, Reply
from storage.secrets import is_signing_secret, new_signing_secret
from tests.serving import serve

NOW = datetime(2030, 1, 7, 12, tzinfo=UTC)
SINCE = NOW - timedelta(days=2)
PHONE = "+447700900123"


class Crm:
    """A CRM and whoever asks it."""

    def __init__(self, receiver: Receiver, url: str, secret: str) -> None:
        self.receiver = receiver
        self.access = CrmAccess(url=f"{url}/bought", secret=secret)

    async def asked(self, reply: Reply, *, within: float = 10) -> CrmAnswer:
        """What comes of a question that is answered like this."""
        self.receiver.replies.append(reply)
        client = CrmClient(OutgoingClient(private=True, answers_within=within), lambda: NOW)
        return await client.has_bought(self.access, phone=PHONE, external_id="77", since=SINCE)


@pytest.fixture
async def crm() -> AsyncIterator[Crm]:
    """A CRM that knows the secret."""
    secret = new_signing_secret()
    assert is_signing_secret(secret)
    receiver = Receiver(secret, at_any_time=True)
    async with serve(receiver) as url:
        yield Crm(receiver, url, secret)


async def test_the_question_is_signed_and_names_the_person(crm: Crm) -> None:
    """Phone, the shop's id and the moment stand in the body, none of them in the URL."""
    assert await crm.asked(Reply(body=b'{"bought": true, "at": "2030-01-06T10:00:00Z", "more": 1}')) == CrmAnswer(
        bought=True, at=datetime(2030, 1, 6, 10, tzinfo=UTC)
    )
    (asked,) = crm.receiver.received
    assert asked.genuine
    assert asked.path == "/bought"
    assert asked.body == {
        "question": "has_bought",
        "phone": PHONE,
        "reference": "77",
        "since": "2030-01-05T12:00:00Z",
    }


@pytest.mark.parametrize(
    ("body", "bought"),
    [
        (b'{"bought": false}', False),
        (b'{"bought": true}', True),
        (b'{"bought": true, "at": null}', True),
        (b'{"bought": true, "at": "2030-01-01T00:00:00+00:00"}', False),
    ],
)
async def test_an_answer_counts_from_the_moment_that_was_asked_about(crm: Crm, body: bytes, bought: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """An older purchase is none, whatever the CRM makes of it."""
    assert (await crm.asked(Reply(body=body))).bought is bought


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply(body=b"<html>"), BadAnswer),
        (Reply(body=b'{"bought": "yes"}'), BadAnswer),
        (Reply(body=b'{"bought": 1}'), BadAnswer),
        (Reply(body=b'{"at": "2030-01-06T10:00:00Z"}'), BadAnswer),
        (Reply(body=b'{"bought": true, "at": "2030-01-06T10:00:00"}'), BadAnswer),
        (Reply(body=b'{"bought": false}' + b" " * 70_000), BadAnswer),
        (Reply(body=b'{"bought": false}', headers={"content-encoding": "gzip"}), BadAnswer),
        (Reply(status=204, body=b""), Rejected),
        (Reply(status=301, headers={"location": "http://127.0.0.1:1/"}), Rejected),
        (Reply(status=404), Rejected),
        (Reply(status=500), Rejected),
        (Reply(status=401), CredentialRefused),
        (Reply(status=429, headers={"retry-after": "7"}), Throttled),
    ],
)
async def test_an_answer_that_cannot_be_relied_on_is_an_error(
    crm: Crm, reply: Reply, error: type[ProviderError]
) -> None:
    """Rubbish, half answers, redirects and refusals are never read as "has not bought"; no error names anybody."""
    with pytest.raises(error) as caught:
        await crm.asked(reply)
    assert PHONE not in str(caught.value)
    if isinstance(caught.value, Throttled):
        assert caught.value.retry_after == timedelta(seconds=7)
    if isinstance(caught.value, Rejected):
        assert caught.value.transient is (reply.status == 500)


async def test_no_answer_is_told_from_a_question_that_never_left(crm: Crm) -> None:
    """Both are repeated; and a CRM on a private network is not asked at all."""
    with pytest.raises(OutcomeUnknown):
        await crm.asked(Reply(after_s=5), within=0.2)
    client = CrmClient(OutgoingClient(), lambda: NOW)
    with pytest.raises(NotSent, match="refused_address"):
        await client.has_bought(crm.access, phone=PHONE, external_id=None, since=SINCE)
