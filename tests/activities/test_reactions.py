"""What is tried again after a refusal, and at which pace, on both databases."""

import json
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from models.enums import (
    HoldReason,
    SkipReason,
)
from models.orchestration import StageStep
from models.tables import (
    Send,
    SendAttempt,
)
from policies.whatsapp_reactions import pacing_of
from tests.refusing import OTHER, Sending, events
from tests.worlds import (
    NOON,
    later,
)


@pytest.mark.parametrize(
    ("code", "pauses"),
    [
        (131056, [4, 16, 64, 256]),
        (130429, [10, 20, 40]),
        (131016, [60, 120, 240]),
        (131053, [30, 120]),
        (80007, [300]),
    ],
)
async def test_a_code_is_tried_again_at_its_own_pace(sending: Sending, code: int, pauses: list[int]) -> None:
    """Each try has the documented pause before it, longer by a quarter or a minute at most, and never shorter."""
    enrollment = await sending.ready()
    for tries, wanted in enumerate(pauses, start=1):
        sending.meta.codes = [code]
        with pytest.raises(ApplicationError) as raised:
            await sending.send(enrollment, attempt=tries)
        found = raised.value.next_retry_delay
        assert found is not None
        assert wanted <= found.total_seconds() <= wanted + max(1, min(wanted / 4, 60))
    assert len(sending.meta.posted) == len(pauses)


async def test_what_whatsapp_asks_for_is_waited_for(sending: Sending) -> None:
    """The usage header names minutes: the stage holds so long, and the attempt tells with which code."""
    enrollment = await sending.ready()
    sending.meta.codes = [80007]
    usage = {"1": [{"type": "whatsapp", "estimated_time_to_regain_access": 40}]}
    sending.meta.headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
    result = await sending.send(enrollment)
    assert (result.step, result.hold_reason) == (StageStep.HOLD, HoldReason.META_RETRY_LATER)
    assert result.hold_until is not None
    assert later(minutes=40) <= result.hold_until <= later(minutes=42)
    (attempt,) = await sending.world.rows(SendAttempt)
    assert attempt.error_code == 80007


async def test_a_picture_that_meta_cannot_fetch_is_tried_three_times(sending: Sending) -> None:
    """After that it is the message that is wrong, and nobody else sends it."""
    enrollment = await sending.ready()
    sending.meta.codes = [131053] * 3
    for tries in (1, 2):
        with pytest.raises(ApplicationError):
            await sending.send(enrollment, attempt=tries)
    result = await sending.send(enrollment, attempt=3)
    assert (result.step, result.hold_reason) == (StageStep.HOLD, HoldReason.TEMPLATE_HELD)
    assert await events(sending.world) == [("template.blocked", 131053)]


async def test_a_fault_that_stays_skips_the_message_at_last(sending: Sending) -> None:
    """131000 is tried for hours, at longer and longer pauses, and then given up for this send alone."""
    enrollment = await sending.ready()
    at = NOON
    most = pacing_of(131000).most
    assert most is not None
    for tries in range(1, most + 1):
        sending.meta.codes = [131000]
        try:
            result = await sending.send(enrollment, at=at, attempt=1 if tries > 3 else tries)
        except ApplicationError as error:
            at += error.next_retry_delay or timedelta(0)
        else:
            at = result.hold_until or at
        await sending.draft(enrollment, at=at)
    assert result.step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert send.skip_reason is SkipReason.REQUEST_REFUSED
    assert at > later(hours=1)
    sending.meta.codes = []
    assert (await sending.send(await sending.ready(OTHER))).step is StageStep.ACCEPTED
