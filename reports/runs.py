"""Runs of a tracking journey: what each came to, conversation by conversation if asked, and what it cost."""

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import (
    BuyingIntent,
    ExitReason,
    LeftOut,
    ReviewOutcome,
    RunState,
    RunTrigger,
    SendState,
    SkipReason,
)
from models.tables import Journey, TrackingRun
from policies.phones import mask_phone
from reports.documents import Document, Moment, ReviewLine, ReviewView
from reports.wording import REVIEWS, outcome_words
from storage.run_counts import (
    ListedReview,
    RunCounts,
    count_run,
    list_reviews,
    reviews_about,
    version_numbers,
)
from storage.stores import StoreParts, required_id
from storage.tracking_runs import find_run, runs_of

_ABOUT_ONE = 20


class RunCost(Document):
    """What the model was asked: calls and tokens of the store's account, credits of its ledger."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    credits: int


class RunFigures(Document):
    """What a run, or several, came to.

    Attributes:
        considered: how many conversations it looked at before the model was asked.
        analysed: how many have a verdict.
        left_out: how many were left out, before the model was asked or after, by reason.
        detected: how many showed an open sale and enough intent, by intent.
        outcomes: how many came to what.
        verified: about how many the shop, and the store's CRM, said whether they had bought.
        bought_before: how many of those had.
        not_reached: enrolled, and no message went out and none will, by the reason: a skip's, an exit's, or `failed`.
        undecided: enrolled, and the message is still to come: it waits for its time, or for a person.
        reached: whom a message may have reached, or of whom the store's own systems were told.
        answered: how many of those wrote within `watch_days`.
        bought: how many of those ordered within `watch_days`.
    """

    considered: int
    analysed: int
    left_out: dict[str, int]
    detected: dict[str, int]
    outcomes: dict[str, int]
    verified: int
    bought_before: int
    not_reached: dict[str, int]
    undecided: int
    reached: int
    answered: int
    bought: int
    cost: RunCost


class RunLine(RunFigures):
    """One run with its figures; of one that is under way those so far.

    Attributes:
        run_id: names the run; `runs J --run ID` lists its conversations.
        workflow_id: of its workflow, for `history`.
        since: how far it looked back, by the customers' own messages.
        selected: whether everybody has been considered.
        waiting: how many wait for the model.
    """

    run_id: int
    workflow_id: str
    version: int
    trigger: RunTrigger
    state: RunState
    stop_reason: str | None
    started_at: Moment
    finished_at: Moment | None
    since: Moment
    selected: bool
    waiting: int


class RunsDocument(Document):
    """`runs`, newest first. `conversations` is null unless one run is named; `next` asks for the following ones."""

    store: str
    journey: str
    runs: list[RunLine]
    conversations: list[ReviewLine] | None
    next: int | None


async def runs_document(session: AsyncSession, parts: StoreParts, journey: Journey, *, limit: int) -> RunsDocument:
    """The journey's last runs."""
    runs = await runs_of(session, required_id(journey.id), limit=limit)
    numbers = await version_numbers(session, runs)
    lines = [_line(run, numbers[run.version_id], await count_run(session, run)) for run in runs]
    return RunsDocument(store=parts.store.slug, journey=journey.name, runs=lines, conversations=None, next=None)


async def run_document(
    session: AsyncSession, parts: StoreParts, journey: Journey, run_id: int, *, after: int | None, limit: int
) -> RunsDocument | None:
    """One run with its conversations, most recent customer message first; None if the journey has no such run."""
    run = await find_run(session, required_id(journey.id), run_id)
    if run is None:
        return None
    numbers = await version_numbers(session, [run])
    line = _line(run, numbers[run.version_id], await count_run(session, run))
    rows = await list_reviews(session, run_id, after=after, limit=limit + 1)
    listed = [review_line(one) for one in rows[:limit]]
    return RunsDocument(
        store=parts.store.slug,
        journey=journey.name,
        runs=[line],
        conversations=listed,
        next=listed[-1].review_id if len(rows) > limit else None,
    )


async def reviews_of(session: AsyncSession, customer_id: int, *, journey_id: int | None = None) -> list[ReviewView]:
    """What was last come to about a customer, newest first; of one journey if one is named."""
    return [
        ReviewView(
            journey=one.journey,
            run_id=required_id(one.run.id),
            began_at=one.run.started_at,
            review=review_line(one.listed),
        )
        for one in await reviews_about(session, customer_id, journey_id=journey_id, limit=_ABOUT_ONE)
    ]


def review_line(one: ListedReview) -> ReviewLine:
    """One conversation as a document, the phone masked."""
    review, customer, analysis = one.review, one.customer, one.analysis
    return ReviewLine(
        review_id=required_id(review.id),
        position=review.position,
        customer_id=customer.external_id,
        phone=mask_phone(customer.phone) if customer.phone is not None else None,
        first_name=customer.first_name,
        wrote_at=review.wrote_at,
        at=review.at,
        outcome=review.outcome,
        reason=review.left_out,
        seen=review.seen,
        threshold=review.threshold,
        intent=analysis.intent if analysis is not None else None,
        sale=analysis.sale if analysis is not None else None,
        order_found=analysis.order_found if analysis is not None else None,
        attempt=analysis.attempt if analysis is not None else None,
        enrollment=analysis.enrollment_id if analysis is not None else None,
    )


def review_words(line: ReviewLine) -> str:
    """What was come to about a conversation, as a sentence."""
    if line.reason is not None:
        return outcome_words(line.reason.value)
    text = REVIEWS[line.outcome]
    return f"{text} ({line.intent.value} intent)" if line.intent is not None else text


def _line(run: TrackingRun, version: int, found: RunCounts) -> RunLine:
    return RunLine(
        run_id=required_id(run.id),
        workflow_id=run.run_key,
        version=version,
        trigger=run.trigger,
        state=run.state,
        stop_reason=run.stop_reason,
        started_at=run.started_at,
        finished_at=run.finished_at,
        since=run.since,
        selected=run.selected_at is not None,
        waiting=found.outcomes[ReviewOutcome.WAITING],
        **dict(run_figures(found)),
    )


def run_figures(found: RunCounts) -> RunFigures:
    """The counts as a document, every word named."""
    reasons = dict.fromkeys([*SkipReason, *ExitReason, SendState.FAILED])
    return RunFigures(
        considered=found.outcomes.total(),
        analysed=found.analysed,
        left_out={word.value: found.left_out[word] for word in LeftOut},
        detected={word.value: found.detected[word] for word in BuyingIntent},
        outcomes={word.value: found.outcomes[word] for word in ReviewOutcome},
        verified=found.verified,
        bought_before=found.bought_before,
        not_reached={word.value: found.not_reached[word.value] for word in reasons},
        undecided=found.undecided,
        reached=found.reached,
        answered=found.answered,
        bought=found.bought,
        cost=RunCost(
            calls=found.calls,
            prompt_tokens=found.prompt_tokens,
            completion_tokens=found.completion_tokens,
            credits=found.credits,
        ),
    )
