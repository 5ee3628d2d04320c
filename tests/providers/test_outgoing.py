"""Posting to addresses that somebody else has entered: pinned, bounded, and never led elsewhere."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from providers.outgoing import LONGEST_ANSWER, NoAnswerError, OutgoingClient, Trouble
from sandbox.receiver import Receiver, Reply
from tests.serving import serve

PUBLIC = "93.184.216.34"
BODY = b'{"type": "x"}'


class Names:
    """A resolver that gives the listed answers one after the other, then the last again, and counts who asks."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The next answer."""
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def trouble(client: OutgoingClient, url: str) -> Trouble:
    """What keeps the client from an answer."""
    with pytest.raises(NoAnswerError) as caught:
        await client.post(url, headers={}, content=BODY)
    assert str(caught.value) == caught.value.trouble.value
    return caught.value.trouble


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """The requests that leave this machine, which get as far as here."""
    requests: list[httpx.Request] = []

    async def caught(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b""), request=request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", caught)
    return requests


async def test_the_connection_goes_to_the_address_that_was_looked_at(left: list[httpx.Request]) -> None:
    """The name is resolved once; its address is connected to under the name, and a second answer is never asked for."""
    names = Names([PUBLIC], ["127.0.0.1"])
    client = OutgoingClient(resolve=names)
    assert (await client.post("https://hooks.example:8443/in?a=b", headers={}, content=BODY)).is_success
    (request,) = left
    assert names.asked == [("hooks.example", 8443)]
    assert str(request.url) == f"https://{PUBLIC}:8443/in?a=b"
    assert request.headers["Host"] == "hooks.example:8443"
    assert request.extensions["sni_hostname"] == "hooks.example"
    # The answer has changed by the next request, and is looked at again.
    assert await trouble(client, "https://hooks.example/") is Trouble.REFUSED_ADDRESS
    assert len(left) == 1


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["10.0.0.1"], [PUBLIC, "10.0.0.1"], ["::ffff:10.0.0.1"], ["fe80::1%2"]]
)
async def test_a_name_with_a_private_address_is_not_visited(left: list[httpx.Request], answer: list[str]) -> None:
    """Not even where another of its addresses is public."""
    assert await trouble(OutgoingClient(resolve=Names(answer)), "https://hooks.example/") is Trouble.REFUSED_ADDRESS
    assert not left


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "017700000001", "0x7f.1", "127.1", "0177.0.0.1", "0"])
async def test_odd_spellings_of_an_address_are_what_they_mean(left: list[httpx.Request], host: str) -> None:
    """The machine's own resolver reads decimal, octal, hexadecimal and short forms; what comes of it is looked at."""
    found = await trouble(OutgoingClient(), f"https://{host}/")
    assert found in (Trouble.REFUSED_ADDRESS, Trouble.UNKNOWN_HOST)
    assert not left


@pytest.mark.parametrize("host", ["8.8.8.010", "[2606:4700::1111]x", "[v1.x]"])
async def test_a_host_that_no_request_can_name_is_no_fault_of_ours(left: list[httpx.Request], host: str) -> None:
    """There is no answer, as of any other address that we do not go to; whoever asked goes on."""
    assert await trouble(OutgoingClient(resolve=Names([PUBLIC])), f"https://{host}/") is Trouble.REFUSED_ADDRESS
    assert not left


async def test_an_address_that_swallows_everything_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with an IPv6 address that leads nowhere from here is reached by its other one."""
    nowhere = "2606:4700::1111"

    async def connect(_: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        if request.url.host == nowhere:
            await asyncio.sleep(request.extensions["timeout"]["connect"])
            raise httpx.ConnectTimeout("")
        return httpx.Response(200, stream=httpx.ByteStream(b""), request=request)

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", connect)
    client = OutgoingClient(resolve=Names([nowhere, PUBLIC]), answers_within=0.6)
    assert (await client.post("https://hooks.example/", headers={}, content=BODY)).is_success


async def test_a_redirect_is_an_answer_and_leads_nowhere() -> None:
    """Its status is told; the place that it names gets no request, and no cookie is sent the next time."""
    secret = Receiver()
    async with serve(secret) as inside:
        receiver = Receiver()
        receiver.replies.append(Reply(status=302, headers={"location": f"{inside}/secret", "set-cookie": "a=b"}))
        async with serve(receiver) as url:
            client = OutgoingClient(private=True)
            answer = await client.post(f"{url}/in", headers={"X-A": "1"}, content=BODY)
            assert (answer.status, answer.is_success) == (302, False)
            await client.post(f"{url}/in", headers={}, content=BODY)
    assert not secret.received
    assert [one.path for one in receiver.received] == ["/in", "/in"]
    assert "cookie" not in receiver.received[1].headers
    assert receiver.received[0].headers["x-a"] == "1"


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would resolve the name again, and not as we did."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with serve(Receiver()) as url:
        assert (await OutgoingClient(private=True).post(url, headers={}, content=BODY)).status == 200


async def test_an_answer_is_read_up_to_a_limit_and_its_wait_is_understood() -> None:
    """A long body is cut, seconds in Retry-After are a span, a date is not heeded."""
    receiver = Receiver()
    receiver.replies.extend(
        [
            Reply(status=503, headers={"retry-after": "120"}, body=b"x" * (LONGEST_ANSWER + 1)),
            Reply(status=503, headers={"retry-after": "Mon, 07 Jan 2030 09:00:00 GMT"}),
        ]
    )
    async with serve(receiver) as url:
        client = OutgoingClient(private=True)
        first = await client.post(url, headers={}, content=BODY)
        second = await client.post(url, headers={}, content=BODY)
    assert (len(first.body), first.whole, first.retry_after) == (LONGEST_ANSWER, False, timedelta(minutes=2))
    assert (second.whole, second.retry_after) == (True, None)


async def test_whoever_is_slow_is_left() -> None:
    """The time is for all of it: a resolver that hangs, a body that trickles."""

    async def hangs(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    receiver = Receiver()
    receiver.always = Reply(after_s=60)
    async with serve(receiver) as url:
        assert await trouble(OutgoingClient(private=True, answers_within=0.2), url) is Trouble.TOO_SLOW
    client = OutgoingClient(resolve=hangs, answers_within=0.05)
    assert await trouble(client, "https://hooks.example/") is Trouble.TOO_SLOW


async def test_whoever_is_not_there_is_told_from_whoever_breaks_off() -> None:
    """An unknown name, a closed port, and a connection that ends before its answer."""

    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def nowhere(_host: str, _port: int) -> Sequence[str]:
        raise OSError

    async with _tcp(hang_up) as port:
        found = await trouble(OutgoingClient(private=True), f"http://127.0.0.1:{port}/")
        assert (found, found.never_left) == (Trouble.BROKEN_OFF, False)
    found = await trouble(OutgoingClient(private=True), f"http://127.0.0.1:{port}/")
    assert (found, found.never_left) == (Trouble.NOT_CONNECTED, True)
    assert await trouble(OutgoingClient(resolve=nowhere), "https://hooks.example/") is Trouble.UNKNOWN_HOST


async def test_a_certificate_must_be_the_names_own(tmp_path: Path) -> None:
    """At the pinned address the certificate is asked for, and believed, for the name that was entered."""
    authority = _certificate("hooks.example", tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(cadata=authority)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    client = OutgoingClient(private=True, resolve=Names(["127.0.0.1"]), trust=trust)
    async with _tcp(answer, server) as port:
        assert (await client.post(f"https://hooks.example:{port}/", headers={}, content=BODY)).status == 204
        assert await trouble(client, f"https://other.example:{port}/") is Trouble.NOT_CONNECTED


@contextlib.asynccontextmanager
async def _tcp(
    serve_one: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _certificate(name: str, folder: Path) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    (folder / "cert.pem").write_bytes(certificate)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate.decode()
