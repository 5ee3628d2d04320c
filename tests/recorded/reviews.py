"""Histories of the daily review and of whom it found."""

import functools
from collections.abc import Awaitable, Callable
from unittest import mock

from models.enums import ExitReason
from models.orchestration import RunPlan
from models.tables import Enrollment
from sandbox.llm.faults import QuotaExhausted
from tests.recorded.holds import approve
from tests.stack import Stack
from tests.tracked import WANTS_IT, tracking, wants
from tests.tracked import run as run_review


async def _tracking(stack: Stack) -> str:
    """One is followed up, one says thanks, one has bought in the shop."""
    for text in (WANTS_IT, "Thanks, bye!"):
        await wants(stack, text)
    await stack.buy(await wants(stack), webhook=False)
    assert (await run_review(stack, tracking())).enrolled == 1
    return stack.started[0]


async def _tracking_nobody(stack: Stack) -> str:
    assert (await run_review(stack, tracking())).considered == 0
    return stack.started[0]


async def _tracking_stopped(stack: Stack) -> str:
    """The bill is not paid: two of three wait for the next run."""
    for _ in range(3):
        await wants(stack)
    stack.llm.faults.add(QuotaExhausted(), times=3)
    assert (await run_review(stack, tracking())).stop_reason == "insufficient_quota"
    return stack.started[0]


async def _tracking_continued(stack: Stack) -> str:
    """The last of three histories of a run over three."""
    for _ in range(3):
        await wants(stack)
    with mock.patch("activities.reviewing.RunPlan", functools.partial(RunPlan, in_one_history=1)):
        assert (await run_review(stack, tracking())).enrolled == 3
    return stack.started[0]


async def _tracking_enrollment(stack: Stack) -> str:
    """Somebody approves what the model suggested, and the customer answers it."""
    person = await wants(stack)
    await run_review(stack, tracking(auto_send=False))
    (enrollment,) = await stack.rows(Enrollment)
    await approve(stack, enrollment.id, 0)
    await stack.waits(enrollment.id, 1)
    await stack.write(person, "Yes, please")
    assert await stack.ends(enrollment.id) is ExitReason.CUSTOMER_REPLIED
    return str(enrollment.id)


PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    "tracking": _tracking,
    "tracking-nobody": _tracking_nobody,
    "tracking-stopped": _tracking_stopped,
    "tracking-continued": _tracking_continued,
    "tracking-enrollment": _tracking_enrollment,
}
"""By the name of the file that keeps the history."""
