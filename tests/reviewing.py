"""Conversations that a daily review considers, and runs of it without a worker, for tests of who is analysed."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import select

from models.enums import JourneyState, MessageAuthor, ReviewOutcome, RunTrigger
from models.tables import Conversation, ConversationAnalysis, Review, TrackingRun
from models.tracking import Tracking
from storage.chats import Spoken, ensure_conversation, note_message
from storage.customers import lock_customer
from storage.publishing import publish
from storage.review_selection import consider_page
from storage.reviews import lock_review, settle_review, waiting_reviews
from storage.stores import required_id, suppression_key
from storage.tracking_runs import finish_run, open_run, tracked_by
from tests.worlds import World


def tracking(**changes: Any) -> Tracking:
    """A tracking journey whose hours never close."""
    sending = {"hours": "00:00-24:00", "time_zone": "store", "smart_sending_days": 0, **changes.pop("sending", {})}
    return Tracking.model_validate({"name": "daily-review", "kind": "tracking", "sending": sending} | changes)


@dataclass
class Reviews:
    """A tracking journey of a world's store, and its runs."""

    world: World
    journey_id: int = 0

    async def launch(self, definition: Tracking, *, state: JourneyState = JourneyState.ACTIVE) -> int:
        """The journey, active unless told otherwise; its id."""
        async with self.world.database.write() as session:
            journey, _ = await publish(session, self.world.store_id, definition, now=self.world.now)
            journey.state = state
            self.journey_id = required_id(journey.id)
        return self.journey_id

    async def say(
        self,
        customer_id: int,
        at: datetime,
        *,
        text: str | None = "How much is it?",
        author: MessageAuthor = MessageAuthor.CUSTOMER,
        heard: datetime | None = None,
        message_id: str | None = None,
    ) -> int:
        """Somebody writes in the customer's chat; the conversation's id."""
        async with self.world.database.write() as session:
            customer = await lock_customer(session, customer_id)
            chat = await ensure_conversation(
                session, store_id=customer.store_id, number_id=self.world.number_id, customer_id=customer_id
            )
            spoken = Spoken(
                author,
                "sticker" if text is None else "text",
                text,
                at,
                external_id=message_id or f"{customer_id}-{author}-{at.isoformat()}",
            )
            await note_message(session, chat, spoken, now=heard or at)
            if author is MessageAuthor.CUSTOMER:
                customer.last_inbound_at = max(customer.last_inbound_at or at, at)
            return required_id(chat.id)

    async def begin(self, key: str, *, now: datetime, trigger: RunTrigger = RunTrigger.SCHEDULE) -> TrackingRun | None:
        """A run, begun or found."""
        async with self.world.database.write() as session:
            return await open_run(session, self.journey_id, key, trigger=trigger, now=now)

    async def page(self, run: TrackingRun, *, now: datetime, limit: int = 200) -> bool:
        """Consider a page; whether there are more."""
        async with self.world.database.write() as session:
            scope = await tracked_by(session, run)
            key = suppression_key(scope.store, self.world.cipher)
            return (await consider_page(session, required_id(run.id), suppression_key=key, now=now, limit=limit)).more

    async def consider(self, key: str, *, now: datetime, limit: int = 200) -> TrackingRun:
        """A run that has considered everybody."""
        run = await self.begin(key, now=now)
        assert run is not None
        while await self.page(run, now=now, limit=limit):
            pass
        return run

    async def analyse(
        self,
        run: TrackingRun,
        *,
        now: datetime,
        most: int = 1000,
        outcome: ReviewOutcome = ReviewOutcome.NOT_DETECTED,
        on_answer: Callable[[ConversationAnalysis], None] = lambda _: None,
    ) -> list[tuple[int, str]]:
        """What the analysis does to a run's waiting reviews, without a model; the conversations and last messages."""
        asked = []
        async with self.world.database.write() as session:
            for found in await waiting_reviews(session, required_id(run.id), after=0, limit=most):
                review = await lock_review(session, required_id(found.id))
                chat = await session.get_one(Conversation, review.conversation_id)
                key = chat.last_spoken_key or ""
                known = (
                    await session.exec(
                        select(ConversationAnalysis).where(
                            ConversationAnalysis.conversation_id == chat.id, ConversationAnalysis.last_key == key
                        )
                    )
                ).first()
                analysis = known
                if analysis is None:
                    analysis = ConversationAnalysis(
                        store_id=run.store_id,
                        journey_id=run.journey_id,
                        version_id=run.version_id,
                        run_id=required_id(run.id),
                        conversation_id=required_id(chat.id),
                        customer_id=chat.customer_id,
                        last_key=key,
                        wrote_at=chat.customer_wrote_at or now,
                        asked_at=now,
                        answered_at=now,
                    )
                    on_answer(analysis)
                    session.add(analysis)
                    await session.flush()
                    asked.append((required_id(chat.id), key))
                settle_review(session, review, outcome, now=now, analysis_id=analysis.id)
        return asked

    async def finish(self, run: TrackingRun, *, now: datetime, stop_reason: str | None = None) -> None:
        """The end of a run."""
        async with self.world.database.write() as session:
            await finish_run(session, required_id(run.id), stop_reason=stop_reason, now=now)

    async def run(self, key: str, *, now: datetime, limit: int = 200) -> list[tuple[int, str]]:
        """A whole run; the conversations that it analysed with their last messages."""
        run = await self.consider(key, now=now, limit=limit)
        asked = await self.analyse(run, now=now)
        await self.finish(run, now=now)
        return asked

    async def told(self, run: TrackingRun) -> dict[int, str]:
        """What the run came to about each conversation: the reason where it was left out, else the outcome."""
        async with self.world.database.read() as session:
            rows = await session.exec(select(Review).where(Review.run_id == run.id))
            return {one.conversation_id: (one.left_out or one.outcome).value for one in rows}
