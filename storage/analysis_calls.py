"""The calls of the model that an analysis takes: each paid for once, and on record with what came of it."""

from datetime import datetime

from sqlmodel import func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import BuyingIntent, CreditKind, SaleStanding
from models.tables import AnalysisCall, ConversationAnalysis, Store
from storage.credits import analysis_cause, release_charge, reserve, settle_charge
from storage.ingest import insert_new
from storage.stores import required_id


async def reserve_call(session: AsyncSession, analysis: ConversationAnalysis, number: int, *, now: datetime) -> bool:
    """Reserve what a call costs, under the customer's lock; the same call is charged once, as often as it is tried."""
    store = await session.get_one(Store, analysis.store_id, populate_existing=True)
    if store.credits is None:
        return True
    analysis_id = required_id(analysis.id)
    return await reserve(
        session,
        analysis.store_id,
        CreditKind.ANALYSIS,
        analysis_cause(analysis_id, number),
        store.analysis_credits,
        now=now,
        analysis_id=analysis_id,
    )


async def give_call_back(session: AsyncSession, analysis: ConversationAnalysis, number: int, *, now: datetime) -> None:
    """The model was not asked."""
    await release_charge(session, analysis.store_id, analysis_cause(required_id(analysis.id), number), now=now)


async def record_call(
    session: AsyncSession,
    analysis: ConversationAnalysis,
    number: int,
    *,
    model: str,
    prompt_version: str,
    tokens: tuple[int, int] | None,
    outcome: str,
    now: datetime,
) -> None:
    """Write one call down with its input and output tokens, also when its answer is no use, and settle its charge."""
    analysis_id = required_id(analysis.id)
    row = {
        "store_id": analysis.store_id,
        "analysis_id": analysis_id,
        "number": number,
        "at": now,
        "model": model,
        "prompt_version": prompt_version,
        "prompt_tokens": tokens[0] if tokens else None,
        "completion_tokens": tokens[1] if tokens else None,
        "outcome": outcome[:80],
    }
    # A worker that was thought dead may answer beside the one that took over.
    await insert_new(session, AnalysisCall, [row], returning="id")
    await settle_charge(session, analysis.store_id, analysis_cause(analysis_id, number), now=now)


async def count_calls(session: AsyncSession, analysis_id: int) -> int:
    """How many calls about the conversation are on record."""
    return (await session.exec(select(func.count()).where(AnalysisCall.analysis_id == analysis_id))).one()


def note_verdict(
    analysis: ConversationAnalysis,
    *,
    intent: BuyingIntent,
    sale: SaleStanding,
    asked_to_stop: bool,
    language: str,
    product: str | None,
    objection: str | None,
    suggestion: str | None,
    quote: str | None,
    model: str,
    prompt_version: str,
    now: datetime,
) -> None:
    """Write down what the model said and who it was; the checks are the caller's."""
    analysis.answered_at = now
    analysis.intent, analysis.sale, analysis.asked_to_stop = intent, sale, asked_to_stop
    analysis.language, analysis.product, analysis.objection = language, product, objection
    analysis.suggestion, analysis.quote = suggestion, quote
    analysis.model, analysis.prompt_version = model, prompt_version
