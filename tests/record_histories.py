"""Records one history per path from a real dev server: `python -m tests.record_histories [NAME ...]`.

Histories are kept for ever, because journeys live for months: a name that exists already is refused, and a changed
shape gets a new name. Days pass in seconds here, which no history can tell: orchestration is given moments, and
never computes one.
"""

import argparse
import asyncio
import hashlib
import re
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from temporalio.client import Client

from activities import queues
from composition import system_clock
from models.enums import EnrollmentState, ExitReason, HoldReason, SkipReason, TemplateStatus
from models.orchestration import Approval, HealthInput, Released, UpkeepInput
from models.tables import ConsentWriteBack, Conversation, Enrollment, Journey, Send
from policies.schedule import due_after
from sandbox.whatsapp.faults import DropResponse, FailLater, LoseStatuses, Refuse
from storage.conversations import move
from storage.customers import lock_customer
from storage.sends import Draft, save_draft
from storage.stopping import close_entry
from storage.stores import required_id
from storage.watches import watch_workflow_id
from tests.devserver import dev_server
from tests.quiet_chats import HELLO as GREETING
from tests.quiet_chats import begin, cart, conversation_of, enter, follow_up, left_cart, our_side_says, quiet
from tests.silences import follow_up as waiting_follow_up
from tests.stack import HELLO, Person, Stack, journey, running_stack
from tests.watching import handle as watch_handle
from tests.watching import looked, silent, watch
from workflows.health import HealthWorkflow
from workflows.ids import audience_workflow_id, health_workflow_id, upkeep_workflow_id
from workflows.journey import JourneyWorkflow
from workflows.plugin import RekindlePlugin
from workflows.upkeep import UpkeepWorkflow

HISTORIES = Path(__file__).parent / "histories"
MANIFEST = HISTORIES / "MANIFEST.sha256"

_PAUSED = {"template": "winback_paused", "language": "en", "variables": {"1": "you"}}
_AI = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}
_THREE = (("0d", HELLO), ("3d", HELLO), ("7d", HELLO))
_DAY_S = 0.3
_PAIR_S = 7.0
_STACK_TRACE = re.compile(r'("stackTrace": )"(?:[^"\\]|\\.)*"')


def hurried(*args: Any) -> datetime:
    """The real due moment with a day of fractions of a second."""
    anchor: datetime = args[2]
    return anchor + (due_after(*args) - anchor) * (_DAY_S / 86_400)


async def _completed(stack: Stack) -> str:
    with mock.patch("activities.outcomes.due_after", hurried):
        enrollment = await stack.begin(journey(*_THREE))
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _ended(stack: Stack, act: Callable[[Any], Awaitable[Any]], reason: ExitReason) -> str:
    person = await stack.person()
    enrollment = await stack.begin(journey(*_THREE), person)
    await stack.waits(enrollment, 1)
    await act(person)
    assert await stack.ends(enrollment) is reason
    return enrollment


async def _purchased(stack: Stack) -> str:
    return await _ended(stack, stack.buy, ExitReason.PURCHASED)


async def _replied(stack: Stack) -> str:
    return await _ended(stack, lambda person: stack.write(person, "Hello?"), ExitReason.CUSTOMER_REPLIED)


async def _unsubscribed(stack: Stack) -> str:
    return await _ended(stack, lambda person: stack.write(person, "STOP"), ExitReason.UNSUBSCRIBED)


async def _stopped_before_it_began(stack: Stack) -> str:
    person = await stack.person()
    enrollment = await stack.enroll(journey(), person)
    await stack.write(person, "Hello?")
    await stack.start(enrollment)
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    return enrollment


async def _refused(stack: Stack, code: int) -> tuple[str, Any]:
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, Refuse(code))
    return await stack.begin(journey(), person), person


async def _undeliverable(stack: Stack) -> str:
    enrollment, _ = await _refused(stack, 131026)
    assert await stack.ends(enrollment) is ExitReason.UNDELIVERABLE
    return enrollment


async def _send_unknown_settled(stack: Stack) -> str:
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse())
    enrollment = await stack.begin(journey(*_THREE), person)
    await stack.waits(enrollment, 1)
    await stack.write(person, "Hello?")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    return enrollment


async def _send_unknown_parked(stack: Stack) -> str:
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, DropResponse(), LoseStatuses())
    enrollment = await stack.begin(journey(*_THREE), person)
    await stack.waits(enrollment, 1)
    await stack.write(person, "Hello?")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    return enrollment


async def _failed_after_acceptance(stack: Stack) -> str:
    person = await stack.person()
    stack.whatsapp.faults.for_recipient(person.phone, FailLater(131049, timedelta(seconds=1)))
    enrollment = await stack.begin(journey(*_THREE), person)
    await stack.holds(enrollment, HoldReason.META_RETRY_LATER)
    # WhatsApp lets one message to a person through in six seconds.
    await asyncio.sleep(_PAIR_S)
    await stack.handle(enrollment).signal(JourneyWorkflow.released, Released())
    await stack.waits(enrollment, 1)
    await stack.write(person, "Hello?")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    return enrollment


async def _model_written(stack: Stack) -> str:
    with mock.patch("activities.outcomes.due_after", hurried):
        enrollment = await stack.begin(journey(("0d", _AI), ("1d", _AI)))
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _hold_released(stack: Stack) -> str:
    enrollment = await stack.begin(journey(("0d", _PAUSED), ("3d", HELLO)))
    await stack.holds(enrollment, HoldReason.TEMPLATE_HELD)
    await stack.post(
        stack.whatsapp.set_template_status("winback_paused", "en", TemplateStatus.APPROVED, system_clock())
    )
    await stack.until(lambda: _accepted_one(stack), within=60)
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _accepted_one(stack: Stack) -> bool:
    return bool(stack.received())


async def _hold_expired(stack: Stack) -> str:
    with (
        mock.patch("activities.journey._length", return_value=timedelta(seconds=1)),
        mock.patch("activities.outcomes.due_after", hurried),
    ):
        enrollment = await stack.begin(journey(("0d", _PAUSED), ("1d", HELLO)))
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _approved(stack: Stack) -> str:
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, Approval(draft_id=required_id(send.id)))
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _approval_expired(stack: Stack) -> str:
    """Nobody decides: the first stage is passed over, and the second one's approval comes in time."""
    soon = mock.patch("activities.journey.add_span", lambda at, *_: at + _SOON)
    with mock.patch("activities.outcomes.due_after", hurried):
        with soon:
            enrollment = await stack.begin(journey(("0d", HELLO), ("1d", HELLO), sending={"approval": "required"}))
            await stack.until(lambda: _is_skipped(stack))
        await _approve(stack, enrollment, 1)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _is_skipped(stack: Stack) -> bool:
    return any(one.skip_reason is SkipReason.HOLD_EXPIRED for one in await stack.rows(Send))


async def _approve(stack: Stack, enrollment: str, stage: int) -> None:
    await stack.reaches(enrollment, EnrollmentState.HOLDING, stage)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment, stage)
    approval = Approval(draft_id=required_id(send.id), revision=send.revision)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, approval, id=f"approve-{send.revision}")


async def _approved_anew(stack: Stack) -> str:
    """The text was written anew while a yes to the older one was on its way: somebody is asked again."""
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    send = await stack.send(enrollment)
    async with stack.database.write() as session:
        draft = Draft("winback_hello", "en", {"1": "another"})
        save_draft(await session.get_one(Send, send.id), draft, now=system_clock())
    old = Approval(draft_id=required_id(send.id), revision=send.revision)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.approve, old)
    await stack.until(lambda: _is_asked_again(stack, enrollment))
    await _approve(stack, enrollment, 0)
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _is_asked_again(stack: Stack, enrollment: str) -> bool:
    """Whether the claim that finds the newer text is over."""
    history = await stack.handle(enrollment).fetch_history()
    claimed = [one for one in history.events if one.HasField("activity_task_completed_event_attributes")]
    return any(b"unapproved" in one.SerializeToString() for one in claimed)


async def _send_out_of_time(stack: Stack) -> str:
    """WhatsApp cannot be reached until there is no time left for a further try: nothing was sent, so it goes later."""
    soon = mock.patch("activities.prepare.window_end", lambda *asked: asked[-1] + _SOON)
    stack.line.refusals = 100
    with soon:
        enrollment = await stack.begin(journey())
        await stack.until(lambda: _is_out_of_time(stack, enrollment), within=60)
        stack.line.refusals = 0
        await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _is_out_of_time(stack: Stack, enrollment: str) -> bool:
    history = await stack.handle(enrollment).fetch_history()
    return any(one.HasField("activity_task_failed_event_attributes") for one in history.events)


async def _rejected(stack: Stack) -> str:
    enrollment = await stack.begin(journey(sending={"approval": "required"}))
    await stack.holds(enrollment, HoldReason.APPROVAL)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.reject, Approval(draft_id=1))
    assert await stack.ends(enrollment) is ExitReason.REJECTED
    return enrollment


async def _sent_now(stack: Stack) -> str:
    enrollment = await stack.begin(journey(("3d", HELLO)))
    await stack.waits(enrollment, 0)
    await stack.handle(enrollment).execute_update(JourneyWorkflow.send_now)
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    assert await stack.ends(enrollment) is ExitReason.STOPPED_BY_STAFF
    return enrollment


async def _asleep(stack: Stack) -> str:
    enrollment = await stack.begin(journey(*_THREE))
    await stack.waits(enrollment, 1)
    return enrollment


async def _watching(stack: Stack) -> str:
    enrollment = await stack.begin()
    await stack.reaches(enrollment, EnrollmentState.WATCHING)
    await stack.waits(enrollment, 1)
    return enrollment


async def _audience(stack: Stack) -> str:
    for _ in range(3):
        await stack.person()
    definition = journey()
    launch = await stack.launch(definition)
    assert await stack.launched(launch) == {"entered": 3}
    workflow_id = audience_workflow_id(stack.store.id, await stack.publish(definition))
    await stack.client.get_workflow_handle(workflow_id).result()
    return workflow_id


async def _audience_paced(stack: Stack) -> str:
    for _ in range(3):
        await stack.person()
    definition = journey(sending={"max_per_day": 1})
    launch = await stack.launch(definition)
    assert await stack.launched(launch) == {"entered": 1, "paced": 2}
    return audience_workflow_id(stack.store.id, await stack.publish(definition))


async def _health(stack: Stack) -> str:
    workflow_id = health_workflow_id(stack.store.id)
    start = HealthInput(store_id=stack.store.id, interval=timedelta(hours=1))
    handle = await stack.client.start_workflow(HealthWorkflow.run, start, id=workflow_id, task_queue=queues.MAIN)
    stack.started.append(workflow_id)

    async def checked() -> bool:
        return await handle.query(HealthWorkflow.report) is not None

    await stack.until(checked)
    await handle.signal(HealthWorkflow.check_now)
    await stack.until(checked)
    return workflow_id


async def _upkeep(stack: Stack) -> str:
    """A round, then one for a stop that was written back to the shop."""
    person = await stack.person()
    workflow_id = upkeep_workflow_id(stack.store.id)
    start = UpkeepInput(store_id=stack.store.id, shop_queue=stack.store.shop_queue, interval=timedelta(hours=1))
    handle = await stack.client.start_workflow(UpkeepWorkflow.run, start, id=workflow_id, task_queue=queues.MAIN)
    stack.started.append(workflow_id)

    async def done() -> bool:
        return await handle.query(UpkeepWorkflow.report) is not None

    await stack.until(done)
    await stack.write(person, "STOP")

    async def told() -> bool:
        return any(one.settled_at is not None for one in await stack.rows(ConsentWriteBack))

    await stack.until(told)
    return workflow_id


_STILL_THERE = {"text": "Are you still there?"}
_SOON = timedelta(seconds=1)


async def _follow_up(stack: Stack, times: int = 2, **conversation: Any) -> tuple[Person, str]:
    """A customer who asked and was answered, followed up for their silence."""
    person = await stack.person()
    await quiet(stack, person, **conversation)
    definition = follow_up(repeat={"every": "2h", "times": times}, message=_STILL_THERE)
    return person, await begin(stack, definition, person)


async def _follow_up_completed(stack: Stack) -> str:
    with mock.patch("activities.outcomes.due_after", hurried):
        _, enrollment = await _follow_up(stack)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _follow_up_replied(stack: Stack) -> str:
    person, enrollment = await _follow_up(stack)
    await stack.waits(enrollment, 1)
    await stack.write(person, "Yes, sorry!")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    return enrollment


async def _follow_up_restarted(stack: Stack) -> str:
    soon = mock.patch("activities.subjects.restarted_due", _due_soon())
    with mock.patch("activities.outcomes.due_after", hurried), soon:
        person = await stack.person()
        await quiet(stack, person)
        enrollment = await enter(stack, follow_up(("2h", _STILL_THERE), ("2h", _STILL_THERE)), person)
        await our_side_says(stack, person, "We also have it in green.")
        await stack.start(enrollment)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    assert ("restarted", None) in await stack.story(enrollment)
    return enrollment


def _due_soon() -> Callable[..., datetime | None]:
    """The delay that began again is over in a second; asked once more, it is over."""
    asked: list[datetime] = []

    def due(*_: Any, now: datetime) -> datetime | None:
        asked.append(now)
        return now + _SOON if len(asked) == 1 else None

    return due


async def _follow_up_window_closed(stack: Stack) -> str:
    person = await stack.person()
    await quiet(stack, person)
    async with stack.database.write() as session:
        (await lock_customer(session, person.id)).last_inbound_at = system_clock() - timedelta(days=2)
    with mock.patch("activities.outcomes.due_after", hurried):
        enrollment = await begin(stack, follow_up(("2h", _STILL_THERE)), person)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    assert (await stack.send(enrollment)).skip_reason is SkipReason.WINDOW_CLOSED
    return enrollment


async def _follow_up_moved(stack: Stack) -> str:
    person, enrollment = await _follow_up(stack)
    await stack.waits(enrollment, 1)
    now = system_clock()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        row = await session.get(Conversation, (await conversation_of(stack, person)).id)
        assert row is not None
        assert await move(session, customer, row, "won", at=now, now=now)
    assert await stack.ends(enrollment) is ExitReason.MOVED_COLUMN
    return enrollment


async def _cart_purchased(stack: Stack) -> str:
    person = await stack.person()
    definition = cart(("0m", {"template": GREETING}), ("24h", {"template": GREETING}))
    enrollment = await begin(stack, definition, person, checkout_id=await left_cart(stack, person))
    await stack.waits(enrollment, 1)
    await asyncio.sleep(1)  # the shop's times have no fractions, and this order comes after the selection
    await stack.buy(person)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    return enrollment


async def _watch(stack: Stack) -> str:
    """Woken for what becomes due later, for what is due already, and for its end."""
    journey_id = await watch(stack, waiting_follow_up())
    await silent(stack, await stack.person())
    await looked(stack, journey_id)
    await silent(stack, await stack.person(), ago=timedelta(hours=3))
    await stack.until(lambda: _has_entered(stack, 1))
    await looked(stack, journey_id)
    async with stack.database.write() as session:
        row = await session.get_one(Journey, journey_id)
        await close_entry(session, row, reason="recorded", now=system_clock())
    await stack.until(lambda: _is_over(stack, journey_id))
    return watch_workflow_id(stack.store.id, journey_id)


async def _watch_noticed(stack: Stack) -> str:
    """Its own timer finds a silence that is long enough, here after a second."""
    with (
        mock.patch("storage.watch_queue.latest_start", lambda _, now: now),
        mock.patch("storage.watch_queue.earliest_due", lambda _, since: since + _SOON),
        mock.patch("storage.watch_queue.entry_moment", _brief),
        mock.patch("storage.watch_facts.entry_moment", _brief),
        mock.patch("activities.watching.spacing", return_value=_SOON),
    ):
        journey_id = await watch(stack, waiting_follow_up())
        await silent(stack, await stack.person())
        await stack.until(lambda: _has_entered(stack, 1))
        await looked(stack, journey_id)
    return watch_workflow_id(stack.store.id, journey_id)


def _brief(*asked: Any, not_before: datetime) -> datetime:
    since: datetime = asked[1]
    return max(since + _SOON, not_before)


async def _has_entered(stack: Stack, count: int) -> bool:
    return len(await stack.rows(Enrollment)) == count


async def _is_over(stack: Stack, journey_id: int) -> bool:
    return (await watch_handle(stack, journey_id).describe()).close_time is not None


PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    "journey-completed": _completed,
    "journey-purchased": _purchased,
    "journey-replied": _replied,
    "journey-unsubscribed": _unsubscribed,
    "journey-ended-before-it-began": _stopped_before_it_began,
    "journey-undeliverable": _undeliverable,
    "journey-send-unknown-settled": _send_unknown_settled,
    "journey-send-unknown-parked": _send_unknown_parked,
    "journey-failed-after-acceptance": _failed_after_acceptance,
    "journey-written-by-model": _model_written,
    "journey-hold-released": _hold_released,
    "journey-hold-expired": _hold_expired,
    "journey-approved": _approved,
    "journey-rejected": _rejected,
    "journey-approval-expired": _approval_expired,
    "journey-approved-anew": _approved_anew,
    "journey-send-out-of-time": _send_out_of_time,
    "journey-sent-now": _sent_now,
    "journey-asleep": _asleep,
    "journey-watching": _watching,
    "audience": _audience,
    "audience-paced": _audience_paced,
    "health": _health,
    "upkeep": _upkeep,
    "follow-up-completed": _follow_up_completed,
    "follow-up-replied": _follow_up_replied,
    "follow-up-restarted": _follow_up_restarted,
    "follow-up-window-closed": _follow_up_window_closed,
    "follow-up-moved": _follow_up_moved,
    "cart-purchased": _cart_purchased,
    "watch": _watch,
    "watch-noticed": _watch_noticed,
}


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs paths against one server."""

    client: Client

    @asynccontextmanager
    async def stack(self) -> AsyncIterator[Stack]:
        """A stack of its own for one path."""
        with tempfile.TemporaryDirectory() as directory:
            url = f"sqlite+aiosqlite:///{directory}/record.db"
            async with running_stack(self.client, url, clock=system_clock, unknown_wait=timedelta(seconds=1)) as stack:
                yield stack

    async def record(self, name: str) -> str:
        """The history of one path as JSON."""
        async with self.stack() as stack:
            workflow_id = await PATHS[name](stack)
            return (await self.client.get_workflow_handle(workflow_id).fetch_history()).to_json()


def write_manifest() -> None:
    """List every history with its checksum."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}" for path in sorted(HISTORIES.glob("*.json"))
    ]
    MANIFEST.write_text("\n".join(lines) + "\n", encoding="ascii")


async def _record_all(names: list[str]) -> None:
    async with dev_server() as server:
        target = server.client.service_client.config.target_host
        # The identity of workers stands in every history; by default it is this machine's name.
        client = await Client.connect(target, plugins=[RekindlePlugin()], identity="recorder")
        recorder = Recorder(client)
        for name in names:
            # Where this machine keeps the code is nobody's affair.
            text = _STACK_TRACE.sub(r'\1""', await recorder.record(name))
            (HISTORIES / f"{name}.json").write_text(text + "\n", encoding="utf-8")
            sys.stdout.write(f"{name}: {len(text)} bytes\n")
    write_manifest()
    await asyncio.sleep(0.02)


def main() -> int:
    """Record the paths that are named, or all that have no history yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(PATHS)}")
    names = parser.parse_args().names or [name for name in PATHS if not (HISTORIES / f"{name}.json").exists()]
    HISTORIES.mkdir(exist_ok=True)
    taken = [name for name in names if (HISTORIES / f"{name}.json").exists()]
    if taken:
        sys.stderr.write(f"recorded already, and never changed: {', '.join(taken)}\n")
        return 1
    asyncio.run(_record_all(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
