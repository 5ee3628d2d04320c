"""What comes in while everything runs by itself: webhooks through gateway and relay, and the health watch."""

import asyncio
from datetime import timedelta

import pytest

from activities import queues
from activities.search_attributes import EXIT_REASON, JOURNEY, STATE, STORE, VERSION
from models.enums import ExitReason, HoldReason, TemplateStatus
from models.orchestration import HealthInput
from models.tables import Enrollment
from tests.integration.conftest import OpenStack
from tests.stack import HELLO, journey
from workflows.health import HealthWorkflow
from workflows.ids import health_workflow_id

TWO = (("0d", HELLO), ("3d", HELLO))


async def test_a_signed_webhook_ends_a_waiting_journey(open_stack: OpenStack) -> None:
    """Gateway and relay work by themselves: the reply is posted, and the workflow ends."""
    async with open_stack() as stack:
        person = await stack.person()
        enrollment = await stack.begin(journey(*TWO), person)
        await stack.waits(enrollment, 1)
        stop = asyncio.Event()
        relay = asyncio.create_task(stack.relay.run(stop))
        try:
            body = stack.whatsapp.inbound(person.phone, "Hello?", stack.clock())
            assert await stack.sender.post(body)

            async def closed() -> bool:
                return (await stack.enrollment(enrollment)).exit_reason is ExitReason.CUSTOMER_REPLIED

            await stack.until(closed, settle=False)
        finally:
            stop.set()
            await relay
        assert (await stack.handle(enrollment).result()).reason is ExitReason.CUSTOMER_REPLIED


async def test_search_attributes_tell_where_a_journey_stands(open_stack: OpenStack) -> None:
    """Store, journey, version and state while it runs, the exit reason when it is over; nothing else."""
    async with open_stack() as stack:
        person = await stack.person()
        enrollment = await stack.begin(journey(*TWO), person)
        await stack.waits(enrollment, 1)
        found = (await stack.handle(enrollment).describe()).typed_search_attributes
        assert (found[STORE], found[JOURNEY], found[VERSION]) == (stack.store.store.slug, "lapsed", 1)
        assert found[STATE] == "running"
        await stack.write(person, "Hello?")
        await stack.ends(enrollment)
        found = (await stack.handle(enrollment).describe()).typed_search_attributes
        assert (found[STATE], found[EXIT_REASON]) == ("closed", "customer_replied")


async def test_launching_twice_enrolls_nobody_twice(open_stack: OpenStack) -> None:
    """The second launch finds everybody in the journey already, also after they left it."""
    async with open_stack() as stack:
        people = [await stack.person() for _ in range(3)]
        definition = journey(*TWO)
        assert await stack.launched(await stack.launch(definition)) == {"entered": 3}
        await stack.accepted(3)
        assert await stack.launched(await stack.launch(definition)) == {"re_entry": 3}
        await stack.write(people[0], "Hello?")
        (first,) = await stack.rows(Enrollment, customer_id=people[0].id)
        await stack.ends(first.id)
        outcomes = await stack.launched(await stack.launch(definition))
        assert "entered" not in outcomes
        assert len(await stack.rows(Enrollment)) == 3
        assert len(stack.received()) == 3


async def test_the_health_watch_releases_who_waits_for_a_template(
    open_stack: OpenStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No webhook told that the template is back: the watch sees it in Meta's list and releases the holders."""
    monkeypatch.setattr("storage.intents.JITTER", timedelta(milliseconds=10))
    paused = {"template": "winback_paused", "language": "en", "variables": {"1": "you"}}
    async with open_stack() as stack:
        enrollment = await stack.begin(journey(("0d", paused)))
        await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
        workflow_id = health_workflow_id(stack.store.id)
        stack.started.append(workflow_id)
        start = HealthInput(store_id=stack.store.id, interval=timedelta(hours=1))
        watch = await stack.client.start_workflow(HealthWorkflow.run, start, id=workflow_id, task_queue=queues.MAIN)

        async def looked() -> bool:
            return await watch.query(HealthWorkflow.report) is not None

        await stack.until(looked)
        assert stack.received() == []
        stack.whatsapp.set_template_status("winback_paused", "en", TemplateStatus.APPROVED, stack.clock())
        await watch.signal(HealthWorkflow.check_now)
        await stack.accepted(1)
        report = await watch.query(HealthWorkflow.report)
        assert report is not None
        assert (report.released, report.faults) == (1, ())
