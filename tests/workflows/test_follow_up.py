"""A follow-up from its first message to its end: the window, our own side's word, and what ends it."""

from datetime import timedelta
from typing import Any

import pytest

from models.enums import EnrollmentState, ExitReason, HoldReason, MessageAuthor, SendState, SkipReason
from models.orchestration import Approval
from models.tables import Conversation, Enrollment, ModelCall
from storage.conversations import move, set_open
from storage.customers import lock_customer
from tests.quiet_chats import HELLO, NOTE, begin, conversation_of, follow_up, our_side_says, quiet
from tests.stack import Person, Stack, journey
from tests.workflows.conftest import OpenStack
from workflows.journey import JourneyWorkflow

STILL_THERE = {"text": "Are you still there, {customer.first_name|friend}?"}
THREE = follow_up(repeat={"every": "2h", "times": 3}, message=STILL_THERE)


async def _silent_for(stack: Stack, **span: float) -> Person:
    """A customer who asked, was answered, and has been silent for so long."""
    person = await stack.person()
    await quiet(stack, person)
    await stack.advance(**span)
    return person


async def test_three_unanswered_follow_ups_complete_it(stack: Stack) -> None:
    """Each goes two hours after the one before, as free text in the open window, the same for everybody."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, THREE, person)
    for sent in (1, 2, 3):
        await stack.accepted(sent)
        await stack.waits(enrollment, sent)
        if sent < 3:
            await stack.advance(hours=1, minutes=59)
            assert len(stack.received()) == sent
            await stack.advance(minutes=1)
    assert {one.kind for one in stack.received()} == {"text"}
    assert {one.rendered for one in stack.received()} == {"Are you still there, Ada?"}
    await stack.advance(days=5)
    assert await stack.ends(enrollment) is ExitReason.COMPLETED


async def test_a_reply_ends_it_at_once(stack: Stack) -> None:
    """The customer's answer between two follow-ups is the end."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, THREE, person)
    await stack.waits(enrollment, 1)
    await stack.write(person, "Yes, sorry!")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    assert len(stack.received()) == 1


@pytest.mark.parametrize("author", [MessageAuthor.AGENT, MessageAuthor.BOT])
async def test_our_own_word_restarts_the_delay_and_is_no_follow_up(stack: Stack, author: MessageAuthor) -> None:
    """An agent writes an hour after the first: the second goes two hours after that, and three go in all."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, THREE, person)
    await stack.waits(enrollment, 1)
    await stack.advance(hours=1)
    await our_side_says(stack, person, "We can also offer it in green.", author=author)
    spoke_at = (await conversation_of(stack, person)).silent_since
    assert spoke_at is not None
    await stack.advance(hours=1, minutes=1)
    waiting = await stack.until(lambda: _due_at(stack, enrollment, spoke_at + timedelta(hours=2)))
    assert waiting.state is EnrollmentState.WAITING
    assert len(stack.received()) == 1
    assert await stack.story(enrollment) == [("restarted", None)]
    assert (await stack.status(enrollment)).due_at == spoke_at + timedelta(hours=2)
    await stack.advance(minutes=59)
    await stack.accepted(2)
    await stack.waits(enrollment, 2)
    await stack.advance(hours=2)
    await stack.accepted(3)


async def _due_at(stack: Stack, enrollment_id: str, at: object) -> Enrollment | None:
    row = await stack.enrollment(enrollment_id)
    return row if row.due_at == at else None


async def test_our_own_word_before_the_first_message_restarts_the_silence(stack: Stack) -> None:
    """Somebody entered in the night and waits for the morning; what an agent writes at nine gets its two hours."""
    person = await _silent_for(stack, hours=12)  # 21:00
    definition = follow_up(repeat={"every": "2h", "times": 1}, sending={"hours": "09:00-22:00"})
    await stack.advance(hours=2)  # 23:00
    enrollment = await begin(stack, definition, person)
    await stack.waits(enrollment, 0)
    await stack.advance(hours=9, minutes=59)
    await our_side_says(stack, person, "Good morning! Still interested?")
    await stack.advance(minutes=5)
    await stack.until(lambda: _restarted(stack, enrollment))
    assert not stack.received()
    assert stack.llm.requests == 0  # nobody is asked for a text that would not go


async def _restarted(stack: Stack, enrollment_id: str) -> bool:
    return ("restarted", None) in await stack.story(enrollment_id)


async def test_our_own_word_while_a_text_waits_for_a_yes_restarts_the_delay(stack: Stack) -> None:
    """An agent wrote after the text was prepared: it is not sent, although the check is fresh."""
    person = await _silent_for(stack, hours=2)
    definition = follow_up(("2h", STILL_THERE), sending={"approval": "required"})
    enrollment = await begin(stack, definition, person)
    await stack.holds(enrollment, HoldReason.APPROVAL)
    await our_side_says(stack, person, "By the way, it comes with a box.")
    await _approve(stack, enrollment)
    await stack.waits(enrollment, 0)
    await stack.until(lambda: _restarted(stack, enrollment))
    assert not stack.received()
    await stack.advance(hours=2)
    await stack.holds(enrollment, HoldReason.APPROVAL)  # of another moment: it is read again
    await _approve(stack, enrollment)
    await stack.accepted(1)


async def _approve(stack: Stack, enrollment_id: str) -> None:
    await stack.handle(enrollment_id).execute_update(JourneyWorkflow.approve, Approval(draft_id=1))


async def test_send_now_does_not_wait_for_a_restarted_delay(stack: Stack) -> None:
    """Whoever asks to send now means now, also right after an agent's word."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, THREE, person)
    await stack.waits(enrollment, 1)
    await stack.advance(minutes=1)
    await our_side_says(stack, person, "It comes with a box.")
    await stack.handle(enrollment).execute_update(JourneyWorkflow.send_now)
    await stack.accepted(2)


async def test_a_reply_makes_room_for_as_many_messages_again(stack: Stack) -> None:
    """What was sent before the customer's last word does not count."""
    once = follow_up(repeat={"every": "1h", "times": 1}, message=STILL_THERE)
    person = await _silent_for(stack, hours=1)
    for passage in (1, 2):
        enrollment = await begin(stack, once, person)
        await stack.accepted(passage)
        await stack.waits(enrollment, 1)
        await stack.write(person, "Let me think")
        assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
        await our_side_says(stack, person, f"Of course ({passage})")
        await stack.advance(hours=1)


@pytest.mark.parametrize(
    ("message", "state", "reason"),
    [(STILL_THERE, SendState.ACCEPTED, None), ({"template": HELLO}, SendState.SKIPPED, SkipReason.SMART_SENDING)],
)
async def test_a_text_in_an_open_session_is_no_marketing_to_others(
    stack: Stack, message: dict[str, Any], state: SendState, reason: SkipReason | None
) -> None:
    """Smart sending of another journey counts a follow-up's template, and not its free text."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, follow_up(("2h", message)), person)
    await stack.waits(enrollment, 1)
    await stack.stop(enrollment)
    await stack.ends(enrollment)
    await stack.advance(minutes=1)
    other = await stack.begin(journey(sending={"smart_sending_days": 5}), person)
    await stack.waits(other, 1)
    send = await stack.send(other)
    assert (send.state, send.skip_reason) == (state, reason)


async def test_marketing_of_another_journey_does_not_silence_an_open_conversation(stack: Stack) -> None:
    """The customer answered a win-back: inside the window the follow-up's text goes, outside it no template does."""
    person = await stack.person()
    other = await stack.begin(journey(("0d", {"template": HELLO})), person)
    await stack.accepted(1)
    await stack.waits(other, 1)
    await quiet(stack, person)
    assert await stack.ends(other) is ExitReason.CUSTOMER_REPLIED
    await stack.advance(hours=23)
    message = {**STILL_THERE, "template": HELLO}
    enrollment = await begin(stack, follow_up(("23h", message), ("2h", message)), person)
    await stack.waits(enrollment, 1)
    await stack.advance(hours=2)
    await stack.waits(enrollment, 2)
    sends = [await stack.send(enrollment, stage) for stage in (0, 1)]
    assert [(one.state, one.skip_reason) for one in sends] == [
        (SendState.ACCEPTED, None),
        (SendState.SKIPPED, SkipReason.SMART_SENDING),
    ]
    assert [one.kind for one in stack.received()] == ["template", "text"]


async def test_no_marketing_template_goes_to_a_us_number(stack: Stack) -> None:
    """Inside the window a text, outside it nothing: WhatsApp would not deliver the template."""
    person = await _silent_for(stack, hours=23)
    message = {**STILL_THERE, "template": HELLO}
    enrollment = await begin(stack, follow_up(("23h", message), ("2h", message)), person)
    await stack.waits(enrollment, 1)
    async with stack.database.write() as session:
        (await lock_customer(session, person.id)).phone = "+12125550123"
    await stack.advance(hours=2)
    await stack.waits(enrollment, 2)
    assert (await stack.send(enrollment, 1)).skip_reason is SkipReason.META_DECLINED


async def test_two_passages_share_the_number_of_messages(stack: Stack) -> None:
    """After one message the card was away and came back: the second passage sends two more, and it is over."""
    person = await _silent_for(stack, hours=2)
    first = await begin(stack, THREE, person)
    await stack.waits(first, 1)
    await stack.stop(first)
    await stack.ends(first)
    await our_side_says(stack, person, "Any news?")
    await stack.advance(hours=2)
    second = await begin(stack, THREE, person)
    await stack.accepted(2)
    await stack.waits(second, 1)
    await stack.advance(hours=2)
    await stack.accepted(3)
    await stack.waits(second, 2)
    await stack.advance(hours=2)
    assert await stack.ends(second) is ExitReason.COMPLETED
    assert len(stack.received()) == 3


async def test_outside_the_window_the_template_goes(stack: Stack) -> None:
    """23 hours after the customer's word the text, 25 hours after it the template."""
    person = await _silent_for(stack, hours=23)
    message = {**STILL_THERE, "template": HELLO}
    enrollment = await begin(stack, follow_up(("23h", message), ("2h", message)), person)
    await stack.waits(enrollment, 1)
    await stack.advance(hours=2)
    await stack.accepted(2)
    assert [one.kind for one in stack.received()] == ["text", "template"]


async def test_without_a_template_a_closed_window_passes_the_stage_over(stack: Stack) -> None:
    """Nothing may go: the stage is skipped with its reason, and no model is asked for a text that could not leave."""
    person = await _silent_for(stack, hours=25)
    enrollment = await begin(stack, follow_up(("25h", STILL_THERE), ("1h", {"ai": {}})), person)
    await stack.waits(enrollment, 1)
    await stack.advance(hours=1)
    await stack.waits(enrollment, 2)
    sends = [await stack.send(enrollment, stage) for stage in (0, 1)]
    assert {(one.state, one.skip_reason) for one in sends} == {(SendState.SKIPPED, SkipReason.WINDOW_CLOSED)}
    assert not stack.received()
    assert stack.llm.requests == 0


async def test_a_window_that_closes_before_the_claim_passes_the_stage_over(stack: Stack) -> None:
    """The text waited for somebody's yes until it could not go any more."""
    person = await _silent_for(stack, hours=23)
    definition = follow_up(("23h", STILL_THERE), sending={"approval": "required"})
    enrollment = await begin(stack, definition, person)
    await stack.reaches(enrollment, EnrollmentState.HOLDING)
    async with stack.database.write() as session:  # the window closes while the check is still fresh
        customer = await lock_customer(session, person.id)
        assert customer.last_inbound_at is not None
        customer.last_inbound_at -= timedelta(hours=1)
    await _approve(stack, enrollment)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.WINDOW_CLOSED
    assert not stack.received()


async def test_moving_the_card_ends_it(stack: Stack) -> None:
    """The conversation leaves the journey's column."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, THREE, person)
    await stack.waits(enrollment, 1)
    now = await stack.now()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        row = await session.get(Conversation, (await conversation_of(stack, person)).id)
        assert row is not None
        assert await move(session, customer, row, "won", at=now, now=now)
    await stack.settle()
    assert await stack.ends(enrollment) is ExitReason.MOVED_COLUMN


@pytest.mark.parametrize("include_closed", [False, True])
async def test_closing_the_conversation_ends_it_unless_closed_ones_are_included(
    stack: Stack, *, include_closed: bool
) -> None:
    """`include_closed: true` goes on after the ticket was closed."""
    person = await _silent_for(stack, hours=2)
    definition = follow_up(
        repeat={"every": "2h", "times": 2},
        message=STILL_THERE,
        conversations={"column": "quoted", "include_closed": include_closed},
    )
    enrollment = await begin(stack, definition, person)
    await stack.waits(enrollment, 1)
    now = await stack.now()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        row = await session.get(Conversation, (await conversation_of(stack, person)).id)
        assert row is not None
        assert await set_open(session, customer, row, is_open=False, at=now, now=now)
    await stack.settle()
    if include_closed:
        await stack.advance(hours=2)
        await stack.accepted(2)
    else:
        assert await stack.ends(enrollment) is ExitReason.CONVERSATION_CLOSED


async def test_the_model_writes_in_the_customers_language_and_never_twice_the_same(stack: Stack) -> None:
    """Without a template nobody fixes the language; each text is unlike those before it."""
    person = await stack.person()
    await quiet(stack, person, asked="Hola, ¿cuánto cuesta? Por favor", context={"product": "bufanda azul"})
    await stack.advance(hours=1)
    enrollment = await begin(stack, follow_up(repeat={"every": "1h", "times": 4}), person)
    for sent in (1, 2, 3, 4):
        await stack.accepted(sent)
        await stack.waits(enrollment, sent)
        await stack.advance(hours=1)
    texts = [one.rendered for one in stack.received()]
    assert len(set(texts)) == 4
    assert all("bufanda azul" in text for text in texts)
    assert {one.outcome for one in await stack.rows(ModelCall)} == {"used"}
    assert (await stack.send(enrollment)).template_name is None


async def test_the_models_text_fills_the_templates_variable_outside_the_window(stack: Stack) -> None:
    """Inside the text itself, outside it in the template."""
    person = await _silent_for(stack, hours=25)
    await begin(stack, follow_up(("25h", {"ai": {"mode": "goal", "goal": "Ask for news"}, "template": NOTE})), person)
    await stack.accepted(1)
    (message,) = stack.received()
    assert message.kind == "template"
    assert message.content["name"] == "follow_up_note"


async def test_the_fallback_may_be_a_text(open_stack: OpenStack) -> None:
    """No model: the words that a person wrote go, filled from the deal's context."""
    async with open_stack(with_model=False) as stack:
        person = await stack.person()
        await quiet(stack, person, context={"deal": {"product": "blue scarf"}})
        await stack.advance(hours=2)
        message = {"ai": {}, "fallback": {"text": "Any news about the {context.deal.product}?"}}
        await begin(stack, follow_up(("2h", message)), person)
        await stack.accepted(1)
        (sent,) = stack.received()
        assert (sent.kind, sent.rendered) == ("text", "Any news about the blue scarf?")


async def test_without_a_fallback_a_stage_without_a_text_is_passed_over(open_stack: OpenStack) -> None:
    """No model and nothing that stands in: the stage is skipped and the journey goes on."""
    async with open_stack(with_model=False) as stack:
        person = await stack.person()
        await quiet(stack, person)
        await stack.advance(hours=2)
        enrollment = await begin(stack, follow_up(("2h", {"ai": {}}), ("1h", STILL_THERE)), person)
        await stack.waits(enrollment, 1)
        assert (await stack.send(enrollment)).skip_reason is SkipReason.VARIABLE_MISSING
        await stack.advance(hours=1)
        await stack.accepted(1)


async def test_a_context_that_lacks_a_key_passes_the_stage_over(stack: Stack) -> None:
    """Nothing fills the placeholder, and it has no default."""
    person = await _silent_for(stack, hours=2)
    enrollment = await begin(stack, follow_up(("2h", {"text": "About {context.product}?"})), person)
    await stack.waits(enrollment, 1)
    assert (await stack.send(enrollment)).skip_reason is SkipReason.VARIABLE_MISSING
