"""Endpoints of a store's own systems on the command line, and the CRM's question."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from models.enums import DeliveryState
from models.tables import Store, WebhookDelivery, WebhookEndpoint
from sandbox.receiver import Receiver, Reply
from storage.secrets import Cipher
from tests.cli.conftest import Answer, Scene
from tests.cli.recorded import NOW, check, store_file
from tests.serving import serve

__all__ = ["store_file"]

URL = "https://hooks.example/in"
_VOLATILE = re.compile(r"whsec_[\w+/=]+|msg_[0-9a-f]{20}|http://127\.0\.0\.1:\d+")


def steady(answer: Answer) -> Answer:
    """The answer without what is another one each time."""
    return Answer(answer.code, _VOLATILE.sub("*", answer.out), answer.err)


@pytest.fixture
async def receiver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Receiver, str]]:
    """A system of the store's own on this machine, which is allowed here."""
    monkeypatch.setenv("REKINDLE_OUTGOING_PRIVATE", "allow")
    found = Receiver(at_any_time=True)
    async with serve(found) as url:
        yield found, url


async def test_the_family_of_documents(world: Scene) -> None:
    """Added, listed, its deliveries, disabled, enabled, rotated, removed; secrets are shown when they are made."""
    world.clock = NOW
    added = await world.run("webhooks", "add", URL, "--event", "journey.exited", "--event", "message.failed", "--json")
    check("webhooks-add", steady(added))
    secret = json.loads(added.out)["secret"]
    assert secret.removeprefix("whsec_").encode() not in world.stored()
    tried = await world.run("webhooks", "test", "1", "--json")
    check("webhooks-test", steady(tried), code=1)
    async with world.database.write() as session:
        row = await session.get_one(WebhookDelivery, 1)
        row.state, row.tries, row.last_status, row.last_error = DeliveryState.FAILED, 11, 301, "redirect"
        row.first_try_at, row.last_try_at, row.settled_at = NOW, NOW + timedelta(days=1), NOW + timedelta(days=1)
        row.next_try_at = None
        endpoint = await session.get_one(WebhookEndpoint, 1)
        endpoint.failing_since = NOW
    check("webhooks-deliveries", steady(await world.run("webhooks", "deliveries", "--failed", "--json")))
    shown = await world.run("webhooks", "deliveries")
    assert "HTTP 301, redirect" in shown.out
    check("webhooks-retry", steady(await world.run("webhooks", "retry", "1", "--json")))
    check("webhooks-disable", await world.run("webhooks", "disable", "1", "--json"))
    listed = await world.run("webhooks", "list", "--json")
    check("webhooks-list", listed)
    assert "disabled (staff)" in (await world.run("webhooks", "list")).out
    told = json.loads((await world.run("doctor", "--json")).out)["findings"]
    assert [one["state"] for one in told if one["subject"].endswith("webhooks") and "endpoint 1" in one["text"]] == [
        "warning"
    ]
    check("webhooks-enable", await world.run("webhooks", "enable", "1", "--json"))
    rotated = await world.run("webhooks", "rotate", "1", "--json")
    check("webhooks-rotate", steady(rotated))
    assert json.loads(rotated.out)["secret"] != secret
    check("webhooks-remove", await world.run("webhooks", "remove", "1", "--yes", "--json"))
    assert (await world.run("webhooks", "disable", "1")).code == 3
    assert (await world.run("webhooks", "retry", "99")).code == 3


async def test_what_cannot_be_told_is_refused(world: Scene) -> None:
    """A URL that leads to a private network, and a kind that there is not; nothing is stored."""
    for words in (["http://127.0.0.1:9/"], ["https://10.0.0.1/"], [URL, "--event", "journey.begun"]):
        answer = await world.run("webhooks", "add", *words)
        assert answer.code == 2, answer.err
    async with world.database.read() as session:
        assert not (await session.exec(select(WebhookEndpoint))).all()


@pytest.mark.usefixtures("receiver", "worker")
async def test_a_test_tells_what_the_endpoint_answers(world: Scene, receiver: tuple[Receiver, str]) -> None:
    """Through relay and worker: taken, or refused with its status."""
    system, url = receiver
    added = await world.run("webhooks", "add", f"{url}/in", "--json")
    system.secrets.append(json.loads(added.out)["secret"])
    answer = await world.run("webhooks", "test", "1")
    assert (answer.code, "has taken the test (HTTP 200)" in answer.out) == (0, True), answer.err
    assert system.received[0].genuine
    system.replies.append(Reply(status=403))
    answer = await world.run("webhooks", "test", "1")
    assert (answer.code, "has not taken the test: HTTP 403" in answer.out) == (1, True)


async def test_a_store_tells_where_its_crm_is(world: Scene, receiver: tuple[Receiver, str], store_file: Path) -> None:
    """The secret is made and shown once; a check asks about nobody; `none` takes it away."""
    crm, url = receiver
    added = json.loads((await _renew(world, store_file, "--crm-url", f"{url}/bought")).out)
    secret = added["crm_secret"]
    crm.secrets.append(secret)
    assert added["store"]["crm_url"] == f"{url}/bought"
    assert json.loads((await _renew(world, store_file)).out)["crm_secret"] is None
    async with world.database.read() as session:
        store = (await session.exec(select(Store).where(Store.slug == "second"))).one()
        assert isinstance(world.cipher, Cipher)
        assert world.cipher.decrypt(store.crm_secret or "") == secret
    crm.replies.extend([Reply(body=b'{"bought": false}'), Reply(body=b"<html>")])
    for state in ("ok", "fault"):
        found = json.loads((await world.run("store", "check", "--store", "second", "--json")).out)
        assert [one["state"] for one in found["findings"] if one["subject"] == "crm"] == [state]
    assert [one.genuine for one in crm.received] == [True, True]
    assert crm.received[0].body["reference"] == "0"
    assert json.loads((await _renew(world, store_file, "--crm-url", "none")).out)["store"]["crm_url"] is None


async def _renew(world: Scene, file: Path, *words: str) -> Answer:
    return await world.run("store", "add", "--from", str(file), "--replace", "--json", *words)
