"""What a store's own systems are told, on the real stack: signed, for a day, and nothing private on the way."""

import json
from datetime import timedelta

from temporalio.client import Client

from gateway.relay import Relay
from models.enums import DeliveryState, EndpointEnd, ExitReason, OutgoingKind, SkipReason, StoreEventKind
from models.tables import OutgoingEvent, SignalIntent, StoreEvent, WebhookDelivery
from sandbox.receiver import Reply
from sandbox.whatsapp.faults import FailLater, Refuse
from storage.customers import lock_customer
from storage.deliveries import send_again
from storage.endpoints import rotate_secret, send_test
from storage.erasure import erase_customer
from storage.stores import suppression_key
from tests.endpoints import endpoint
from tests.stack import HELLO, Stack, journey
from workflows.plugin import RekindlePlugin

TWO = (("0d", HELLO), ("3d", HELLO))


async def test_the_end_of_a_journey_is_told_signed_and_once(stack: Stack) -> None:
    """The endpoint gets who, which journey and why, with a signature that the library believes; Temporal gets an id."""
    async with endpoint(stack) as told:
        person = await stack.person()
        enrollment = await stack.begin(journey(*TWO), person)
        await stack.waits(enrollment, 1)
        await stack.write(person, "Hello?")
        assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
        (got,) = await told.hears(1)
        (delivery,) = await told.settles(DeliveryState.DELIVERED)
        assert got.genuine
        assert (got.path, got.body["type"]) == ("/hooks", "journey.exited")
        data = got.body["data"]
        assert (data["journey"], data["version"], data["reason"]) == ("lapsed", 1, "customer_replied")
        assert data["customer"] == {
            "id": str(person.id),
            "reference": str(person.shop_id),
            "phone": person.phone,
            "erased": False,
        }
        assert (delivery.tries, delivery.last_status) == (1, 200)
        (event,) = await stack.rows(OutgoingEvent)
        intent = (await stack.rows(SignalIntent, signal="start_delivery"))[0]
        history = await stack.client.get_workflow_handle(intent.enrollment_id).fetch_history()
        assert person.phone.removeprefix("+") not in history.to_json()
        assert f"msg_{intent.enrollment_id.split('-')[1]}" == event.message_id == got.message_id
        # A relay that died before it could say so delivers the intent again: nothing is started twice.
        async with stack.database.write() as session:
            again = await session.get_one(SignalIntent, intent.id)
            again.settled_at, again.next_try_at = None, await stack.now()
        await stack.settle()
        assert (await stack.rows(SignalIntent, id=intent.id))[0].outcome == "delivered"
        assert len(told.receiver.received) == 1


async def test_what_is_not_taken_is_sent_again_for_a_day_and_then_given_up(stack: Stack) -> None:
    """Every try has the same id, the pauses grow, the last try ends the day, and the endpoint is disabled."""
    async with endpoint(stack) as told:
        told.receiver.always = Reply(status=500)
        async with stack.database.write() as session:
            stack.store.store.alert_emails = ["ops@example.com"]
            session.add(stack.store.store)
        enrollment = await stack.begin(journey())
        await stack.waits(enrollment, 1)
        await stack.stop(enrollment)
        await told.hears(1)
        await stack.advance(minutes=10)
        assert 4 <= len(told.receiver.received) <= 5
        await stack.advance(hours=23)
        assert (await told.row()).disabled_at is None
        await stack.advance(hours=1)
        (delivery,) = await told.settles(DeliveryState.FAILED)
        assert delivery.last_status == 500
        assert delivery.first_try_at is not None
        assert delivery.settled_at is not None
        assert timedelta(0) <= delivery.settled_at - delivery.first_try_at - timedelta(days=1) < timedelta(minutes=1)
        assert 9 <= delivery.tries == len(told.receiver.received) <= 14
        assert len({one.message_id for one in told.receiver.received}) == 1
        assert all(one.genuine for one in told.receiver.received)
        row = await told.row()
        assert row.disabled_reason is EndpointEnd.FAILING
        (alert,) = await stack.rows(StoreEvent, kind=StoreEventKind.WEBHOOK_DISABLED)
        assert alert.detail["endpoint"] == told.id
        assert alert.mail_next_at is not None
        # Whoever is gone is told of nothing more: no event, no delivery, no request.
        enrollment = await stack.begin(journey())
        await stack.waits(enrollment, 1)
        await stack.stop(enrollment)
        await stack.ends(enrollment)
        assert len(await stack.rows(WebhookDelivery)) == 1


async def test_an_answer_says_when_to_come_back(stack: Stack) -> None:
    """A Retry-After is waited for; a redirect is a failure and leads nowhere; then it is taken."""
    async with endpoint(stack) as told, endpoint(stack, kinds=[OutgoingKind.MESSAGE_FAILED]) as other:
        there = (await other.row()).url
        told.receiver.replies.extend(
            [Reply(status=429, headers={"retry-after": "7200"}), Reply(status=307, headers={"location": there})]
        )
        async with stack.database.write() as session:
            delivery_id = await send_test(session, stack.store.id, told.id, now=await stack.now())
        await told.hears(1)
        await stack.advance(minutes=110)
        assert len(told.receiver.received) == 1
        await stack.advance(minutes=10, seconds=5)

        async def refused() -> bool:
            (row,) = await stack.rows(WebhookDelivery, id=delivery_id)
            return (row.last_status, row.last_error) == (307, "redirect")

        await stack.until(refused)
        await stack.advance(minutes=5)
        (delivery,) = await told.settles(DeliveryState.DELIVERED)
        assert delivery.tries == 3
        assert not other.receiver.received


async def test_an_endpoint_that_says_gone_is_disabled_at_once(stack: Stack) -> None:
    """410 ends it without a second try; enabled again, what it has missed is sent again under the same id."""
    async with endpoint(stack) as told:
        told.receiver.replies.append(Reply(status=410))
        enrollment = await stack.begin(journey())
        await stack.waits(enrollment, 1)
        await stack.stop(enrollment)
        (delivery,) = await told.settles(DeliveryState.FAILED)

        async def disabled() -> bool:
            return (await told.row()).disabled_reason is EndpointEnd.GONE

        await stack.until(disabled)
        await stack.advance(hours=1)
        assert len(told.receiver.received) == 1
        async with stack.database.write() as session:
            row = await told.row()
            row.disabled_at = row.disabled_reason = None
            session.add(row)
        async with stack.database.write() as session:
            await send_again(session, stack.store.id, delivery.id or 0, now=await stack.now())
        first, second = await told.hears(2)
        await told.settles(DeliveryState.DELIVERED)
        assert first.message_id == second.message_id


async def test_during_a_rotation_both_secrets_are_good(stack: Stack) -> None:
    """What is sent in the day after a rotation is genuine to a receiver with the old secret and to one with the new."""
    async with endpoint(stack) as told:
        (old,) = told.receiver.secrets
        async with stack.database.write() as session:
            _, new = await rotate_secret(session, stack.store.id, told.id, cipher=stack.cipher, now=await stack.now())
        believed = []
        for hours in (1, 24):
            await stack.advance(hours=hours)
            for secret in (old, new):
                told.receiver.secrets = [secret]
                count = len(told.receiver.received)
                async with stack.database.write() as session:
                    await send_test(session, stack.store.id, told.id, now=await stack.now())
                believed.append((await told.hears(count + 1))[-1].genuine)
        assert believed == [True, True, False, True]


async def test_somebody_who_was_erased_is_gone_from_what_is_sent_later(stack: Stack) -> None:
    """The body is made anew for every try: between two of them the customer was erased, and nothing of them is left."""
    async with endpoint(stack) as told:
        told.receiver.replies.append(Reply(status=503))
        person = await stack.person()
        enrollment = await stack.begin(journey(), person)
        await stack.waits(enrollment, 1)
        await stack.stop(enrollment)
        (first,) = await told.hears(1)
        async with stack.database.write() as session:
            customer = await lock_customer(session, person.id)
            key = suppression_key(stack.store.store, stack.cipher)
            await erase_customer(session, customer, suppression_key=key, now=await stack.now())
        await stack.advance(minutes=1)
        _, second = await told.hears(2)
        assert first.body["data"]["customer"]["phone"] == person.phone
        assert second.genuine
        assert person.phone not in json.dumps(second.body)
        assert second.body["data"]["customer"] == {
            "id": str(person.id),
            "reference": None,
            "phone": None,
            "erased": True,
        }


async def test_a_message_that_fails_for_good_is_told_once(stack: Stack) -> None:
    """A refusal that passes the stage over, and a failure that a status tells after the message was taken."""
    async with endpoint(stack, kinds=[OutgoingKind.MESSAGE_FAILED]) as told:
        refused, dropped = await stack.person(), await stack.person()
        stack.whatsapp.faults.for_recipient(refused.phone, Refuse(130472))
        stack.whatsapp.faults.for_recipient(dropped.phone, FailLater(131026))
        first = await stack.begin(journey(*TWO), refused)
        await stack.waits(first, 1)
        assert (await stack.send(first)).skip_reason is SkipReason.META_DECLINED
        (got,) = await told.hears(1)
        assert (got.body["data"]["code"], got.body["data"]["stage"]) == (130472, 1)
        assert got.body["data"]["text"]
        second = await stack.begin(journey(*TWO, name="other"), dropped)
        await stack.advance(seconds=10)
        assert await stack.ends(second) is ExitReason.UNDELIVERABLE
        *_, got = await told.hears(2)
        assert (got.body["data"]["code"], got.body["data"]["enrollment"]) == (131026, second)
        await stack.advance(minutes=1)
        assert told.receiver.kinds() == ["message.failed"] * 2


async def test_nothing_is_lost_while_temporal_is_away(stack: Stack) -> None:
    """The delivery waits in the database, and its workflow starts when Temporal is back."""
    async with endpoint(stack) as told:
        async with stack.database.write() as session:
            await send_test(session, stack.store.id, told.id, now=await stack.now())
        away = await Client.connect("127.0.0.1:1", lazy=True, plugins=[RekindlePlugin()])
        assert await Relay(stack.database, away, stack.clock).drain() == 0
        (intent,) = await stack.rows(SignalIntent)
        assert (intent.settled_at, intent.tries) == (None, 1)
        await stack.advance(minutes=1)
        await told.settles(DeliveryState.DELIVERED)
        assert told.receiver.kinds() == ["webhook.test"]
