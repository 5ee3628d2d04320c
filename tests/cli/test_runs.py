"""What the runs of a tracking journey came to, for a person, for a script and for a colleague on the telephone."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select, update

from models.enums import (
    BuyingIntent,
    CreditKind,
    CreditState,
    EnrollmentState,
    ExitReason,
    LeftOut,
    ReviewOutcome,
    SaleStanding,
    SendState,
)
from models.money import Money
from models.tables import (
    AnalysisCall,
    ConversationAnalysis,
    CreditEntry,
    Customer,
    Enrollment,
    Review,
    TrackingRun,
)
from policies.eligibility import rule_result
from storage.customers import lock_customer
from storage.orders import OrderFacts, apply_order
from storage.personal_data import everything_about
from storage.reviews import lock_review, settle_review, waiting_reviews
from storage.stores import required_id
from tests.around.names import SALT
from tests.cli.conftest import WABA, Scene
from tests.cli.recorded import check
from tests.reviewing import Reviews, tracking
from tests.worlds import NOON, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
QUOTE = "Tell me when the green one is back"


def verdict(intent: BuyingIntent, **values: Any) -> Callable[[ConversationAnalysis], None]:
    """What the model found, and what came of it."""

    def answered(analysis: ConversationAnalysis) -> None:
        analysis.intent, analysis.sale, analysis.model = intent, SaleStanding.OPEN, "model-1"
        analysis.quote = analysis.suggestion = analysis.product = QUOTE
        for name, value in values.items():
            setattr(analysis, name, value)

    return answered


class Story:
    """A run of a review, told by what came to each customer."""

    def __init__(self, world: World, reviews: Reviews) -> None:
        self.world, self.reviews = world, reviews
        self.people: dict[str, int] = {}
        self.enrollments: dict[str, str] = {}

    async def tell(self) -> None:
        """Nobody, a buyer, somebody reached, two who were not, one told of, one left out, one too many."""
        await self.reviews.launch(tracking(max_conversations=6, sensitivity="medium", watch_days=5))
        names = ("Ana", "Ben", "Cy", "Di", "Eve", "Flo", "Gil", "Hal")
        for n, name in enumerate(names):
            self.people[name] = await self.world.customer(f"+44770090010{n}", external_id=f"{n}", first_name=name)
            await self.reviews.say(self.people[name], NOON - (n + 1) * HOUR, text=QUOTE)
        async with self.world.database.write() as session:
            (await lock_customer(session, self.people["Gil"])).opted_out_at = NOON
        run = await self.reviews.consider("tracking-1-1-2026-11-22", now=NOON)
        await self._analyse(run)
        await self.reviews.finish(run, now=NOON + HOUR)
        await self.reviews.say(self.people["Cy"], NOON + DAY)
        await self._order("Cy", NOON + 2 * DAY)
        await self._order("Di", NOON + 2 * DAY)

    async def _order(self, name: str, at: datetime) -> None:
        facts = OrderFacts(f"order-{name}", at, at, Money(4000, "USD"))
        async with self.world.database.write() as session:
            customer = await lock_customer(session, self.people[name])
            await apply_order(session, customer, facts, received_at=at, source="shopify")

    async def _analyse(self, run: TrackingRun) -> None:
        checked = {"verified_at": NOON, "order_found": False, "attempt": 1}
        await self._settle(run, "Ana", ReviewOutcome.NOT_DETECTED, verdict(BuyingIntent.LOW))
        bought = verdict(BuyingIntent.HIGH, verified_at=NOON, order_found=True)
        await self._settle(run, "Ben", ReviewOutcome.BOUGHT, bought)
        for name, state in (("Cy", SendState.ACCEPTED), ("Di", SendState.DRAFTED)):
            enrollment = await self.world.enroll(self.people[name], id=f"enr-{name}", state=EnrollmentState.WAITING)
            found = verdict(BuyingIntent.MEDIUM, enrollment_id=enrollment, **checked)
            await self._settle(run, name, ReviewOutcome.ENROLLED, found)
            if state is SendState.ACCEPTED:
                await self.world.claim(enrollment, state=state)
        async with self.world.database.write() as session:
            closed: dict[str, Any] = {"state": EnrollmentState.CLOSED, "exit_reason": ExitReason.REJECTED}
            await session.exec(update(Enrollment).where(col(Enrollment.id) == "enr-Di").values(**closed))
        await self._settle(run, "Eve", ReviewOutcome.REPORTED, verdict(BuyingIntent.HIGH, **checked))
        unverified = rule_result(LeftOut.NOT_VERIFIED, passed=False, seen="shopify gave no answer", threshold="one")
        await self._settle(run, "Flo", ReviewOutcome.LEFT_OUT, verdict(BuyingIntent.HIGH), failed=unverified)

    async def _settle(
        self,
        run: TrackingRun,
        name: str,
        outcome: ReviewOutcome,
        answered: Callable[[ConversationAnalysis], None],
        **changes: Any,
    ) -> None:
        async with self.world.database.write() as session:
            waiting = await waiting_reviews(session, required_id(run.id), after=0, limit=10)
            found = next(one for one in waiting if one.customer_id == self.people[name])
            review = await lock_review(session, required_id(found.id))
            analysis = ConversationAnalysis(
                store_id=run.store_id,
                journey_id=run.journey_id,
                version_id=run.version_id,
                run_id=required_id(run.id),
                conversation_id=review.conversation_id,
                customer_id=review.customer_id,
                last_key=review.last_key,
                wrote_at=review.wrote_at,
                asked_at=NOON,
                answered_at=NOON,
            )
            answered(analysis)
            session.add(analysis)
            await session.flush()
            analysis_id = required_id(analysis.id)
            tokens = {"prompt_tokens": 100, "completion_tokens": 10}
            session.add(
                AnalysisCall(
                    store_id=run.store_id,
                    analysis_id=analysis_id,
                    number=1,
                    at=NOON,
                    model="model-1",
                    prompt_version="1",
                    outcome="used",
                    **tokens,
                )
            )
            session.add(
                CreditEntry(
                    store_id=run.store_id,
                    cause=f"analysis:{analysis_id}:1",
                    kind=CreditKind.ANALYSIS,
                    state=CreditState.SETTLED,
                    amount=-2,
                    analysis_id=analysis_id,
                    at=NOON,
                )
            )
            settle_review(session, review, outcome, now=NOON, analysis_id=analysis_id, **changes)


@pytest.fixture
async def told(scene: Scene) -> Story:
    """A store whose review has run."""
    scene.clock = NOON + 3 * DAY
    world = World(scene.database, scene.cipher, now=NOON)
    await world.add_store(salt=SALT, waba_id=WABA)
    story = Story(world, Reviews(world))
    await story.tell()
    return story


async def test_what_a_run_came_to(scene: Scene, told: Story) -> None:
    """Everybody who was considered is counted once, with what became of those who were followed up."""
    assert told.people
    found = check("runs", await scene.run("runs", "daily-review", "--json"))
    (line,) = found["runs"]
    assert line["considered"] == 8
    assert line["considered"] == sum(line["outcomes"].values())
    assert line["outcomes"]["left_out"] == sum(line["left_out"].values()) == 3
    assert (line["left_out"]["limit"], line["left_out"]["unsubscribed"], line["left_out"]["not_verified"]) == (1, 1, 1)
    assert line["detected"] == {"none": 0, "low": 0, "medium": 2, "high": 3}
    assert (line["analysed"], line["verified"], line["bought_before"]) == (6, 4, 1)
    assert {key: count for key, count in line["not_reached"].items() if count} == {"rejected": 1}
    assert (line["reached"], line["undecided"], line["answered"], line["bought"]) == (2, 0, 1, 1)
    assert line["cost"] == {"calls": 6, "prompt_tokens": 600, "completion_tokens": 60, "credits": 12}


async def test_a_run_conversation_by_conversation(scene: Scene, told: Story) -> None:
    """Those beyond the limit too, with the reason; phones are masked, and nothing that was said is shown."""
    assert told.people
    answer = await scene.run("runs", "daily-review", "--run", "1", "--json")
    found = check("runs-conversations", answer, document="runs")
    assert [one["reason"] for one in found["conversations"][-3:]] == ["not_verified", "unsubscribed", "limit"]
    assert [one["position"] for one in found["conversations"]] == [1, 2, 3, 4, 5, 6, None, None]
    assert QUOTE not in answer.out
    assert "+447700900100" not in answer.out
    first = await scene.run("runs", "daily-review", "--run", "1", "--limit", "5", "--json")
    rest = await scene.run("runs", "daily-review", "--run", "1", "--after", str(_next(first.out)), "--json")
    assert _ids(first.out) + _ids(rest.out) == [one["review_id"] for one in found["conversations"]]


def _ids(out: str) -> list[int]:
    return [one["review_id"] for one in json.loads(out)["conversations"]]


def _next(out: str) -> int:
    return int(json.loads(out)["next"])


async def test_runs_for_a_person(scene: Scene, told: Story) -> None:
    """Reasons are said in words, and who asks for what is not there is told so."""
    assert told.people
    answer = await scene.run("runs", "daily-review")
    assert "left out 1: the customer asked to be left alone" in answer.out
    assert "detected 5 (3 high, 2 medium), verified 4 of which 1 had bought" in answer.out
    assert "not reached 1: rejected" in answer.out
    assert "cost 6 calls, 600 + 60 tokens, 12 credits" in answer.out
    listed = await scene.run("runs", "daily-review", "--run", "1")
    (line,) = (line for line in listed.out.splitlines() if "Cy" in line)
    assert "enrolled" in line
    assert "medium" in line
    assert (await scene.run("runs", "daily-review", "--run", "9")).code == 3
    assert (await scene.run("runs", "lapsed-60-days")).code == 3


async def test_why_not_of_a_tracking_journey(scene: Scene, told: Story) -> None:
    """What the last run said about the customer, and what a run would ask now."""
    answer = await scene.run("why-not", "daily-review", "07700 900106", "--json")
    found = check("why-not-tracking", answer, document="why-not")
    assert found["verdict"]["reason"] == "unsubscribed"
    assert [one["review"]["reason"] for one in found["reviews"]] == ["unsubscribed"]
    text = (await scene.run("why-not", "daily-review", "07700 900106")).out
    assert "a run would leave them out: the customer asked to be left alone" in text
    assert told.people


async def test_status_tells_what_the_review_found(scene: Scene, told: Story) -> None:
    """Intent and outcome stand in it; what the customer said does not."""
    async with told.world.database.write() as session:
        analysis = (
            await session.exec(
                select(ConversationAnalysis).where(ConversationAnalysis.customer_id == told.people["Cy"])
            )
        ).one()
        values: dict[str, Any] = {"analysis_id": analysis.id}
        await session.exec(update(Enrollment).where(col(Enrollment.id) == "enr-Cy").values(**values))
    answer = await scene.run("status", "07700 900102", "--json")
    assert "the review found medium intent and no order; follow-up 1" in answer.out
    assert '"outcome": "enrolled"' in answer.out
    assert QUOTE not in answer.out
    assert "enrolled for a follow-up (medium intent)" in (await scene.run("status", "07700 900102")).out


async def test_erasing_somebody_forgets_what_the_model_read(scene: Scene, told: Story) -> None:
    """Suggestion, quote and product go, that a run considered them stays; the export has all of it before."""
    async with told.world.database.write() as session:
        customer = await session.get_one(Customer, told.people["Ana"])
        assert customer.id is not None
        exported = await everything_about(session, customer)
    assert exported["conversation_analyses"][0]["suggestion"] == QUOTE
    assert len(exported["reviews"]) == 1
    assert (await scene.run("customers", "erase", "07700 900100", "--yes")).code == 0
    row = (await told.world.rows(ConversationAnalysis))[0]
    assert (row.customer_id, row.suggestion, row.quote, row.product, row.intent) == (
        told.people["Ana"],
        None,
        None,
        None,
        BuyingIntent.LOW,
    )
    assert len(await told.world.rows(Review)) == 8
