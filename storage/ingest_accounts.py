"""What Meta says of our accounts, numbers and templates: pauses, limits, quality, categories.

Updates come in any order, so each kind is applied only when it is not older than the newest of its kind.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SENDABLE_TEMPLATE_STATUSES, TemplateStatus
from models.tables import Number, Template
from policies.account_events import Effect, GoOn, Remark, Stop
from storage.events import add_broadcast
from storage.going_live import look_at_pending
from storage.number_news import note_limit, note_quality
from storage.senders import BY_ACCOUNT, note_paid, tell_of_account
from storage.template_states import note_status

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TemplatePiece:
    """A template of one of our accounts has another status. `at` is None where Meta does not say when."""

    dedupe_key: str
    waba_id: str
    name: str
    language: str
    status: TemplateStatus
    at: datetime | None


@dataclass(frozen=True, slots=True)
class TemplateQualityPiece:
    """Meta's colour for a template has changed."""

    dedupe_key: str
    waba_id: str
    name: str
    language: str
    quality: str
    at: datetime


@dataclass(frozen=True, slots=True)
class TemplateCategoryPiece:
    """A template belongs to another category from now on."""

    dedupe_key: str
    waba_id: str
    name: str
    language: str
    category: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AccountPiece:
    """Something happened to a business account. `number_ids` are its numbers that the signer may speak for."""

    dedupe_key: str
    waba_id: str
    number_ids: tuple[int, ...]
    event: str
    effect: Effect
    at: datetime


@dataclass(frozen=True, slots=True)
class LimitPiece:
    """The portfolio's limit has changed: new recipients in a moving 24 hours, -1 for none.

    `number_ids` are the numbers of the account that Meta names, `signer_ids` all that the signer may speak for: the
    limit is every number's of the same portfolio.
    """

    dedupe_key: str
    number_ids: tuple[int, ...]
    signer_ids: tuple[int, ...]
    daily_limit: int
    at: datetime


@dataclass(frozen=True, slots=True)
class NumberQualityPiece:
    """A number was flagged, or is no longer. Meta names it by its phone alone; where none fits, nobody is meant."""

    dedupe_key: str
    number_ids: tuple[int, ...]
    display_phone: str
    quality: str | None
    at: datetime


TemplateNews = TemplatePiece | TemplateQualityPiece | TemplateCategoryPiece
AccountNews = AccountPiece | LimitPiece | NumberQualityPiece


async def note_templates(session: AsyncSession, pieces: Sequence[TemplateNews], *, now: datetime) -> None:
    """Bring our mirror up to date; a template that we never mirrored is the health watch's to fetch."""
    if not pieces:
        return
    rows = await session.exec(
        select(Template)
        .where(
            col(Template.waba_id).in_({piece.waba_id for piece in pieces}),
            col(Template.name).in_({piece.name for piece in pieces}),
        )
        .order_by(col(Template.id))
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    mirror = {(row.waba_id, row.name, row.language): row for row in rows}
    for piece in pieces:
        template = mirror.get((piece.waba_id, piece.name, piece.language))
        if template is not None:
            await _note_template(session, template, piece, now=now)


async def _note_template(session: AsyncSession, template: Template, piece: TemplateNews, *, now: datetime) -> None:
    match piece:
        case TemplatePiece():
            if not _is_news(piece.at or now, template.synced_at):
                return
            await note_status(session, template, piece.status, at=piece.at or now)
            template.synced_at = piece.at or now
            if piece.status in SENDABLE_TEMPLATE_STATUSES:
                add_broadcast(session, f"template:{piece.waba_id}:{piece.name}:{piece.language}", now=now)
                await look_at_pending(session, piece.waba_id, now=now)
        case TemplateQualityPiece():
            if _is_news(piece.at, template.quality_at):
                template.quality, template.quality_at = piece.quality[:20], piece.at
        case TemplateCategoryPiece():
            if _is_news(piece.at, template.category_at):
                template.category, template.category_at = piece.category, piece.at
        case _:
            assert_never(piece)


async def note_accounts(session: AsyncSession, pieces: Sequence[AccountNews], *, now: datetime) -> None:
    """Stop or release numbers, and keep what limits and quality they have."""
    for piece in pieces:
        match piece:
            case AccountPiece():
                for number in await _lock_numbers(session, piece.number_ids):
                    await _obey(session, number, piece, now=now)
            case LimitPiece():
                for number in await _same_portfolio(session, piece):
                    if _is_news(piece.at, number.limit_at):
                        note_limit(session, number, piece.daily_limit, at=piece.at, now=now)
            case NumberQualityPiece():
                for number in await _lock_numbers(session, piece.number_ids):
                    named = number.display_phone == piece.display_phone or len(piece.number_ids) == 1
                    if named and _is_news(piece.at, number.quality_at):
                        await note_quality(session, number, piece.quality, at=piece.at, now=now)
            case _:
                assert_never(piece)


async def _obey(session: AsyncSession, number: Number, piece: AccountPiece, *, now: datetime) -> None:
    if not _is_news(piece.at, number.account_event_at):
        return
    number.account_event_at = piece.at
    match piece.effect:
        case Stop(until=until):
            if until is not None and until <= now:
                return
            number.paused_reason = f"{BY_ACCOUNT}{piece.event.lower()}"
            number.paused_until = until
            await tell_of_account(session, number, piece.event, now=now)
            _log.error("whatsapp: account %s: %s; number %s is paused", piece.waba_id, piece.event, number.id)
        case GoOn():
            if (number.paused_reason or "").startswith(BY_ACCOUNT):
                number.paused_reason = number.paused_until = None
                add_broadcast(session, _hold_key(number), now=now)
                await note_paid(session, number, now=now)
        case Remark(alert=alert):
            level = logging.WARNING if alert else logging.INFO
            _log.log(level, "whatsapp: account %s: %s; sending goes on", piece.waba_id, piece.event)
        case _:
            assert_never(piece.effect)


async def _lock_numbers(session: AsyncSession, ids: Iterable[int]) -> list[Number]:
    return list(
        await session.exec(
            select(Number)
            .where(col(Number.id).in_(sorted(set(ids))))
            .order_by(col(Number.id))
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )
    )


async def _same_portfolio(session: AsyncSession, piece: LimitPiece) -> list[Number]:
    """The numbers named, with the signer's others of their portfolios."""
    portfolios = select(Number.portfolio_id).where(
        col(Number.id).in_(piece.number_ids), col(Number.portfolio_id).is_not(None)
    )
    ids = await session.exec(
        select(Number.id).where(
            col(Number.id).in_(piece.signer_ids),
            or_(col(Number.id).in_(piece.number_ids), col(Number.portfolio_id).in_(portfolios)),
        )
    )
    return await _lock_numbers(session, [number_id for number_id in ids if number_id is not None])


def _is_news(at: datetime, known_at: datetime | None) -> bool:
    """Meta's times are whole seconds, so within our own second its word is taken for the newer one."""
    return known_at is None or at >= known_at.replace(microsecond=0)


def _hold_key(number: Number) -> str:
    return f"number:{number.phone_number_id}"
