"""What a refusal leads to that is told by webhook, after the message was taken."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.exceptions import ApplicationError

from models.enums import (
    HoldReason,
    JourneyState,
    SendState,
    SkipReason,
    TemplateStatus,
)
from models.orchestration import StageStep
from models.tables import (
    Enrollment,
    Journey,
    Number,
    Send,
    SignalIntent,
    Template,
)
from policies.whatsapp_reactions import Reaction, may_follow, reaction_for
from tests.refusing import OTHER, Sending, failed
from tests.worlds import (
    NOON,
    later,
)

CATALOGUE = Path(__file__).parents[2].parent / "shared" / "reference" / "whatsapp_error_codes.json"


async def test_a_window_that_meta_calls_closed_leads_to_the_template(sending: Sending) -> None:
    """131047 comes by webhook alone, after the text was taken: the template goes, in the same stage, as attempt 2."""
    enrollment = await sending.ready(free_text="Still there?", last_inbound_at=later(hours=-23))
    assert (await sending.send(enrollment)).step is StageStep.ACCEPTED
    assert sending.meta.bodies[0]["type"] == "text"
    await failed(sending, enrollment, 131047)
    (intent,) = await sending.world.rows(SignalIntent)
    assert (intent.signal, intent.payload) == (
        "attempt_settled",
        {"attempt_id": f"{enrollment}:1:1:1", "failed": True},
    )
    assert (await sending.reopen(enrollment)).step is StageStep.STALE
    assert (await sending.send(enrollment, at=later(minutes=1))).step is StageStep.ACCEPTED
    assert sending.meta.bodies[1]["type"] == "template"
    assert sending.meta.posted == [f"{enrollment}:1:1:1", f"{enrollment}:1:1:2"]


async def test_metas_limit_for_a_person_told_by_webhook_is_met_a_day_later_twice(sending: Sending) -> None:
    """131049 by webhook: a day's pause, another attempt, and after the third the stage is skipped."""
    enrollment = await sending.ready()
    at = NOON
    for attempt in (1, 2):
        assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
        await failed(sending, enrollment, 131049, attempt=attempt, minutes=1 + (at - NOON).total_seconds() / 60)
        result = await sending.reopen(enrollment, at=at)
        assert (result.step, result.hold_reason) == (StageStep.HOLD, HoldReason.META_RETRY_LATER)
        assert result == await sending.reopen(enrollment, at=at), "a repeated activity says the same"
        assert result.hold_until is not None
        assert timedelta(hours=24) <= result.hold_until - at <= timedelta(hours=25)
        at = result.hold_until
        await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
    await failed(sending, enrollment, 131049, attempt=3, minutes=1 + (at - NOON).total_seconds() / 60)
    assert (await sending.reopen(enrollment, at=at)).step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert (send.state, send.skip_reason, send.attempt) == (SendState.SKIPPED, SkipReason.META_DECLINED, 3)


async def test_a_message_that_meta_takes_and_drops_again_and_again_is_given_up(sending: Sending) -> None:
    """130429 by webhook each time: each round has the whole hold clock, so the tries themselves must have an end."""
    enrollment = await sending.ready()
    at = NOON
    for attempt in range(1, 7):
        assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
        await failed(sending, enrollment, 130429, attempt=attempt, minutes=(at - NOON).total_seconds() / 60)
        result = await sending.reopen(enrollment, at=at)
        if result.step is StageStep.SKIPPED:
            break
        assert result.hold_until is not None
        at = result.hold_until + timedelta(minutes=1)
        await sending.draft(enrollment, at=at)
    (send,) = await sending.world.rows(Send)
    assert (send.state, send.skip_reason, send.attempt) == (SendState.SKIPPED, SkipReason.META_DECLINED, 6)


async def test_a_late_failure_of_an_earlier_attempt_spoils_no_later_one(sending: Sending) -> None:
    """The first attempt's failure, told once more after the second was taken, opens nothing."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    await failed(sending, enrollment, 131016)
    result = await sending.reopen(enrollment)
    assert result.hold_until is not None
    await sending.draft(enrollment, at=result.hold_until)
    assert (await sending.send(enrollment, at=result.hold_until)).step is StageStep.ACCEPTED
    assert (await sending.reopen(enrollment, at=result.hold_until)).step is StageStep.ACCEPTED
    (send,) = await sending.world.rows(Send)
    assert (send.state, send.attempt) == (SendState.ACCEPTED, 2)


async def test_a_failure_told_when_the_journey_is_further_on_is_recorded_and_no_more(sending: Sending) -> None:
    """With the next stage held already nobody is told to open the first one again."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    async with sending.world.database.write() as session:
        row = await session.get(Enrollment, enrollment)
        assert row is not None
        row.stage = 2
    await failed(sending, enrollment, 131049)
    assert await sending.world.intents() == []
    (send,) = await sending.world.rows(Send)
    assert send.state is SendState.ACCEPTED


async def test_a_message_that_arrived_is_not_sent_again(sending: Sending) -> None:
    """A failure that another device reports after a delivery opens nothing."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    async with sending.world.database.write() as session:
        send = await session.get(Send, 1)
        assert send is not None
        send.received_at = NOON
    await failed(sending, enrollment, 131049)
    assert await sending.world.intents() == []
    assert (await sending.reopen(enrollment)).step is StageStep.ACCEPTED


@pytest.mark.parametrize("code", [131048, 131042])
async def test_a_webhook_stops_the_sender_as_an_answer_does(sending: Sending, code: int) -> None:
    """Told of one message, it holds everybody's."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    await failed(sending, enrollment, code)
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason == f"refused:{code}"
    result = await sending.send(await sending.ready(OTHER))
    assert result.step is StageStep.HOLD
    assert len(sending.meta.posted) == 1


async def test_every_code_has_an_effect_by_answer_and_by_webhook(sending: Sending) -> None:
    """All codes of the reference, one after the other: a message that was not sent is never called accepted."""
    if not CATALOGUE.exists():
        pytest.skip("the reference files are not here")
    rows = json.loads(CATALOGUE.read_text())
    for index, row in enumerate(rows):
        code = row["code"]
        reaction = reaction_for(code, None, row["http"], is_transient=False)
        enrollment = await sending.ready(f"+4477009{index:05d}")
        sending.meta.codes = [code]
        try:
            step = (await sending.send(enrollment)).step
        except ApplicationError:
            assert reaction is Reaction.RETRY_SOON, code
        else:
            assert step is not StageStep.ACCEPTED, code
        if may_follow(reaction):
            other = await sending.ready(f"+4477008{index:05d}")
            await _heal(sending)
            assert (await sending.send(other)).step is StageStep.ACCEPTED, code
            await failed(sending, other, code)
            result = await sending.reopen(other)
            assert result.step in {StageStep.HOLD, StageStep.SKIPPED, StageStep.STALE}, code
        await _heal(sending)


async def _heal(sending: Sending) -> None:
    async with sending.world.database.write() as session:
        number = await session.get(Number, sending.world.number_id)
        journey = await session.get(Journey, 1)
        template = await session.get(Template, 1)
        assert number is not None
        assert journey is not None
        assert template is not None
        number.paused_reason = number.paused_until = number.probe_at = None
        number.credential_ok, number.blocked_countries = True, {}
        template.status, template.blocks = TemplateStatus.APPROVED, {}
        journey.state, journey.state_reason = JourneyState.ACTIVE, None
