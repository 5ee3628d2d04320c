"""One webhook request of WhatsApp's, whole, in one transaction: messages, statuses, preferences, templates."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SENDABLE_TEMPLATE_STATUSES, EventKind, ExitReason, MessageAuthor, TemplateStatus
from models.tables import ChatMessage, Customer, Template
from policies.stop_words import is_stop
from storage.engine import Database
from storage.events import add_broadcast, record_event
from storage.ingest import Delivery, Ingested, lock_customers, new_pieces, store_delivery
from storage.opt_outs import OptOutSource, opt_out, resume
from storage.people import Address, People, resolve
from storage.sends import ensure_conversation
from storage.statuses import MatchedMeanwhileError, StatusPiece, apply, match

_TRIES = 5


@dataclass(frozen=True, slots=True)
class MessagePiece:
    """A customer wrote to one of our numbers. `button_payload` is what a tapped button sends beside its label."""

    dedupe_key: str
    sender: Address
    number_id: int
    wamid: str
    kind: str
    text: str | None
    button_payload: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class PreferencePiece:
    """A customer told WhatsApp to stop our marketing, or to resume it."""

    dedupe_key: str
    sender: Address
    stop: bool
    at: datetime


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
class WhatsAppPieces:
    """Everything in a request that has an effect, in the order in which it came."""

    people: tuple[MessagePiece | PreferencePiece, ...] = ()
    statuses: tuple[StatusPiece, ...] = ()
    templates: tuple[TemplatePiece, ...] = ()


async def ingest_whatsapp(database: Database, delivery: Delivery, pieces: WhatsAppPieces) -> Ingested:
    """Store the request with its effects and intents; each piece is applied once, in whatever batch it comes again.

    Raises:
        DatabaseUnavailableError: the database cannot be reached; nothing is stored.
    """
    for _ in range(_TRIES):
        try:
            async with database.write() as session:
                return await _ingest(session, delivery, pieces)
        except MatchedMeanwhileError:
            continue
    raise MatchedMeanwhileError


async def _ingest(session: AsyncSession, delivery: Delivery, pieces: WhatsAppPieces) -> Ingested:
    if not await store_delivery(session, delivery):
        return Ingested(duplicate=True)
    now = delivery.received_at
    fresh = await new_pieces(
        session,
        (one.dedupe_key for group in (pieces.people, pieces.statuses, pieces.templates) for one in group),
        now=now,
    )
    applied = len(fresh)
    people = _take(pieces.people, fresh)
    statuses = _take(pieces.statuses, fresh)
    templates = _take(pieces.templates, fresh)

    found = await resolve(session, (one.sender for one in people))
    matched = await match(session, statuses)
    customers = await lock_customers(session, {*found.ids.values(), *matched.customers})
    found.complete(customers)
    await apply(session, matched, customers, received_at=now)
    await _hear(session, people, found, customers, now=now)
    for template in templates:
        await _note_template(session, template, now=now)
    return Ingested(applied=applied)


class _Piece(Protocol):
    @property
    def dedupe_key(self) -> str: ...


_P = TypeVar("_P", bound=_Piece)


def _take(pieces: Sequence[_P], fresh: set[str]) -> list[_P]:
    """The pieces whose key is fresh, each key once."""
    taken = []
    for piece in pieces:
        if piece.dedupe_key in fresh:
            fresh.remove(piece.dedupe_key)
            taken.append(piece)
    return taken


async def _hear(
    session: AsyncSession,
    pieces: Sequence[MessagePiece | PreferencePiece],
    people: People,
    customers: dict[int, Customer],
    *,
    now: datetime,
) -> None:
    wamids = [piece.wamid for piece in pieces if isinstance(piece, MessagePiece)]
    stored = set()
    if wamids:
        stored = set(await session.exec(select(ChatMessage.wamid).where(col(ChatMessage.wamid).in_(wamids))))
    for piece in pieces:
        customer_id = people.ids[piece.sender]
        customer = customers[customer_id]
        match piece:
            case PreferencePiece(stop=True):
                await opt_out(
                    session,
                    customer,
                    source=OptOutSource.WHATSAPP_PREFERENCE,
                    at=piece.at,
                    received_at=now,
                    dedupe_key=f"whatsapp:{piece.dedupe_key}",
                )
            case PreferencePiece():
                resume(customer, at=piece.at)
            case MessagePiece():
                await _note_message(session, piece, customer, customer_id, known=piece.wamid in stored, now=now)
                stored.add(piece.wamid)


async def _note_message(
    session: AsyncSession, piece: MessagePiece, customer: Customer, customer_id: int, *, known: bool, now: datetime
) -> None:
    # A sender's clock that is ahead must not hold the 24-hour window open.
    at = min(piece.at, now)
    if customer.last_inbound_at is None or at > customer.last_inbound_at:
        customer.last_inbound_at = at
    conversation_id = await ensure_conversation(
        session, store_id=customer.store_id, number_id=piece.number_id, customer_id=customer_id
    )
    if not known:
        session.add(
            ChatMessage(
                conversation_id=conversation_id,
                wamid=piece.wamid,
                inbound=True,
                author=MessageAuthor.CUSTOMER,
                kind=piece.kind,
                text=piece.text,
                at=at,
            )
        )
    if is_stop(piece.text) or is_stop(piece.button_payload):
        await opt_out(
            session,
            customer,
            source=OptOutSource.STOP_WORD,
            at=at,
            received_at=now,
            dedupe_key=f"whatsapp:{piece.dedupe_key}",
        )
        return
    await record_event(
        session,
        customer,
        kind=EventKind.CUSTOMER_REPLIED,
        exit_reason=ExitReason.CUSTOMER_REPLIED,
        occurred_at=at,
        received_at=now,
        source="whatsapp",
        dedupe_key=f"whatsapp:{piece.dedupe_key}",
    )


async def _note_template(session: AsyncSession, piece: TemplatePiece, *, now: datetime) -> None:
    """Bring our mirror up to date; a template that we never mirrored is the health watch's to fetch."""
    template = (
        await session.exec(
            select(Template)
            .where(Template.waba_id == piece.waba_id, Template.name == piece.name, Template.language == piece.language)
            .with_for_update()
        )
    ).first()
    # Meta's times are whole seconds, so within the mirror's own second the update is taken for the newer one.
    if template is None or (piece.at is not None and piece.at < template.synced_at.replace(microsecond=0)):
        return
    template.status = piece.status
    template.synced_at = piece.at or now
    if piece.status in SENDABLE_TEMPLATE_STATUSES:
        add_broadcast(session, f"template:{piece.waba_id}:{piece.name}:{piece.language}", now=now)
