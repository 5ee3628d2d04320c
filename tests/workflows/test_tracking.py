"""A run of the daily review from who is considered to the journeys that begin of it."""

from datetime import timedelta
from functools import partial
from typing import Any
from unittest import mock

import pytest
from temporalio.testing import ActivityEnvironment

from activities.analysis import AnalysisActivities
from gateway.decisions import Desk, Wanted
from models.enums import (
    BuyingIntent,
    CreditKind,
    CreditState,
    EnrollmentState,
    ExitReason,
    HoldReason,
    JourneyState,
    ReviewOutcome,
    RunState,
    SkipReason,
    StoreEventKind,
)
from models.orchestration import GiveUp, RunPlan
from models.tables import (
    AnalysisCall,
    ConversationAnalysis,
    CreditEntry,
    Customer,
    Enrollment,
    Journey,
    Review,
    Store,
    StoreEvent,
    TrackingRun,
)
from sandbox.llm.faults import Filter, InvalidJson, QuotaExhausted, RateLimited, ServerFailure
from storage.credits import add_credits, open_ledger, set_prices
from storage.stores import required_id
from tests.quiet_chats import our_side_says
from tests.stack import HELLO, Person, Stack, journey
from tests.tracked import begin_run, outcomes, run, tracking, wants
from workflows.tracking import TrackingWorkflow


async def opened(stack: Stack, balance: int) -> None:
    """A ledger with so much in it, out of which messages cost nothing."""
    async with stack.database.write() as session:
        await open_ledger(session, stack.store.id, balance, now=await stack.now())
        await set_prices(session, stack.store.id, message=0, generation=None, now=await stack.now())


async def only(stack: Stack, model: type[Any], **where: Any) -> Any:
    """The one row of that kind."""
    (row,) = await stack.rows(model, **where)
    return row


async def test_an_open_sale_is_followed_up_with_what_the_model_suggested(stack: Stack) -> None:
    """Who wants to buy and has not is written to; who only says thanks is not; no model is asked a second time."""
    buyer = await wants(stack)
    other = await wants(stack, "Thanks, bye!", answered=None)
    progress = await run(stack, tracking())
    assert (progress.phase, progress.considered, progress.analysed) == ("done", 2, 2)
    assert (progress.detected, progress.enrolled) == (1, 1)
    assert await outcomes(stack) == {buyer.id: "enrolled", other.id: "not_detected"}
    asked = stack.llm.requests
    await stack.accepted(1)
    analysis = await only(stack, ConversationAnalysis, customer_id=buyer.id)
    (message,) = stack.received()
    assert (message.kind, message.rendered) == ("text", analysis.suggestion)
    assert (analysis.intent, analysis.attempt, analysis.order_found) == (BuyingIntent.HIGH, 1, False)
    enrollment = await only(stack, Enrollment)
    assert (enrollment.entry_key, enrollment.analysis_id) == (f"analysis-{analysis.id}", analysis.id)
    await stack.reaches(enrollment.id, EnrollmentState.WATCHING)
    assert stack.llm.requests == asked


async def test_without_credits_the_run_stops_and_the_next_one_pays_only_for_the_rest(stack: Stack) -> None:
    """Two of three are paid for; the run says so and enrolls nobody more; with credits each is asked about once."""
    people = [await wants(stack) for _ in range(3)]
    await opened(stack, 2)
    progress = await run(stack, tracking())
    assert (progress.phase, progress.stop_reason) == ("stopped", "no_credits")
    stopped = await only(stack, TrackingRun)
    assert (stopped.state, stopped.stop_reason) == (RunState.STOPPED, "no_credits")
    kinds = {one.kind for one in await stack.rows(StoreEvent)}
    assert {StoreEventKind.CREDITS_EXHAUSTED, StoreEventKind.RUN_STOPPED} <= kinds
    assert "waiting" in (await outcomes(stack)).values()
    assert len(await stack.rows(AnalysisCall)) == 2
    async with stack.database.write() as session:
        await add_credits(session, stack.store.id, 10, note=None, now=await stack.now())
    assert (await run(stack, tracking(), key="run-2")).phase == "done"
    assert {one.customer_id for one in await stack.rows(Enrollment)} == {one.id for one in people}
    lines = await stack.rows(CreditEntry, kind=CreditKind.ANALYSIS)
    assert [(one.state, one.amount) for one in lines] == [(CreditState.SETTLED, -1)] * 3
    assert (await only(stack, Store)).credits == 9
    assert len(await stack.rows(AnalysisCall)) == 3


@pytest.mark.parametrize(
    ("fault", "times", "outcome", "calls"),
    [(InvalidJson(), 3, "unreadable", 3), (Filter(), 1, "unreadable", 1), (InvalidJson(), 2, "enrolled", 3)],
)
async def test_an_answer_of_no_use_costs_one_conversation_at_most(
    stack: Stack, fault: Any, times: int, outcome: str, calls: int
) -> None:
    """Three tries for what can be read at last; a conversation that cannot be read stops nobody else."""
    bad = await wants(stack, "I want to buy the red mug, how can I pay?")
    good = await wants(stack)
    stack.llm.faults.add(fault, times=times, containing="red mug")
    assert (await run(stack, tracking())).phase == "done"
    assert await outcomes(stack) == {bad.id: outcome, good.id: "enrolled"}
    analysis = await only(stack, ConversationAnalysis, customer_id=bad.id)
    assert len(await stack.rows(AnalysisCall, analysis_id=analysis.id)) == calls
    assert analysis.answered_at is not None


async def test_a_model_that_asks_for_patience_gets_it_and_the_run_goes_on(stack: Stack) -> None:
    """429 with an hour's Retry-After: nothing is asked before, nothing is charged for it, and everybody is served."""
    buyer = await wants(stack)
    await opened(stack, 5)
    stack.llm.faults.add(RateLimited(retry_after="3600"))
    handle = await begin_run(stack, tracking())
    await stack.until(lambda: _given_back(stack))
    await stack.advance(minutes=59)
    assert await outcomes(stack) == {buyer.id: "waiting"}
    await stack.advance(minutes=2)
    assert (await handle.result()).enrolled == 1
    assert (await only(stack, Store)).credits == 4


async def _given_back(stack: Stack) -> bool:
    return [one.state for one in await stack.rows(CreditEntry, kind=CreditKind.ANALYSIS)] == [CreditState.RELEASED]


async def test_a_model_that_asks_for_days_of_patience_counts_as_away(stack: Stack) -> None:
    """Nobody waits that long: the conversation is the next run's, and so many in a row end this one."""
    person = await wants(stack)
    stack.llm.faults.add(RateLimited(retry_after="200000"))
    assert (await run(stack, tracking())).phase == "done"
    assert await outcomes(stack) == {person.id: "unreadable"}
    (review,) = await stack.rows(Review)
    assert review.seen == "Throttled"
    async with stack.database.write() as session:
        (await session.get_one(Review, review.id)).outcome = ReviewOutcome.WAITING
    environment = ActivityEnvironment()
    activities = AnalysisActivities(stack.services)
    told = await environment.run(activities.give_up, GiveUp(review_id=review.id, why=review.seen))
    assert told.away


async def test_an_unpaid_bill_stops_the_run_and_nothing_is_lost(stack: Stack) -> None:
    """`insufficient_quota` is everybody's: the run says so, its people read of it, the next run serves them."""
    buyer = await wants(stack)
    stack.llm.faults.add(QuotaExhausted())
    assert (await run(stack, tracking())).stop_reason == "insufficient_quota"
    event = await only(stack, StoreEvent, kind=StoreEventKind.RUN_STOPPED)
    assert event.detail["reason"] == "insufficient_quota"
    assert not await stack.rows(AnalysisCall)
    await stack.advance(days=3)  # beyond the window of 24 hours: it goes back to where the stopped one looked
    assert (await run(stack, tracking(), key="run-2")).enrolled == 1
    assert (await outcomes(stack))[buyer.id] == "enrolled"


async def test_a_fault_of_ours_costs_one_conversation(stack: Stack) -> None:
    """What nobody foresaw is tried again, then its conversation is written off with the fault's name."""
    bad = await wants(stack, "I want to buy the red mug, how can I pay?")
    good = await wants(stack)
    real = stack.services.llm
    assert real is not None
    usual = real.analyse

    async def analyse(request: Any) -> Any:
        if "red mug" in request.messages[-1].content:
            raise KeyError(0)
        return await usual(request)

    with mock.patch.object(type(real), "analyse", lambda _, request: analyse(request)):
        handle = await begin_run(stack, tracking())
        await stack.until(lambda: _settled(stack, good))
        await stack.advance(minutes=1)
        assert (await handle.result()).phase == "done"
    assert await outcomes(stack) == {bad.id: "unreadable", good.id: "enrolled"}
    assert (await only(stack, Review, customer_id=bad.id)).seen == "KeyError"


async def _settled(stack: Stack, person: Person) -> bool:
    return (await outcomes(stack)).get(person.id) == "enrolled"


async def test_two_runs_at_once_ask_about_a_conversation_once(stack: Stack) -> None:
    """Whoever comes second leaves it to the first: one analysis, one call, one enrollment, one charge."""
    people = [await wants(stack) for _ in range(4)]
    await opened(stack, 100)
    handles = [await begin_run(stack, tracking(), key=key) for key in ("run-1", "run-2")]
    for handle in handles:
        assert (await handle.result()).phase == "done"
    assert len(await stack.rows(AnalysisCall)) == len(people)
    assert len(await stack.rows(Enrollment)) == len(people)
    assert (await only(stack, Store)).credits == 96


async def test_a_long_run_goes_on_in_new_histories(stack: Stack) -> None:
    """After so many conversations it continues as new; everybody is served once and the figures go with it."""
    people = [await wants(stack) for _ in range(5)]
    with mock.patch("activities.reviewing.RunPlan", partial(RunPlan, in_one_history=2)):
        handle = await begin_run(stack, tracking())
        progress = await handle.result()
    assert (progress.considered, progress.analysed, progress.detected, progress.enrolled) == (5, 5, 5, 5)
    assert (await handle.describe()).run_id != handle.first_execution_run_id
    assert stack.llm.requests == len(people)


async def test_a_stopped_journey_ends_its_run(stack: Stack) -> None:
    """Stopped while the model is asked for patience: the run ends, and nobody is asked about or enrolled after it."""
    buyer = await wants(stack)
    stack.llm.faults.add(RateLimited(retry_after="3600"))
    handle = await begin_run(stack, tracking())
    await stack.until(lambda: _asked(stack))
    async with stack.database.write() as session:
        (found,) = await stack.rows(Journey)
        (await session.get_one(Journey, found.id)).state = JourneyState.STOPPED
    await stack.advance(hours=2)
    assert (await handle.result()).stop_reason == "journey_stopped"
    assert await outcomes(stack) == {buyer.id: "waiting"}
    assert stack.llm.requests == 1
    again = await begin_run(stack, None, key="run-2")
    assert (await again.result()).stop_reason == "journey_not_active"


async def _asked(stack: Stack) -> bool:
    return stack.llm.requests == 1 and bool(await stack.rows(ConversationAnalysis))


async def test_whoever_asks_not_to_be_written_to_is_opted_out(stack: Stack) -> None:
    """The model reads it, the quoted line's time is the stop's, and no message follows."""
    person = await wants(stack, "Please stop writing to me all the time.")
    (before,) = await stack.rows(Customer)
    assert (await run(stack, tracking())).phase == "done"
    assert await outcomes(stack) == {person.id: "opted_out"}
    customer = await only(stack, Customer)
    assert customer.opt_out_source == "conversation_review"
    assert customer.opted_out_at == before.last_inbound_at
    assert not stack.received()


async def test_a_message_waits_for_a_yes_and_goes_as_it_was_rewritten(stack: Stack) -> None:
    """Without `auto_send` somebody decides; what they write instead is held to the same rules and goes."""
    await wants(stack)
    await run(stack, tracking(auto_send=False))
    enrollment = await only(stack, Enrollment)
    await stack.holds(enrollment.id, HoldReason.APPROVAL)
    send = await stack.send(enrollment.id)
    assert send.free_text == (await only(stack, ConversationAnalysis)).suggestion
    await stack.advance(hours=2)  # the check has grown old by then, the text has not
    words = "We have kept the blue scarf for you. Shall we send it?"
    desk = Desk(stack.database, stack.client, stack.store.id, stack.clock)
    await desk.approve(Wanted(required_id(send.id), send.revision), text=words)
    await stack.accepted(1)
    assert stack.received()[0].rendered == words


async def test_an_event_alone_sends_nothing(stack: Stack) -> None:
    """`act: event` tells and enrolls nobody; the same finding is told once."""
    person = await wants(stack)
    for key in ("run-1", "run-2"):
        await run(stack, tracking(act="event"), key=key)
    first, second = await stack.rows(Review)
    assert (first.outcome.value, second.left_out.value) == ("reported", "analysed")
    assert (await only(stack, ConversationAnalysis)).attempt == 1
    assert not await stack.rows(Enrollment)
    assert not stack.received(person)


async def test_it_takes_a_customer_over_from_a_win_back(stack: Stack) -> None:
    """Its priority is higher by five: the win-back ends for it, and its template silences no answer in the window."""
    person = await stack.person()
    loser = await stack.begin(journey(("0d", HELLO), ("3d", HELLO), audience={"inactive_days": 1}), person)
    await stack.waits(loser, 1)
    await stack.write(person, "Hello?")
    assert await stack.ends(loser) is ExitReason.CUSTOMER_REPLIED
    await stack.write(person, "I want to buy the blue scarf, how can I pay?")
    await stack.advance(seconds=2)
    await stack.advance(minutes=1)  # WhatsApp lets few messages a minute through to one person
    second = await stack.begin(journey(("3d", HELLO), name="other"), person)
    await stack.waits(second, 0)
    assert (await run(stack, tracking(sending={"smart_sending_days": 5}))).enrolled == 1
    assert await stack.ends(second) is ExitReason.ENTERED_PRIORITY_JOURNEY
    await stack.accepted(2)
    assert [one.kind for one in stack.received()] == ["template", "text"]


@pytest.mark.parametrize("by_customer", [True, False])
async def test_a_word_during_the_wait_makes_the_suggestion_out_of_date(stack: Stack, by_customer: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A reply ends it as such; what our side wrote by itself makes it pointless; nothing is sent either way."""
    person = await wants(stack)
    await run(stack, tracking(wait_days=2))
    enrollment = await only(stack, Enrollment)
    waiting = await stack.waits(enrollment.id, 0)
    assert waiting.due_at is not None
    assert timedelta(days=1, hours=23) < waiting.due_at - await stack.now() <= timedelta(days=2)
    if by_customer:
        await stack.write(person, "Is it still there?")
    else:
        await our_side_says(stack, person, "By the way, it comes with a box.")
    await stack.advance(days=2, minutes=1)
    reason = ExitReason.CUSTOMER_REPLIED if by_customer else ExitReason.NO_LONGER_ELIGIBLE
    assert await stack.ends(enrollment.id) is reason
    assert not stack.received()


@pytest.mark.parametrize("template", [True, False])
async def test_after_the_window_the_template_shows_the_suggestion_or_nothing_goes(
    stack: Stack,
    template: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Two days after the customer's last message only a template may go; without one the stage is passed over."""
    await wants(stack)
    await run(stack, tracking(wait_days=2, **({} if template else {"template": None})))
    enrollment = await only(stack, Enrollment)
    await stack.advance(days=2, minutes=1)
    await stack.reaches(enrollment.id, EnrollmentState.WATCHING)
    analysis = await only(stack, ConversationAnalysis)
    if template:
        assert [one.kind for one in stack.received()] == ["template"]
        assert analysis.suggestion in stack.received()[0].rendered
    else:
        assert (await stack.send(enrollment.id)).skip_reason is SkipReason.WINDOW_CLOSED


async def test_whoever_has_bought_in_the_shop_is_not_written_to(stack: Stack) -> None:
    """The shop's webhook was lost: asking it finds the order, which is on record then, and nothing is sent."""
    person = await wants(stack)
    await stack.buy(person, webhook=False)
    assert (await run(stack, tracking())).detected == 1
    assert await outcomes(stack) == {person.id: "bought"}
    assert (await only(stack, ConversationAnalysis)).order_found is True
    assert not await stack.rows(Enrollment)


async def test_a_model_that_is_away_is_waited_for(stack: Stack) -> None:
    """Two answers of 500 cost some seconds and nothing else."""
    person = await wants(stack)
    stack.llm.faults.add(ServerFailure(500), times=2)
    handle = await begin_run(stack, tracking())
    await stack.until(lambda: _requests(stack, 1))
    await stack.advance(minutes=1)
    assert (await handle.result()).enrolled == 1
    assert await outcomes(stack) == {person.id: "enrolled"}
    assert len(await stack.rows(AnalysisCall)) == 1


async def _requests(stack: Stack, count: int) -> bool:
    return stack.llm.requests >= count


async def test_whoever_has_entered_does_not_wait_for_the_others(stack: Stack) -> None:
    """The model asks for an hour's patience about one; the other is written to meanwhile."""
    await wants(stack, "I want to buy the red mug, how can I pay?")
    await wants(stack)
    stack.llm.faults.add(RateLimited(retry_after="3600"), containing="red mug")
    handle = await begin_run(stack, tracking())
    await stack.accepted(1)
    assert (await handle.query(TrackingWorkflow.progress)).phase == "analysing"
    await stack.advance(hours=1, minutes=1)
    await stack.accepted(2)


async def test_a_run_that_is_cancelled_says_so_and_is_made_good_by_the_next(stack: Stack) -> None:
    """Somebody ends it in Temporal: it is on record as stopped, and nobody is lost."""
    await wants(stack)
    stack.llm.faults.add(RateLimited(retry_after="3600"))
    handle = await begin_run(stack, tracking())
    await stack.until(lambda: _asked(stack))
    await handle.cancel()
    await stack.until(lambda: _is_stopped(stack))
    assert (await only(stack, TrackingRun)).stop_reason == "cancelled"
    assert (await run(stack, tracking(), key="run-2")).enrolled == 1


async def _is_stopped(stack: Stack) -> bool:
    return bool((await only(stack, TrackingRun)).finished_at)
