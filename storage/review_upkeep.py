"""What becomes of reviews when people are erased, turn out to be one, or time has passed."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, String, and_, cast, delete, literal, update
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ReviewOutcome
from models.tables import ConversationAnalysis, Review, TrackingRun

LEFT_OUT_KEPT: Final = timedelta(days=90)
"""How long it is told why somebody was left out; what was analysed stays for the journey's numbers, and the last word
about each conversation for good."""


async def forget_findings(session: AsyncSession, customer_id: int) -> None:
    """Blank what the model read in somebody's conversations and would have written; that it was asked stays."""
    await _in_bulk(
        session,
        update(ConversationAnalysis).where(col(ConversationAnalysis.customer_id) == customer_id),
        product=None,
        objection=None,
        suggestion=None,
        quote=None,
        language=None,
    )
    await _in_bulk(session, update(Review).where(col(Review.customer_id) == customer_id), seen="", threshold="")


async def join_reviews(session: AsyncSession, kept_id: int, gone_id: int) -> None:
    """Give one chat's reviews and analyses to another; of two reviews of one run the further one stands."""
    of_gone = col(Review.conversation_id) == gone_id
    other: Any = aliased(Review)
    twin = select(other.id).where(other.run_id == Review.run_id, other.conversation_id == kept_id).correlate(Review)
    analysed = col(Review.analysis_id).is_not(None)
    # A kept chat's review without an analysis gives way to one with it.
    mine = col(Review.conversation_id) == kept_id
    gone_twin = select(other.id).where(
        other.run_id == Review.run_id, other.conversation_id == gone_id, other.analysis_id.is_not(None)
    )
    await _in_bulk(session, delete(Review).where(mine, ~analysed, gone_twin.correlate(Review).exists()))
    await _in_bulk(session, delete(Review).where(of_gone, twin.exists()))
    await _in_bulk(session, update(Review).where(of_gone), conversation_id=kept_id)
    # A chat tool may count anew in each conversation: the same id is then another message.
    known = select(ConversationAnalysis.last_key).where(ConversationAnalysis.conversation_id == kept_id)
    of_gone = col(ConversationAnalysis.conversation_id) == gone_id
    await _in_bulk(
        session,
        update(ConversationAnalysis).where(of_gone, col(ConversationAnalysis.last_key).in_(known)),
        last_key=literal("joined-") + cast(col(ConversationAnalysis.id), String),
    )
    await _in_bulk(session, update(ConversationAnalysis).where(of_gone), conversation_id=kept_id)


def is_old(now: datetime) -> ColumnElement[bool]:
    """Reviews that nobody asks about any more: left out long ago, and looked at again by the same journey since.

    What was come to last about a conversation stays, because it is the answer to why there was no follow-up.
    """
    newer: Any = aliased(Review)
    run: Any = aliased(TrackingRun)
    of_newer: Any = aliased(TrackingRun)
    followed = (
        select(newer.id)
        .join(of_newer, of_newer.id == newer.run_id)
        .join(run, run.journey_id == of_newer.journey_id)
        .where(run.id == Review.run_id, newer.conversation_id == Review.conversation_id, newer.id > Review.id)
        .correlate(Review)
    )
    left_out = col(Review.outcome) == ReviewOutcome.LEFT_OUT
    return and_(left_out, col(Review.at) < now - LEFT_OUT_KEPT, followed.exists())


async def _in_bulk(session: AsyncSession, statement: Any, **values: Any) -> None:
    if values:
        statement = statement.values(**values)
    await session.exec(statement.execution_options(synchronize_session=False))
