"""Asking the model about one conversation, on both databases, with a model in the test's hand that can be cut off."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast
from unittest import mock

import httpx
import pytest
from sqlmodel import SQLModel, select
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from activities.analysis import AnalysisActivities
from activities.services import Services
from models.enums import (
    BuyingIntent,
    ConsentState,
    CreditKind,
    CreditState,
    EnrollmentState,
    ExitReason,
    LeftOut,
    MessageAuthor,
    ReviewOutcome,
    SaleStanding,
)
from models.orchestration import ReviewAnswer, ReviewRef
from models.tables import (
    AnalysisCall,
    ConversationAnalysis,
    CreditEntry,
    Customer,
    CustomerEvent,
    Enrollment,
    Review,
    Store,
    TrackingRun,
)
from providers.errors import CredentialRefused, OutcomeUnknown, ProviderError, Rejected, Throttled
from providers.llm.client import LlmClient
from providers.llm.results import TokenUsage
from providers.llm.verdicts import Analysed, AnalysisRequest, AnalysisResult, Verdict
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.credits import left_behind, open_ledger, put_right
from storage.customers import lock_customer
from storage.engine import Database
from storage.erasure import erase_customer
from storage.merging import merge_customers
from storage.opt_outs import change_consent
from storage.stores import required_id
from storage.tracking_runs import finish_run
from tests.nobody import nobodys_temporal
from tests.reviewing import Reviews, tracking
from tests.worlds import NOON, World, make_world

ASKED = "How much is the blue scarf?"
OPEN = Verdict(
    intent=BuyingIntent.MEDIUM,
    sale=SaleStanding.OPEN,
    asked_to_stop=False,
    language="en",
    product="blue scarf",
    suggestion="Shall we keep the blue scarf for you?",
    quote="How much is the blue scarf",
)
INVENTED = replace(OPEN, quote="I will take ten of them")
STOP = replace(OPEN, asked_to_stop=True, quote="Do not write to me again", suggestion=None)

Step = Verdict | BaseException | Callable[[], Awaitable[Verdict]]


@dataclass
class Model:
    """A model that says what the test has written, one after the other, and the last for ever."""

    script: list[Step] = field(default_factory=lambda: [OPEN])
    asked: int = 0

    async def analyse(self, request: AnalysisRequest) -> AnalysisResult:  # noqa: ARG002 - its answers are written
        """The next line of the script."""
        self.asked += 1
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(step, BaseException):
            raise step
        verdict = step if isinstance(step, Verdict) else await step()
        return Analysed(verdict, TokenUsage(100, 20), "model-1")


@dataclass
class Scene:
    """A conversation that a run has considered, and the activity with its model."""

    world: World
    reviews: Reviews
    customer: int
    model: Model = field(default_factory=Model)

    async def considered(self, key: str = "run-1", *, now: Any = NOON) -> int:
        """A run up to the model; the review's id."""
        run = await self.reviews.consider(key, now=now)
        (review,) = await self.rows(Review, run_id=run.id)
        return required_id(review.id)

    async def analyse(self, review_id: int, *, attempt: int = 1, now: Any = NOON) -> ReviewAnswer:
        """One try of the activity."""
        http = httpx.AsyncClient()
        services = Services(
            database=self.world.database,
            cipher=self.world.cipher,
            whatsapp=WhatsAppClient(http),
            shopify=ShopifyClient(http),
            temporal=nobodys_temporal(),
            llm=cast("LlmClient", self.model),
        )
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, started_time=now, attempt=attempt)
        activities = AnalysisActivities(services)
        return await environment.run(activities.analyse_conversation, ReviewRef(review_id=review_id))

    async def rows(self, model: type[SQLModel], **where: Any) -> list[Any]:
        """The rows of a table, by id."""
        async with self.world.database.read() as session:
            query = select(model).filter_by(**where).order_by(model.id)  # type: ignore[attr-defined]
            return list((await session.exec(query)).all())

    async def one(self, model: type[SQLModel], **where: Any) -> Any:
        """The one row."""
        (row,) = await self.rows(model, **where)
        return row

    async def charges(self) -> list[CreditState]:
        """What became of the calls' charges."""
        return [one.state for one in await self.rows(CreditEntry, kind=CreditKind.ANALYSIS)]

    async def open_ledger(self, balance: int) -> None:
        """Begin to count."""
        async with self.world.database.write() as session:
            await open_ledger(session, self.world.store_id, balance, now=NOON)


@pytest.fixture
async def scene(database: Database) -> Scene:
    """A customer who asked two hours ago, on each kind of database."""
    world = await make_world(database)
    reviews = Reviews(world)
    await reviews.launch(tracking())
    customer = await world.customer(external_id="7")
    await reviews.say(customer, NOON - timedelta(hours=2), text=ASKED)
    return Scene(world, reviews, customer)


async def test_a_verdict_is_on_record_with_its_call_and_its_charge(scene: Scene) -> None:
    """Level, words, tokens and credits; asked again, it answers what it found."""
    await scene.open_ledger(10)
    review = await scene.considered()
    for _ in range(2):
        assert (await scene.analyse(review)).outcome is ReviewOutcome.DETECTED
    analysis = await scene.one(ConversationAnalysis)
    assert (analysis.intent, analysis.product, analysis.model) == (BuyingIntent.MEDIUM, "blue scarf", "model-1")
    assert analysis.answered_at == NOON
    call = await scene.one(AnalysisCall)
    assert (call.prompt_tokens, call.completion_tokens, call.outcome) == (100, 20, "used")
    assert (scene.model.asked, await scene.charges()) == (1, [CreditState.SETTLED])
    assert (await scene.one(Store)).credits == 9


async def _dies() -> Verdict:
    raise asyncio.CancelledError


async def test_a_worker_that_dies_while_the_model_thinks_pays_once(scene: Scene) -> None:
    """The call in flight is charged to the cause that it had, and so is its repetition."""
    await scene.open_ledger(10)
    scene.model.script = [_dies, OPEN]
    review = await scene.considered()
    with pytest.raises(asyncio.CancelledError):
        await scene.analyse(review)
    assert await scene.charges() == [CreditState.RESERVED]
    assert (await scene.analyse(review, attempt=2)).outcome is ReviewOutcome.DETECTED
    assert await scene.charges() == [CreditState.SETTLED]
    assert (await scene.one(Store)).credits == 9


async def test_a_worker_that_dies_after_an_answer_does_not_ask_for_it_again(scene: Scene) -> None:
    """A first answer that was no use is on record, so the repetition makes the second call, and only that."""
    await scene.open_ledger(10)
    scene.model.script = [INVENTED, _dies, OPEN]
    review = await scene.considered()
    with pytest.raises(asyncio.CancelledError):
        await scene.analyse(review)
    assert (await scene.analyse(review, attempt=2)).outcome is ReviewOutcome.DETECTED
    calls = await scene.rows(AnalysisCall)
    assert [(one.number, one.outcome) for one in calls] == [(1, "quote_not_found"), (2, "used")]
    assert await scene.charges() == [CreditState.SETTLED] * 2
    assert (await scene.one(Store)).credits == 8


async def test_a_charge_whose_call_nobody_repeats_comes_back(scene: Scene) -> None:
    """The run was terminated while the model was thinking: upkeep finds the line after an hour and gives it back."""
    await scene.open_ledger(10)
    scene.model.script = [_dies]
    with pytest.raises(asyncio.CancelledError):
        await scene.analyse(await scene.considered())
    async with scene.world.database.write() as session:
        assert await left_behind(session, scene.world.store_id, now=NOON + timedelta(minutes=59)) == []
        (line,) = await left_behind(session, scene.world.store_id, now=NOON + timedelta(minutes=61))
        await put_right(session, line, now=NOON + timedelta(minutes=61))
    assert await scene.charges() == [CreditState.RELEASED]
    assert (await scene.one(Store)).credits == 10


async def test_two_runs_at_one_moment_ask_once(scene: Scene) -> None:
    """Whoever has the customer's lock first asks; the other leaves the conversation to it."""
    reviews = [await scene.considered(key) for key in ("run-1", "run-2")]
    answers = await asyncio.gather(*(scene.analyse(one) for one in reviews))
    assert {one.outcome for one in answers} == {ReviewOutcome.DETECTED, ReviewOutcome.LEFT_OUT}
    assert scene.model.asked == 1
    assert len(await scene.rows(ConversationAnalysis)) == 1


async def test_what_a_stopped_run_found_is_not_asked_for_again(scene: Scene) -> None:
    """The next run finds the verdict there and goes on to the follow-up."""
    await scene.analyse(await scene.considered())
    async with scene.world.database.write() as session:
        await finish_run(session, 1, stop_reason="no_credits", now=NOON)
    later = await scene.considered("run-2", now=NOON + timedelta(minutes=5))
    assert (await scene.analyse(later)).outcome is ReviewOutcome.DETECTED
    assert scene.model.asked == 1


async def test_the_conversation_is_read_as_it_is_when_it_is_asked_about(scene: Scene) -> None:
    """The customer wrote again after they were considered: that is the message that was analysed."""
    review = await scene.considered()
    await scene.reviews.say(scene.customer, NOON - timedelta(minutes=1), text="And the red one?")
    await scene.analyse(review)
    analysis, row = await scene.one(ConversationAnalysis), await scene.one(Review)
    assert analysis.wrote_at == row.wrote_at == NOON - timedelta(minutes=1)
    assert analysis.last_key == row.last_key


async def test_nobody_pays_for_somebody_who_has_opted_out_since_they_were_considered(scene: Scene) -> None:
    """They are left out with that reason, without a call and without a trace of an analysis."""
    review = await scene.considered()
    async with scene.world.database.write() as session:
        (await session.get_one(Customer, scene.customer)).opted_out_at = NOON
    assert (await scene.analyse(review)).outcome is ReviewOutcome.LEFT_OUT
    assert (await scene.one(Review)).left_out == "unsubscribed"
    assert (scene.model.asked, await scene.rows(ConversationAnalysis)) == (0, [])


@pytest.mark.parametrize("consented_after", [False, True])
async def test_an_opt_out_stands_from_the_message_in_which_it_was_said(scene: Scene, consented_after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """It ends a journey that begins meanwhile, and takes back no consent that was given after it."""
    said_at = NOON - timedelta(hours=1)
    await scene.reviews.say(scene.customer, said_at, text="Do not write to me again!")
    scene.model.script = [STOP]
    review = await scene.considered()
    enrollment = await scene.world.enroll(scene.customer, state=EnrollmentState.CONTROL)
    async with scene.world.database.write() as session:
        await session.delete(await session.get_one(Enrollment, enrollment))
        if consented_after:
            await change_consent(
                session,
                await lock_customer(session, scene.customer),
                ConsentState.SUBSCRIBED,
                at=said_at + timedelta(minutes=5),
                source="shopify",
                received_at=NOON,
                dedupe_key="consent",
            )
    assert (await scene.analyse(review)).outcome is ReviewOutcome.OPTED_OUT
    customer = await scene.one(Customer)
    assert customer.stopped_at == said_at
    assert customer.opted_out_at == (None if consented_after else said_at)
    events = [one.exit_reason for one in await scene.rows(CustomerEvent)]
    assert events == ([] if consented_after else [ExitReason.UNSUBSCRIBED])


async def test_what_the_shop_says_is_no_opt_out_of_the_customers(scene: Scene) -> None:
    """A model that takes our own words for theirs is not believed."""
    await scene.reviews.say(
        scene.customer, NOON - timedelta(hours=1), text="Do not write to me again!", author=MessageAuthor.AGENT
    )
    scene.model.script = [STOP]
    assert (await scene.analyse(await scene.considered())).outcome is ReviewOutcome.UNREADABLE
    assert (await scene.one(Customer)).opted_out_at is None


async def test_a_person_who_was_erased_while_the_model_thought_leaves_no_words_behind(scene: Scene) -> None:
    """The call is on record, and nothing of what the model said."""

    async def erased() -> Verdict:
        async with scene.world.database.write() as session:
            await erase_customer(
                session, await lock_customer(session, scene.customer), suppression_key=b"k" * 32, now=NOON
            )
        return OPEN

    scene.model.script = [erased]
    await scene.analyse(await scene.considered())
    assert (await scene.one(Review)).left_out == "erased"
    analysis = await scene.one(ConversationAnalysis)
    assert (analysis.suggestion, analysis.quote, analysis.product) == (None, None, None)


@pytest.mark.parametrize(
    ("error", "stop"),
    [
        (CredentialRefused(service="llm", operation="analyse", status=401), "credential_refused"),
        (None, "no_model"),
    ],
)
async def test_what_would_happen_to_everybody_stops_the_run(
    scene: Scene, error: ProviderError | None, stop: str
) -> None:
    """It is on record at once, so that whoever else is at it pays nothing more."""
    review = await scene.considered()
    if error is not None:
        scene.model.script = [error]
    else:
        scene.model = cast("Model", None)
    assert (await scene.analyse(review)).stop == stop
    assert (await scene.one(TrackingRun)).stop_reason == stop


async def test_a_call_of_unknown_outcome_stays_charged_until_it_is_repeated(scene: Scene) -> None:
    """It may have been answered and billed; after ten tries the conversation is given up, and said to be."""
    await scene.open_ledger(10)
    scene.model.script = [OutcomeUnknown(service="llm", operation="analyse")]
    review = await scene.considered()
    with pytest.raises(ApplicationError):
        await scene.analyse(review, attempt=9)
    assert await scene.charges() == [CreditState.RESERVED]
    answer = await scene.analyse(review, attempt=10)
    assert (answer.outcome, answer.away) == (ReviewOutcome.UNREADABLE, True)
    assert (await scene.one(ConversationAnalysis)).answered_at is None


async def test_a_throttled_call_is_repeated_when_the_server_says_so_and_costs_nothing(scene: Scene) -> None:
    """However often: the time that it names is what Temporal waits."""
    await scene.open_ledger(10)
    wait = timedelta(hours=3)
    scene.model.script = [Throttled(service="llm", operation="analyse", retry_after=wait)]
    with pytest.raises(ApplicationError) as raised:
        await scene.analyse(await scene.considered(), attempt=50)
    assert raised.value.next_retry_delay == wait
    assert (await scene.one(Store)).credits == 10


@pytest.mark.parametrize("meanwhile", [False, True])
async def test_a_conversation_is_not_asked_about_twice_a_day_whatever_is_written_between(
    scene: Scene,
    meanwhile: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Two runs considered it, and the customer wrote again after, or while, the first one asked: the second waits."""
    first, second = [await scene.considered(key) for key in ("run-1", "run-2")]
    beside: list[ReviewAnswer] = []

    async def write_again() -> Verdict:
        await scene.reviews.say(scene.customer, NOON, text="And the red one?")
        if meanwhile:
            beside.append(await scene.analyse(second))
        return OPEN

    scene.model.script = [write_again, OPEN]
    await scene.analyse(first)
    await scene.analyse(second)
    assert scene.model.asked == 1
    assert [one.left_out for one in await scene.rows(Review)] == [None, LeftOut.ANALYSED_LATELY]


async def _stopped_after_a_finding(scene: Scene) -> None:
    assert (await scene.analyse(await scene.considered())).outcome is ReviewOutcome.DETECTED
    async with scene.world.database.write() as session:
        await finish_run(session, 1, stop_reason="no_credits", now=NOON)


@pytest.mark.parametrize(
    "changes", [{"sensitivity": "high"}, {"instructions": "Do not offer discounts."}, {"name": "another-review"}]
)
async def test_a_finding_under_other_orders_is_not_followed_up(scene: Scene, changes: dict[str, str]) -> None:
    """What was found and written for an older version, or for another journey, is not said in this one's name."""
    await _stopped_after_a_finding(scene)
    await scene.reviews.launch(tracking(**changes))
    later = await scene.considered("run-2", now=NOON + timedelta(minutes=5))
    assert (await scene.analyse(later)).outcome is ReviewOutcome.LEFT_OUT
    (_, review) = await scene.rows(Review)
    assert (review.left_out, scene.model.asked) == (LeftOut.ANALYSED, 1)


async def test_an_analysis_that_another_journey_left_unanswered_becomes_the_one_that_asks(scene: Scene) -> None:
    """Its contacts are counted among those of the journey that makes them."""
    scene.model.script = [_dies, OPEN]
    with pytest.raises(asyncio.CancelledError):
        await scene.analyse(await scene.considered())
    async with scene.world.database.write() as session:
        await finish_run(session, 1, stop_reason="cancelled", now=NOON)
    other = await scene.reviews.launch(tracking(name="another-review"))
    assert (await scene.analyse(await scene.considered("run-2"))).outcome is ReviewOutcome.DETECTED
    assert (await scene.one(ConversationAnalysis)).journey_id == other


async def test_nothing_is_reserved_for_a_conversation_whose_tries_are_used_up(scene: Scene) -> None:
    """A worker that died after the third answer of no use leaves three calls, and the run is not out of credits."""
    await scene.open_ledger(3)
    scene.model.script = [INVENTED]
    review = await scene.considered()
    with (
        mock.patch("activities.analysis.write_off", side_effect=asyncio.CancelledError),
        pytest.raises(asyncio.CancelledError),
    ):
        await scene.analyse(review)
    answer = await scene.analyse(review, attempt=2)
    assert (answer.outcome, answer.stop) == (ReviewOutcome.UNREADABLE, None)
    assert await scene.charges() == [CreditState.SETTLED] * 3
    assert scene.model.asked == 3


async def test_an_opt_out_is_heard_although_its_chat_was_joined_to_another_meanwhile(scene: Scene) -> None:
    """Two customers turn out to be one while the model reads what one of them said: it counts for both."""
    twin = await scene.world.customer("+447700900124")
    await scene.reviews.say(twin, NOON - timedelta(hours=1), text="Do not write to me again!")
    run = await scene.reviews.consider("run-1", now=NOON)
    of = {one.customer_id: required_id(one.id) for one in await scene.rows(Review, run_id=run.id)}

    async def merged() -> Verdict:
        async with scene.world.database.write() as session:
            kept, gone = [await lock_customer(session, one) for one in (scene.customer, twin)]
            await merge_customers(session, kept, gone, now=NOON)
        return STOP

    scene.model.script = [OPEN, merged]
    await scene.analyse(of[scene.customer])
    await scene.analyse(of[twin])
    assert (await scene.one(Customer, id=scene.customer)).opted_out_at is not None
    assert [one.outcome for one in await scene.rows(AnalysisCall)] == ["used", "used"]


@pytest.mark.parametrize(("code", "of_all"), [("unsupported_parameter", True), ("context_length_exceeded", False)])
async def test_a_request_that_is_refused_as_such_is_no_verdict_about_a_conversation(
    scene: Scene,
    code: str,
    of_all: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A wrong setting would be refused for everybody: the run ends in time, and the next one tries."""
    error = Rejected(service="llm", operation="analyse", status=400, code=code, transient=False)
    scene.model.script = [error]
    answer = await scene.analyse(await scene.considered())
    assert (answer.outcome, answer.away) == (ReviewOutcome.UNREADABLE, of_all)
    assert ((await scene.one(ConversationAnalysis)).answered_at is None) is of_all
