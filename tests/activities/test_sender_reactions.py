"""What a refusal that is about the number, its account or its bill leads to, and how it ends."""

import json
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.health import check_store
from activities.outcomes import template_key
from gateway.app import GatewaySettings, create_app
from models.enums import (
    HoldReason,
    JourneyState,
    PauseCause,
)
from models.orchestration import StageStep
from models.tables import (
    Journey,
    Number,
    Store,
    Template,
)
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.credits import credits_key
from storage.enrollments import enrollment_facts, set_holding
from storage.pausing import pause
from storage.senders import end_pause
from storage.statuses import Report
from tests.refusing import Sending, broadcasts, events, failed, told
from tests.worlds import (
    NOON,
    SHOP,
    WABA,
    later,
    shopify_headers,
)


async def test_after_a_pause_one_message_finds_out(sending: Sending) -> None:
    """When the time of a pause is over one goes and the others go on holding; its way to the customer releases them."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(3)]
    sending.meta.codes = [131048]
    first = await sending.send(enrollments[0])
    assert (first.hold_reason, first.hold_until) == (HoldReason.SENDER_PAUSED, later(days=1))
    second = await sending.send(enrollments[1])
    assert second.hold_until is not None
    assert later(days=1, minutes=10) <= second.hold_until <= later(days=1, minutes=40)
    at = later(days=1)
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    sending.meta.codes = [131048]
    assert (await sending.send(enrollments[0], at=at)).hold_until == later(days=2)
    assert (await sending.send(enrollments[1], at=at)).hold_reason is HoldReason.SENDER_PAUSED
    assert len(sending.meta.posted) == 2
    at = later(days=2)
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollments[0], at=at)).step is StageStep.ACCEPTED
    assert (await sending.send(enrollments[1], at=at)).hold_reason is HoldReason.SENDER_PAUSED
    await told(sending, enrollments[0], Report.SENT, attempt=3, at=at)
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason is None
    assert f"number:{number.phone_number_id}" in await broadcasts(sending.world)
    assert (await sending.send(enrollments[1], at=at)).step is StageStep.ACCEPTED
    assert await events(sending.world) == [("sender.paused", 131048)]


@pytest.mark.parametrize("code", [131048, 131042])
async def test_a_probe_that_meta_takes_and_drops_releases_nobody(sending: Sending, code: int) -> None:
    """Meta tells such a code by webhook too: that a message was taken says nothing before one is reported as sent."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [code]
    at = (await sending.send(enrollments[0])).hold_until
    assert at is not None
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollments[0], at=at)).step is StageStep.ACCEPTED
    assert (await sending.send(enrollments[1], at=at)).step is StageStep.HOLD
    await failed(sending, enrollments[0], code, attempt=2, minutes=(at - NOON).total_seconds() / 60 + 0.1)
    at += timedelta(minutes=10)
    await sending.draft(enrollments[1], at=at)
    assert (await sending.send(enrollments[1], at=at)).step is StageStep.HOLD
    assert len(sending.meta.posted) == 2
    assert await broadcasts(sending.world) == []


async def test_two_probes_of_which_nothing_bad_is_told_end_a_pause(sending: Sending) -> None:
    """Statuses can be lost: the second message that Meta takes five minutes later is proof enough."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(3)]
    sending.meta.codes = [131048]
    at = (await sending.send(enrollments[0])).hold_until
    assert at is not None
    for enrollment in enrollments[:2]:
        await sending.draft(enrollment, at=at)
        assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
        assert (await broadcasts(sending.world) == []) is (enrollment == enrollments[0])
        at += timedelta(minutes=5)
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason is None


async def test_only_one_of_many_probes_at_once(sending: Sending) -> None:
    """While the probe is on its way, nobody else posts."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [131031]
    await sending.send(enrollments[0])
    at = later(days=1)
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    sending.meta.codes = [131056]
    with pytest.raises(ApplicationError):
        await sending.send(enrollments[0], at=at)
    assert (await sending.send(enrollments[1], at=at)).hold_reason is HoldReason.SENDER_PAUSED
    assert len(sending.meta.posted) == 2


async def test_a_bill_pauses_the_stores_journeys_until_it_is_paid(sending: Sending) -> None:
    """131042: the journeys pause for that reason, a probe goes all the same when its time has come, and they go on."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [131042]
    first = await sending.send(enrollments[0])
    assert (first.hold_reason, first.technical) == (HoldReason.SENDER_PAUSED, False)
    (journey,) = await sending.world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.PAUSED, PauseCause.PAYMENT_PROBLEM)
    assert (await sending.send(enrollments[1])).hold_reason is HoldReason.JOURNEY_PAUSED
    at = first.hold_until
    assert at is not None
    await sending.draft(enrollments[0], at=at)
    assert (await sending.send(enrollments[0], at=at)).step is StageStep.ACCEPTED
    await told(sending, enrollments[0], Report.SENT, attempt=2, at=at)
    (journey,) = await sending.world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.ACTIVE, None)
    assert f"journey:{journey.id}" in await broadcasts(sending.world)
    assert [kind for kind, _ in await events(sending.world)] == ["sender.paused", "journey.paused", "journey.resumed"]


async def test_a_bill_lets_nobody_probe_for_a_journey_that_staff_have_paused(sending: Sending) -> None:
    """A person's pause is no payment's: nothing of that journey goes."""
    enrollment = await sending.ready()
    sending.meta.codes = [131042]
    at = (await sending.send(enrollment)).hold_until
    assert at is not None
    async with sending.world.database.write() as session:
        await pause(session, sending.world.store_id, "lapsed-60-days", now=NOON)
    await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollment, at=at)).hold_reason is HoldReason.JOURNEY_PAUSED
    async with sending.world.database.write() as session:
        assert await end_pause(session, sending.world.number_id, now=at)
    (journey,) = await sending.world.rows(Journey)
    assert journey.state is JourneyState.PAUSED


async def test_a_refused_token_pauses_the_store_once(sending: Sending) -> None:
    """190: two customers who meet it make one event, nobody's hold clock runs, and the journey says why."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [190]
    result = await sending.send(enrollments[0])
    assert (result.hold_reason, result.technical) == (HoldReason.CREDENTIAL, False)
    assert (await sending.send(enrollments[1])).hold_reason is HoldReason.JOURNEY_PAUSED
    assert [kind for kind, _ in await events(sending.world)] == ["credential.refused", "journey.paused"]
    (journey,) = await sending.world.rows(Journey)
    assert journey.state_reason == PauseCause.CREDENTIAL_REFUSED


async def test_an_app_that_was_removed_pauses_the_stores_journeys(sending: Sending) -> None:
    """Shopify's `app/uninstalled` says at once what the next check would find out."""
    world = sending.world
    await sending.ready()
    raw = json.dumps({"id": 1, "myshopify_domain": SHOP}).encode()
    headers = shopify_headers(raw, topic="app/uninstalled")
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.post("/webhooks/shopify", content=raw, headers=headers)).status_code == 200
    (journey,) = await world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.PAUSED, PauseCause.SHOP_DISCONNECTED)
    assert [kind for kind, _ in await events(world)] == ["credential.refused", "journey.paused"]


@pytest.mark.parametrize("mended", [True, False])
async def test_a_health_check_releases_who_held_after_the_release(sending: Sending, *, mended: bool) -> None:
    """A claim that saw the fault a moment before it was mended writes its hold down when the broadcast is expanded."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    (template,), (store,) = await sending.world.rows(Template), await sending.world.rows(Store)
    keys = [f"{template_key(WABA, template.name, template.language)}#version", credits_key(store.id)]
    reasons = [HoldReason.TEMPLATE_HELD, HoldReason.NO_CREDITS]
    async with sending.world.database.write() as session:
        (await session.get_one(Store, store.id)).credits = 100 if mended else 0
        (await session.get_one(Template, template.id)).blocks = {} if mended else {"version": {"code": 132000}}
        for enrollment, key, reason in zip(enrollments, keys, reasons, strict=True):
            facts = await enrollment_facts(session, enrollment)
            set_holding(session, facts.enrollment, reason=reason, key=key, until=None, now=NOON)
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    services = replace(sending.services, whatsapp=WhatsAppClient(http), shopify=ShopifyClient(http))
    await check_store(services, store.id, now=later(minutes=10))
    assert set(await broadcasts(sending.world)) == (set(keys) if mended else set())
