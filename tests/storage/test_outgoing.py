"""What a store's own systems are to be told: written with its cause, once, and for nothing where nobody listens."""

import json
from typing import Any

import pytest
from sqlalchemy import event as sql_event
from sqlmodel import select

from models.enums import (
    BuyingIntent,
    EndpointEnd,
    EnrollmentState,
    ExitReason,
    OutgoingKind,
    PauseCause,
    RunState,
    RunTrigger,
    StoreEventKind,
    TemplateStatus,
)
from models.tables import (
    Conversation,
    ConversationAnalysis,
    Enrollment,
    OutgoingEvent,
    SignalIntent,
    Store,
    StoreEvent,
    TrackingRun,
    WebhookDelivery,
    WebhookEndpoint,
)
from storage.customers import lock_customer
from storage.deliveries import (
    UnknownDeliveryError,
    list_deliveries,
    send_again,
)
from storage.endpoints import (
    MOST_ENDPOINTS,
    TooManyEndpointsError,
    UnknownEndpointError,
    add_endpoint,
    disable_endpoint,
    enable_endpoint,
    remove_endpoint,
    send_test,
)
from storage.enrollments import close_enrollment
from storage.erasure import erase_customer
from storage.merging import merge_customers
from storage.outgoing import announce, announce_failure
from storage.store_events import record_store_event
from storage.stores import required_id
from tests.listening import URL, closes, listens, taken
from tests.worlds import NOON, PHONE, World


async def test_a_store_without_endpoints_writes_nothing_and_looks_once(world: World) -> None:
    """Closing an enrollment, thousands of times a day, costs it nothing but its own row's look, once a transaction."""
    statements: list[str] = []

    def note(*arguments: Any) -> None:
        statements.append(arguments[2])

    async with world.database.write() as session:
        sql_event.listen(world.database.engine.sync_engine, "before_cursor_execute", note)
        for number in range(5):
            await announce(session, world.store_id, OutgoingKind.JOURNEY_EXITED, key=f"{number}", at=NOON)
        sql_event.remove(world.database.engine.sync_engine, "before_cursor_execute", note)
    assert len(statements) == 1
    assert not await world.rows(OutgoingEvent)


async def test_the_end_of_an_enrollment_is_told_with_the_reason_that_stands(world: World) -> None:
    """One event, a delivery for each endpoint that wants it, and an intent to start each; closed again, nothing new."""
    both = [await listens(world), await listens(world, OutgoingKind.JOURNEY_EXITED)]
    await listens(world, OutgoingKind.JOURNEY_LIVE)
    enrollment = await world.enroll(await world.customer(external_id="77"))
    await closes(world, enrollment)
    await closes(world, enrollment, ExitReason.PURCHASED)
    (event,) = await world.rows(OutgoingEvent)
    deliveries = await world.rows(WebhookDelivery)
    assert [one.endpoint_id for one in deliveries] == both
    intents = [one for one in await world.rows(SignalIntent) if one.signal == "start_delivery"]
    assert [one.payload for one in intents] == [
        {"delivery_id": one.id, "store_id": world.store_id} for one in deliveries
    ]
    assert len({one.enrollment_id for one in intents}) == 2
    assert all(event.message_id.removeprefix("msg_") in one.enrollment_id for one in intents)
    body = json.loads((await taken(world)).body)
    assert (body["type"], body["timestamp"]) == ("journey.exited", "2026-11-22T13:00:00Z")
    assert body["data"]["reason"] == "completed"
    assert body["data"]["customer"] == {"id": "1", "reference": "77", "phone": PHONE, "erased": False}


async def test_members_of_a_control_group_are_in_no_journey(world: World) -> None:
    """Their enrollments end untold."""
    await listens(world)
    enrollment = await world.enroll(await world.customer(), state=EnrollmentState.CONTROL)
    await closes(world, enrollment)
    assert not await world.rows(OutgoingEvent)


async def test_what_is_rolled_back_is_not_told(world: World) -> None:
    """Event, delivery and intent are the cause's own transaction (promise 3)."""
    await listens(world)
    enrollment = await world.enroll(await world.customer())
    async with world.database.write() as session:
        row = await session.get_one(Enrollment, enrollment)
        await close_enrollment(session, row, reason=ExitReason.COMPLETED, now=NOON)
        assert (await session.exec(select(OutgoingEvent))).one()
        await session.rollback()
    assert not await world.rows(OutgoingEvent)
    assert not await world.intents()


async def test_events_of_a_store_are_told_with_their_figures(world: World) -> None:
    """Pauses, going live and templates' statuses; others of its events are nobody's but its people's."""
    await listens(world)
    await world.enroll(await world.customer())
    told: list[tuple[StoreEventKind, dict[str, Any]]] = [
        (StoreEventKind.JOURNEY_PAUSED, {"cause": PauseCause.STOP_LOSS.value, "journeys": ["a"], "failed": 7}),
        (StoreEventKind.JOURNEY_LIVE, {"version": 3}),
        (
            StoreEventKind.TEMPLATE_STATUS_CHANGED,
            {"template": "t", "language": "en", "before": "APPROVED", "status": TemplateStatus.PAUSED.value},
        ),
        (StoreEventKind.CREDITS_EXHAUSTED, {}),
    ]
    async with world.database.write() as session:
        for kind, detail in [*told, told[0]]:
            journey = 1 if kind is StoreEventKind.JOURNEY_LIVE else None
            await record_store_event(
                session, world.store_id, kind, dedupe_key=kind.value, at=NOON, detail=detail, journey_id=journey
            )
    bodies = [json.loads((await taken(world, number)).body) for number in (1, 2, 3)]
    assert len(await world.rows(WebhookDelivery)) == 3
    assert [one["type"] for one in bodies] == ["journey.paused", "journey.live", "template.status_changed"]
    assert bodies[0]["data"] == {
        "store": "shop",
        "journeys": ["a"],
        "cause": "stop_loss",
        "figures": {"failed": 7},
    }
    assert (bodies[1]["data"]["journey"], bodies[1]["data"]["version"]) == ("lapsed-60-days", 3)
    assert (bodies[2]["data"]["status"], bodies[2]["data"]["code"]) == ("PAUSED", None)


async def test_a_found_follow_up_is_told_with_what_the_store_needs(world: World) -> None:
    """Level, product, objection, suggestion, attempt and whether an order is known; nothing of it once erased."""
    await listens(world)
    customer_id = await world.customer(external_id="77")
    enrollment = await world.enroll(customer_id)
    row = await world.one(Enrollment, enrollment)
    async with world.database.write() as session:
        chat = Conversation(store_id=world.store_id, number_id=world.number_id, customer_id=customer_id)
        common = {"store_id": world.store_id, "journey_id": row.journey_id, "version_id": row.version_id}
        run = TrackingRun(
            **common, run_key="r", trigger=RunTrigger.SCHEDULE, state=RunState.RUNNING, started_at=NOON, since=NOON
        )
        session.add_all([chat, run])
        await session.flush()
        found = ConversationAnalysis(
            **common,
            run_id=required_id(run.id),
            conversation_id=required_id(chat.id),
            customer_id=customer_id,
            last_key="k",
            wrote_at=NOON,
            asked_at=NOON,
            intent=BuyingIntent.HIGH,
            product="red shoes",
            objection="the price",
            suggestion="We have kept them for you.",
            language="en",
            order_found=False,
            attempt=1,
        )
        session.add(found)
        await session.flush()
        for _ in range(2):
            await announce(
                session,
                world.store_id,
                OutgoingKind.FOLLOWUP_DETECTED,
                key=f"followup:{found.id}",
                at=NOON,
                customer_id=customer_id,
                analysis_id=found.id,
            )
    data = json.loads((await taken(world)).body)["data"]
    assert data["customer"]["phone"] == PHONE
    assert data["suggested_message"] == "We have kept them for you."
    assert {key: data[key] for key in ("intent", "product", "objection", "order_found", "attempt", "enrolled")} == {
        "intent": "high",
        "product": "red shoes",
        "objection": "the price",
        "order_found": False,
        "attempt": 1,
        "enrolled": False,
    }
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        await erase_customer(session, customer, suppression_key=b"k", now=NOON)
    body = (await taken(world)).body
    assert all(word not in body for word in (PHONE, '"77"', "shoes", "price", "kept them"))


async def test_somebody_who_was_merged_is_told_as_the_one_that_stays(world: World) -> None:
    """An event from before names whoever stands for the person now."""
    await listens(world)
    gone, kept = await world.customer(None, wa_user_id="u"), await world.customer(external_id="77")
    # Both were in for one reason, so that the one's passage stays where it is.
    await world.enroll(kept, entry_key="same", state=EnrollmentState.CLOSED)
    await closes(world, await world.enroll(gone, entry_key="same"))
    async with world.database.write() as session:
        rows = [await lock_customer(session, one) for one in sorted((gone, kept))]
        await merge_customers(session, rows[1], rows[0], now=NOON)
    assert json.loads((await taken(world)).body)["data"]["customer"]["id"] == str(kept)


async def test_a_message_fails_once(world: World) -> None:
    """Whoever learns of it first: the answer, or a status."""
    await listens(world)
    enrollment = await world.enroll(await world.customer())
    _, send = await world.attempt(await world.claim(enrollment))
    async with world.database.write() as session:
        for _ in range(2):
            await announce_failure(session, send, code=131026, at=NOON)
    (event,) = await world.rows(OutgoingEvent)
    assert (event.kind, event.send_id) == (OutgoingKind.MESSAGE_FAILED, send.id)
    data = json.loads((await taken(world)).body)["data"]
    assert (data["stage"], data["code"], data["enrollment"]) == (1, 131026, enrollment)


async def test_nobody_is_told_of_another_stores_events(world: World) -> None:
    """Endpoints, deliveries and what may be done with them belong to one store."""
    other = await world.add_store("other", phone_number_id="9", shop_domain="other.myshopify.com")
    endpoint = await listens(world, store_id=other)
    await closes(world, await world.enroll(await world.customer()))
    assert not await world.rows(OutgoingEvent)
    async with world.database.write() as session:
        delivery_id = await send_test(session, other, endpoint, now=NOON)
    async with world.database.write() as session:
        for change in (enable_endpoint(session, world.store_id, endpoint), send_test(session, 1, endpoint, now=NOON)):
            with pytest.raises(UnknownEndpointError):
                await change
        with pytest.raises(UnknownDeliveryError):
            await send_again(session, world.store_id, delivery_id, now=NOON)
        assert not await list_deliveries(session, world.store_id)


async def test_the_store_knows_whether_anybody_listens(world: World) -> None:
    """With every endpoint that comes, is disabled, enabled or removed."""

    async def said() -> bool:
        return bool((await world.one(Store, world.store_id)).has_endpoints)

    first, second = await listens(world), await listens(world)
    for endpoint in (first, second):
        assert await said()
        async with world.database.write() as session:
            await disable_endpoint(session, world.store_id, endpoint, reason=EndpointEnd.STAFF, now=NOON)
    assert not await said()
    async with world.database.write() as session:
        await enable_endpoint(session, world.store_id, second)
    assert await said()
    async with world.database.write() as session:
        await remove_endpoint(session, world.store_id, second, now=NOON)
    assert not await said()
    row = await world.one(WebhookEndpoint, second)
    assert (row.url, row.secret) == ("", "")
    # Somebody who disables an endpoint need not be told of it by mail.
    events = await world.rows(StoreEvent)
    assert [(one.kind, one.mail_outcome) for one in events] == [(StoreEventKind.WEBHOOK_DISABLED, None)] * 2


async def test_a_secret_is_ciphertext_and_there_are_not_endless_endpoints(world: World) -> None:
    """What the database holds opens with the key alone."""
    async with world.database.write() as session:
        row, secret = await add_endpoint(session, world.store_id, url=URL, kinds=(), cipher=world.cipher, now=NOON)
    assert secret.startswith("whsec_")
    assert secret not in row.secret
    assert world.cipher.decrypt(row.secret) == secret
    for _ in range(MOST_ENDPOINTS - 1):
        await listens(world)
    with pytest.raises(TooManyEndpointsError):
        await listens(world)
