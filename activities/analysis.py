"""Asking the model about one conversation of a run, and writing down what it says, in the transaction of its last call.

Whatever happens to one conversation, the others go on. What would happen to all of them (no credits, an unpaid bill, a
refused key) stops the run on record, so that whatever is under way finds it there and pays and sends nothing more.
"""

from datetime import datetime
from typing import Final

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities.analysis_book import AnalysisBook
from activities.briefs import SENDERS
from activities.errors import to_application_error
from activities.heartbeats import with_signs_of_life
from activities.services import Services, started_at
from activities.verdicts import MOST_SUGGESTED, MOST_TRIES, NoCredits, VerdictRules, reach_verdict, verdict_rules
from models.enums import ReviewOutcome
from models.orchestration import GiveUp, HandedOut, NextReviews, ReviewAnswer, ReviewRef
from models.placeholders import AI_TEXT
from models.tables import Review, TrackingRun
from providers.errors import CredentialRefused, ProviderError, Rejected, Throttled
from providers.llm.analysis_prompts import AnalysisBrief
from providers.llm.turns import MOST_TURNS, Turn
from storage.analyses import Asking, Settled, open_analysis, write_off
from storage.engine import DatabaseUnavailableError
from storage.reviews import waiting_reviews
from storage.run_stops import stop_run, why_stopped
from storage.stores import required_id, store_parts, suppression_key
from storage.tracking_runs import tracked_by

NO_MODEL: Final = "no_model"
_HANDED_OUT: Final = 100
_PATIENCE: Final = 10
"""Tries for a model that gives no answer, a quarter of an hour; one that names a time is waited for until then."""
_FAULTS: Final = 3
"""Tries for what nobody foresaw, before the conversation is written off."""
_OUT_OF_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_OF_THE_CONVERSATION: Final = frozenset(
    {
        "context_length_exceeded",
        "string_above_max_length",
        "content_filter",
        "content_policy_violation",
        "invalid_prompt",
    }
)
_NO_SUCH_MODEL: Final = frozenset({"model_not_found", "http_404"})

log = structlog.get_logger(__name__)


class AnalysisActivities:
    """What a run asks of the model; `analyse_conversation` runs on the model's own task queue.

    Args:
        services: database, cipher and model are used.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def next_reviews(self, ask: NextReviews) -> HandedOut:
        """The reviews that wait for the model, in the order of their positions; none in a run that has ended."""
        async with self._services.database.write() as session:
            run = await session.get_one(TrackingRun, ask.run_id, populate_existing=True)
            page = await waiting_reviews(session, ask.run_id, after=ask.after, limit=min(ask.limit, _HANDED_OUT))
            stop = None
            if page or run.selected_at is None:
                stop = await why_stopped(session, run, await tracked_by(session, run), now=started_at())
        if stop is not None or not page:
            return HandedOut(reviews=(), last=ask.after, stop=stop)
        return HandedOut(reviews=tuple(required_id(one.id) for one in page), last=page[-1].position or ask.after)

    @activity.defn
    @with_signs_of_life
    async def analyse_conversation(self, ask: ReviewRef) -> ReviewAnswer:
        """Ask the model about the conversation as it is now, unless that has been done."""
        now = started_at()
        try:
            return await self._analyse(ask.review_id, now=now)
        except ProviderError as error:
            return await self._no_answer(ask.review_id, error, now=now)
        except (ApplicationError, DatabaseUnavailableError):
            raise
        except Exception as error:
            if activity.info().attempt < _FAULTS:
                raise
            log.exception("a conversation cannot be analysed", review=ask.review_id)
            failed = f"the review failed ({type(error).__name__})"
            raise ApplicationError(failed, type=type(error).__name__, non_retryable=True) from error

    @activity.defn
    async def give_up(self, ask: GiveUp) -> ReviewAnswer:
        """Write a conversation off whose step failed for good; one that is settled already stays as it is.

        A model that asks for more patience than there is cannot be reached: so many of those in a row end the run.
        """
        async with self._services.database.write() as session:
            outcome = await write_off(session, ask.review_id, ask.why, final=False, now=started_at())
        away = outcome is ReviewOutcome.UNREADABLE and ask.why == Throttled.__name__
        return ReviewAnswer(outcome=outcome, away=away)

    async def _analyse(self, review_id: int, *, now: datetime) -> ReviewAnswer:
        services = self._services
        async with services.database.read() as session:
            review = await session.get_one(Review, review_id)
            parts = await store_parts(session, review.store_id)
        key = suppression_key(parts.store, services.cipher)
        if services.llm is None:
            return await self._stop(review_id, NO_MODEL, now=now)
        async with services.database.write() as session:
            opened = await open_analysis(
                session, review_id, suppression_key=key, most_lines=MOST_TURNS, most_calls=MOST_TRIES, now=now
            )
        if isinstance(opened, Settled):
            return ReviewAnswer(outcome=opened.outcome, stop=opened.stop)
        brief, rules = _brief(opened, now=now)
        book = AnalysisBook(services, review_id, opened, now=now)
        try:
            reached = await reach_verdict(services.llm, brief, rules, book, made=opened.calls)
        except NoCredits:
            return ReviewAnswer(outcome=book.outcome, stop=book.stopped)
        if reached.verdict is None:
            async with services.database.write() as session:
                return ReviewAnswer(outcome=await write_off(session, review_id, reached.why, final=True, now=now))
        return ReviewAnswer(outcome=book.outcome)

    async def _no_answer(self, review_id: int, error: ProviderError, *, now: datetime) -> ReviewAnswer:
        """What an error means: for all conversations the run's end, for this one another try, or its end.

        Raises:
            ApplicationError: Temporal should try again, at the time that the server names.
        """
        for_all = _ends_the_run(error)
        if for_all is not None:
            return await self._stop(review_id, for_all, now=now)
        hopeless = isinstance(error, Rejected) and not error.transient
        # What else is refused for good (a setting that the server does not know) would be so for every conversation.
        of_this_one = hopeless and isinstance(error, Rejected) and error.code in _OF_THE_CONVERSATION
        patient = isinstance(error, Throttled) or activity.info().attempt < _PATIENCE
        if not hopeless and patient:
            raise to_application_error(error) from None
        async with self._services.database.write() as session:
            outcome = await write_off(session, review_id, error.name, final=of_this_one, now=now)
        return ReviewAnswer(outcome=outcome, away=not of_this_one)

    async def _stop(self, review_id: int, reason: str, *, now: datetime) -> ReviewAnswer:
        async with self._services.database.write() as session:
            review = await session.get_one(Review, review_id)
            run = await session.get_one(TrackingRun, review.run_id)
            return ReviewAnswer(outcome=review.outcome, stop=await stop_run(session, run, reason, now=now))


def _ends_the_run(error: ProviderError) -> str | None:
    """The reason on record where no conversation could be analysed any more."""
    match error:
        case CredentialRefused():
            return "credential_refused"
        case Rejected(code=code) if code in _OUT_OF_MONEY:
            return "insufficient_quota"
        case Rejected(code=code) if code in _NO_SUCH_MODEL:
            return "model_not_found"
        case _:
            return None


def _brief(opened: Asking, *, now: datetime) -> tuple[AnalysisBrief, VerdictRules]:
    """What the model is told; it answers in the customer's language, whatever the template around it speaks."""
    definition = opened.scope.definition
    template = definition.template
    brief = AnalysisBrief(
        store_name=opened.scope.store.slug,
        instructions=definition.instructions,
        max_chars=MOST_SUGGESTED,
        conversation=[Turn(SENDERS[one.author], one.text or "", now - one.at) for one in opened.lines],
        attempt=opened.attempt,
    )
    return brief, verdict_rules(brief, as_variable=template is not None and template.uses(AI_TEXT))
