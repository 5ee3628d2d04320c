"""A journey's own states on the real stack: paused, resumed, pending and live, with the mails about it."""

from datetime import timedelta

from temporalio.client import WorkflowExecutionStatus

from cli.temporal import ensure_store_watches
from models.enums import EnrollmentState, HoldReason, JourneyState, LaunchState, SendState, SkipReason, TemplateStatus
from models.journey import JourneyDefinition
from models.tables import Enrollment, Journey, Launch, Paced, StoreEvent
from providers.mail import MailServer
from sandbox.shopify.faults import Fault
from sandbox.whatsapp.faults import Refuse
from storage.going_live import wait_for_templates, waits_for
from storage.journeys import journey_of
from storage.launches import open_launch
from storage.mails import SENT
from storage.pausing import Missed, pause, resume
from storage.publishing import publish
from storage.stores import required_id
from tests.mailbox import mailbox
from tests.stack import HELLO, Stack, journey
from tests.storage.test_stop_loss import history
from tests.workflows.conftest import MONDAY, OpenStack
from tests.worlds import DEFINITION, World
from workflows.ids import audience_workflow_id, health_workflow_id, upkeep_workflow_id

AI = {
    "ai": {"mode": "goal", "goal": "Say hello"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": HELLO,
}
PENDING = {"template": "winback_pending", "language": "en", "variables": {"1": "you"}}


async def paused(stack: Stack, definition: JourneyDefinition) -> None:
    """Staff pause the journey."""
    async with stack.database.write() as session:
        await pause(session, stack.store.id, definition.name, now=await stack.now())


async def resumed(stack: Stack, definition: JourneyDefinition, missed: Missed = Missed.SEND) -> None:
    """Staff resume it."""
    async with stack.database.write() as session:
        await resume(session, stack.store.id, definition.name, now=await stack.now(), missed=missed)
    await stack.settle()


async def watched(stack: Stack) -> None:
    """The store's own workflows run."""
    stack.started += [health_workflow_id(stack.store.id), upkeep_workflow_id(stack.store.id)]
    await ensure_store_watches(stack.client, stack.store)


async def test_nothing_is_asked_or_paid_for_during_a_pause(stack: Stack) -> None:
    """A stage that comes due finds the pause before it asks the shop or the model; resumed, it does both and goes."""
    definition = journey(("2h", AI))
    enrollment = await stack.begin(definition)
    await stack.waits(enrollment, 0)
    await paused(stack, definition)
    stack.shopify.faults.add(Fault(status=401))
    await stack.advance(hours=3)
    await stack.holds(enrollment, HoldReason.JOURNEY_PAUSED)
    assert stack.llm.requests == 0
    stack.shopify.faults.clear()
    await resumed(stack, definition)
    await stack.advance(minutes=2)
    await stack.accepted(1)
    assert stack.llm.requests == 1


async def test_what_came_due_during_the_pause_is_skipped_and_the_next_message_follows(stack: Stack) -> None:
    """Exactly that stage, for exactly those: whoever comes due after the resumption is written to as ever."""
    definition = journey(("2h", HELLO), ("1d", HELLO))
    early = await stack.begin(definition)
    await stack.waits(early, 0)
    await stack.advance(hours=1)
    late = await stack.begin(definition)
    await stack.waits(late, 0)
    await paused(stack, definition)
    await stack.advance(hours=1, minutes=30)
    await stack.holds(early, HoldReason.JOURNEY_PAUSED)
    await resumed(stack, definition, Missed.SKIP)
    await stack.advance(minutes=45)
    await stack.accepted(1)
    await stack.waits(early, 1)
    send = await stack.send(early)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, SkipReason.JOURNEY_PAUSED)
    assert (await stack.send(late)).state is SendState.ACCEPTED
    await stack.advance(days=1, hours=1)
    await stack.accepted(3)


async def test_a_template_webhook_lets_a_pending_journey_go_live_and_its_people_read_of_it(
    open_stack: OpenStack,
) -> None:
    """Nobody is selected before; within seconds of Meta's word the launch is carried out with its limit, and mailed."""
    async with mailbox() as box:
        server = MailServer.from_url(box.url, "rekindle@example.com")
        store = {"alert_emails": ("staff@example.com",)}
        async with open_stack(MONDAY, mail=server, store=store) as stack:
            await watched(stack)
            for _ in range(3):
                await stack.shopper()
            definition = journey(("0d", PENDING))
            await _launch_pending(stack, definition, limit=2)
            await stack.settle()
            assert await stack.rows(Enrollment) == []
            now = await stack.now()
            await stack.post(stack.whatsapp.set_template_status("winback_pending", "en", TemplateStatus.APPROVED, now))
            await stack.accepted(2)
            (row,) = await stack.rows(Journey)
            assert row.state is JourneyState.ACTIVE
            (launch,) = await stack.rows(Launch)
            assert launch.considered == 3
            await stack.until(lambda: _mailed(stack))
            assert [one for one in box.subjects if "is live" in one] == [
                f"[{stack.store.store.slug}] {definition.name}: is live"
            ]
            stack.started += [one.id for one in await stack.rows(Enrollment)]


async def _launch_pending(stack: Stack, definition: JourneyDefinition, *, limit: int) -> None:
    now = await stack.now()
    async with stack.database.write() as session:
        row, version = await publish(session, stack.store.id, definition, now=now)
        await wait_for_templates(session, row, await waits_for(session, stack.store.id, definition), now=now)
        await open_launch(
            session,
            store_id=stack.store.id,
            journey_id=required_id(row.id),
            version_id=required_id(version.id),
            limit=limit,
            now=now,
            state=LaunchState.WAITING,
        )
    stack.started.append(audience_workflow_id(stack.store.id, required_id(row.id)))


async def _mailed(stack: Stack) -> bool:
    live = [one for one in await stack.rows(StoreEvent) if one.kind.value == "journey.live"]
    return [one.mail_outcome for one in live] == [SENT]


async def test_paced_customers_wait_for_the_end_of_a_pause(stack: Stack) -> None:
    """Their day comes during the pause: nobody enters and nothing polls; resumed, they enter."""
    for _ in range(2):
        await stack.shopper()
    definition = journey(sending={"max_per_day": 1})
    await stack.launched(await stack.launch(definition))
    assert len(await stack.rows(Paced)) == 1
    await paused(stack, definition)
    await stack.advance(days=2)
    assert len(await stack.rows(Paced)) == 1
    (row,) = await stack.rows(Journey)
    audience = stack.client.get_workflow_handle(audience_workflow_id(stack.store.id, required_id(row.id)))
    assert (await audience.describe()).status is WorkflowExecutionStatus.COMPLETED
    await watched(stack)
    await resumed(stack, definition)
    await stack.until(lambda: _all_entered(stack))
    stack.started += [one.id for one in await stack.rows(Enrollment)]


async def _all_entered(stack: Stack) -> bool:
    entered = [one for one in await stack.rows(Enrollment) if one.state is not EnrollmentState.STARTING]
    return len(entered) == 2 and not await stack.rows(Paced)


async def test_a_launch_that_is_paused_halfway_is_finished_when_it_is_resumed(stack: Stack) -> None:
    """Launched while paused it enrolls nobody, and says that it waits; resumed, it is carried out to its end."""
    await watched(stack)
    for _ in range(2):
        await stack.shopper()
    definition = journey()
    await stack.publish(definition)
    await paused(stack, definition)
    async with stack.database.write() as session:
        row = await journey_of(session, 1)
        _, version = await publish(session, stack.store.id, definition, now=await stack.now())
        await open_launch(
            session,
            store_id=stack.store.id,
            journey_id=required_id(row.id),
            version_id=required_id(version.id),
            limit=None,
            now=await stack.now(),
            state=LaunchState.WAITING,
        )
    stack.started.append(audience_workflow_id(stack.store.id, 1))
    await stack.advance(minutes=5)
    assert await stack.rows(Enrollment) == []
    await resumed(stack, definition)
    await stack.accepted(2)
    (launch,) = await stack.rows(Launch)
    assert launch.finished_at is None or launch.finished_at - launch.requested_at < timedelta(hours=2)
    stack.started += [one.id for one in await stack.rows(Enrollment)]


async def test_a_refused_message_that_is_one_too_many_pauses_the_journey(stack: Stack) -> None:
    """What WhatsApp refuses at once counts like what it tells later."""
    world = World(stack.database, stack.cipher, stack.store.id, required_id(stack.store.number.id), await stack.now())
    await history(world, 36, 4)
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(131026))
    refused = await stack.begin(DEFINITION, person)
    await stack.ends(refused)
    (row,) = await stack.rows(Journey)
    assert (row.state, (row.state_reason or "").split(":")[0]) == (JourneyState.PAUSED, "stop_loss")
