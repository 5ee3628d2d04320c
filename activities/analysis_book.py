"""The account of the calls about one conversation, and of what the model said in the last of them."""

from dataclasses import asdict
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.services import Services
from activities.verdicts import USED
from models.enums import EventKind, ExitReason, MessageAuthor, ReviewOutcome
from models.tables import ChatMessage, ConversationAnalysis, Customer, TrackingRun
from policies.opt_out import OptOutSource
from policies.verdicts import Line, needs_suggestion, where_quoted
from providers.llm.analysis_prompts import ANALYSIS_PROMPT_VERSION
from providers.llm.verdicts import Analysed, AnalysisResult, Verdict
from storage.analyses import Asking, gone
from storage.analysis_calls import give_call_back, note_verdict, record_call, reserve_call
from storage.customers import lock_customer
from storage.events import record_event
from storage.opt_outs import note_stop
from storage.reviews import lock_review_if_kept, settle_review
from storage.run_stops import NO_CREDITS, stop_run, why_stopped
from storage.stores import required_id
from storage.tracking_runs import tracked_by


class AnalysisBook:
    """Each call of the model is paid for before it is made, and written down by itself after it.

    Attributes:
        outcome: what has been come to about the conversation.
        stopped: why the run sends nothing more, where it was found to be over between two calls.
    """

    def __init__(self, services: Services, review_id: int, opened: Asking, *, now: datetime) -> None:
        self._services = services
        self._review_id = review_id
        self._opened = opened
        self._now = now
        self.outcome = ReviewOutcome.WAITING
        self.stopped: str | None = None

    async def before(self, number: int) -> bool:
        """Reserve the call; the first one's credits were reserved with the right to ask."""
        if number == self._opened.calls + 1:
            return True
        analysis = self._opened.analysis
        async with self._services.database.write() as session:
            await lock_customer(session, analysis.customer_id)
            run = await session.get_one(TrackingRun, analysis.run_id, populate_existing=True)
            self.stopped = await why_stopped(session, run, await tracked_by(session, run), now=self._now)
            if self.stopped is not None:
                return False
            if await reserve_call(session, analysis, number, now=self._now):
                return True
            self.stopped = await stop_run(session, run, NO_CREDITS, now=self._now)
            return False

    async def after(self, number: int, result: AnalysisResult, outcome: str) -> None:
        """Write the call down; a verdict that is believed is written in the same transaction, and all that it means."""
        analysis = self._opened.analysis
        async with self._services.database.write() as session:
            customer = await lock_customer(session, analysis.customer_id)
            await record_call(
                session,
                analysis,
                number,
                model=result.model,
                prompt_version=ANALYSIS_PROMPT_VERSION,
                tokens=(result.usage.input_tokens, result.usage.output_tokens) if result.usage else None,
                outcome=outcome,
                now=self._now,
            )
            if outcome == USED and isinstance(result, Analysed):
                self.outcome = await self._believe(session, customer, result)

    async def given_back(self, number: int) -> None:
        """The model was not asked."""
        async with self._services.database.write() as session:
            await lock_customer(session, self._opened.analysis.customer_id)
            await give_call_back(session, self._opened.analysis, number, now=self._now)

    async def _believe(self, session: AsyncSession, customer: Customer, result: Analysed) -> ReviewOutcome:
        opened, verdict, now = self._opened, result.verdict, self._now
        review = await lock_review_if_kept(session, self._review_id)
        analysis = await session.get_one(ConversationAnalysis, required_id(opened.analysis.id), populate_existing=True)
        outcome = review.outcome if review is not None else ReviewOutcome.LEFT_OUT
        if (review is not None and outcome is not ReviewOutcome.WAITING) or analysis.answered_at is not None:
            return outcome
        if customer.erased_at is not None:
            # Erased while the model was thinking: nothing of them is written down any more.
            if review is not None:
                settle_review(session, review, ReviewOutcome.LEFT_OUT, failed=gone(), now=now)
            return ReviewOutcome.LEFT_OUT
        said = asdict(verdict)
        note_verdict(analysis, **said, model=result.model, prompt_version=ANALYSIS_PROMPT_VERSION, now=now)
        if verdict.asked_to_stop:
            await self._opt_out(session, customer, verdict.quote)
        if review is None:
            # The chat was joined to another meanwhile, whose review of this run stands; who asked us to stop did so.
            return outcome
        settle_review(session, review, _outcome(opened, verdict), analysis_id=analysis.id, now=now)
        return review.outcome

    async def _opt_out(self, session: AsyncSession, customer: Customer, quote: str | None) -> None:
        """They said so in the quoted message, at its time: a consent that they gave after it stands."""
        lines = self._opened.lines
        place = where_quoted(quote, [_line(one) for one in lines]) if quote is not None else None
        at = lines[place].at if place is not None else self._opened.analysis.wrote_at
        await note_stop(session, customer, source=OptOutSource.CONVERSATION_REVIEW, at=at, now=self._now)
        if customer.opted_out_at is None:
            return
        await record_event(
            session,
            customer,
            kind=EventKind.UNSUBSCRIBED,
            exit_reason=ExitReason.UNSUBSCRIBED,
            occurred_at=at,
            received_at=self._now,
            source=OptOutSource.CONVERSATION_REVIEW,
            dedupe_key=f"review:{required_id(self._opened.analysis.id)}",
        )


def _outcome(opened: Asking, verdict: Verdict) -> ReviewOutcome:
    if verdict.asked_to_stop:
        return ReviewOutcome.OPTED_OUT
    wanted = needs_suggestion(intent=verdict.intent, sale=verdict.sale, asked_to_stop=False)
    taken = wanted and opened.scope.definition.takes(verdict.intent)
    return ReviewOutcome.DETECTED if taken else ReviewOutcome.NOT_DETECTED


def _line(message: ChatMessage) -> Line:
    return Line(message.text or "", theirs=message.author is MessageAuthor.CUSTOMER)
