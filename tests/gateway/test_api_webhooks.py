"""The endpoints of a store's own systems over the API."""

from http import HTTPStatus

from models.enums import DeliveryState, StaffRole
from models.tables import SignalIntent, WebhookDelivery, WebhookEndpoint
from storage.endpoints import send_test
from tests.gateway.staff import Staff, make_key

URL = "https://hooks.example/in"


async def test_an_endpoint_is_added_changed_and_removed(staff: Staff) -> None:
    """Its secret stands in the first answer and in that of a rotation, and in no other."""
    added = await staff.post("/webhooks", {"url": URL, "events": ["message.failed", "journey.exited"]})
    endpoint, secret = added["endpoint"]["endpoint_id"], added["secret"]
    assert added["endpoint"]["events"] == ["journey.exited", "message.failed"]
    assert not added["endpoint"]["every_event"]
    assert (await staff.post(f"/webhooks/{endpoint}/disable"))["endpoint"]["disabled_reason"] == "staff"
    assert (await staff.post(f"/webhooks/{endpoint}/enable"))["endpoint"]["enabled"]
    rotated = await staff.post(f"/webhooks/{endpoint}/rotate")
    assert rotated["secret"] not in (None, secret)
    assert rotated["endpoint"]["old_secret_until"] == "2026-11-23T12:00:00Z"
    listed = await staff.ask("GET", "/webhooks")
    assert [one["url"] for one in listed.json()["endpoints"]] == [URL]
    assert all(one.removeprefix("whsec_") not in listed.text for one in (secret, rotated["secret"]))
    assert (await staff.ask("DELETE", f"/webhooks/{endpoint}")).status_code == HTTPStatus.OK
    assert (await staff.get("/webhooks"))["endpoints"] == []
    assert (await staff.ask("DELETE", f"/webhooks/{endpoint}")).status_code == HTTPStatus.NOT_FOUND


async def test_a_test_is_no_event_to_ask_for(staff: Staff) -> None:
    """What goes out only when somebody asks for it cannot be chosen."""
    answer = await staff.ask("POST", "/webhooks", {"url": URL, "events": ["webhook.test"]})
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert (await staff.get("/webhooks"))["endpoints"] == []


async def test_a_url_that_leads_to_us_is_refused_with_a_word(staff: Staff) -> None:
    """Private addresses, plain http and credentials; the answer repeats none of it."""
    for url in ("http://hooks.example/", "https://127.0.0.1/", "https://u:p@hooks.example/", "https://[::1]/"):
        answer = await staff.ask("POST", "/webhooks", {"url": url})
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert url not in answer.text
    assert not await staff.world.rows(WebhookEndpoint)


async def test_a_test_is_a_delivery_that_can_be_seen_and_sent_again(staff: Staff) -> None:
    """It waits for its workflow; when it is over it is sent again, before it is not."""
    endpoint = (await staff.post("/webhooks", {"url": URL}))["endpoint"]["endpoint_id"]
    tried = (await staff.post(f"/webhooks/{endpoint}/test"))["delivery"]
    assert (tried["event"], tried["state"]) == ("webhook.test", "waiting")
    path = f"/webhooks/deliveries/{tried['delivery_id']}/retry"
    assert (await staff.ask("POST", path)).status_code == HTTPStatus.CONFLICT
    async with staff.world.database.write() as session:
        row = await session.get_one(WebhookDelivery, tried["delivery_id"])
        row.state, row.last_status = DeliveryState.FAILED, 500
    (found,) = (await staff.get(f"/webhooks/deliveries?state=failed&endpoint={endpoint}"))["deliveries"]
    assert (found["last_status"], found["message_id"]) == (500, tried["message_id"])
    assert (await staff.post(path))["delivery"]["round"] == 1
    assert len(await staff.world.rows(SignalIntent)) == 2
    assert (await staff.ask("POST", "/webhooks/deliveries/99/retry")).status_code == HTTPStatus.NOT_FOUND
    first = await staff.get("/webhooks/deliveries?limit=1")
    assert first["next"] is None
    await staff.post(f"/webhooks/{endpoint}/test")
    newest = await staff.get("/webhooks/deliveries?limit=1")
    older = await staff.get(f"/webhooks/deliveries?limit=1&before={newest['next']}")
    assert older["deliveries"][0]["delivery_id"] == tried["delivery_id"]


async def test_a_store_sees_its_own_and_support_none(staff: Staff) -> None:
    """What is named is another store's; a key for support opens nothing here."""
    other = await staff.world.add_store("other", phone_number_id="9", shop_domain="other.myshopify.com")
    theirs = await make_key(staff.world, StaffRole.MARKETER, store_id=other)
    endpoint = (await staff.post("/webhooks", {"url": URL}, key=theirs))["endpoint"]["endpoint_id"]
    async with staff.world.database.write() as session:
        delivery = await send_test(session, other, endpoint, now=staff.world.now)
    assert (await staff.get("/webhooks"))["endpoints"] == []
    assert (await staff.get("/webhooks/deliveries"))["deliveries"] == []
    for method, path in (
        ("DELETE", f"/webhooks/{endpoint}"),
        ("POST", f"/webhooks/{endpoint}/disable"),
        ("POST", f"/webhooks/{endpoint}/enable"),
        ("POST", f"/webhooks/{endpoint}/rotate"),
        ("POST", f"/webhooks/{endpoint}/test"),
        ("POST", f"/webhooks/deliveries/{delivery}/retry"),
    ):
        assert (await staff.ask(method, path)).status_code == HTTPStatus.NOT_FOUND
        assert (await staff.ask(method, path, key=staff.support)).status_code == HTTPStatus.FORBIDDEN
    assert (await staff.ask("GET", "/webhooks", key=staff.support)).status_code == HTTPStatus.FORBIDDEN
