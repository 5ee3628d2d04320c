"""Histories of journeys that meet no hold, and of their ends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from unittest import mock

from models.enums import EnrollmentState, ExitReason, HoldReason
from models.orchestration import Released
from sandbox.whatsapp.faults import DropResponse, FailLater, LoseStatuses, Refuse
from tests.recorded.pace import hurried
from tests.stack import HELLO, Stack, journey
from workflows.journey import JourneyWorkflow

_AI = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}
_THREE = (("0d", HELLO), ("3d", HELLO), ("7d", HELLO))
_PAIR_S = 7.0


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
    "journey-sent-now": _sent_now,
    "journey-asleep": _asleep,
    "journey-watching": _watching,
}
"""By the name of the file that keeps the history."""
