"""One webhook request of WhatsApp's, whole, in one transaction: people, statuses, templates, accounts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

from storage.engine import Database
from storage.ingest import Delivery, Ingested, lock_customers, new_pieces, store_deliveries
from storage.ingest_accounts import AccountNews, TemplateNews, note_accounts, note_templates
from storage.ingest_messages import PersonPiece, hear, sighting_of
from storage.intents import wrote_intents
from storage.number_changes import MovedMeanwhileError, MovePiece, apply_move, find_movers
from storage.people import resolve
from storage.raw_bodies import empty_body
from storage.status_matching import MatchedMeanwhileError, apply, match
from storage.statuses import StatusPiece

_TRIES = 5


class MergedMeanwhileError(Exception):
    """Somebody was merged into another customer while they were looked up: the transaction must be run again."""


@dataclass(frozen=True, slots=True)
class WhatsAppPieces:
    """Everything in a request that has an effect, in the order in which it came."""

    people: tuple[PersonPiece, ...] = ()
    moves: tuple[MovePiece, ...] = ()
    statuses: tuple[StatusPiece, ...] = ()
    templates: tuple[TemplateNews, ...] = ()
    accounts: tuple[AccountNews, ...] = ()

    def __iter__(self) -> Iterator[PersonPiece | MovePiece | StatusPiece | TemplateNews | AccountNews]:
        return chain(self.people, self.moves, self.statuses, self.templates, self.accounts)

    def __len__(self) -> int:
        return sum(map(len, (self.people, self.moves, self.statuses, self.templates, self.accounts)))


@dataclass(frozen=True, slots=True)
class WhatsAppRequest:
    """A webhook request: what was delivered, and what it means."""

    delivery: Delivery
    pieces: WhatsAppPieces

    @property
    def weight(self) -> int:
        """How many pieces it has."""
        return len(self.pieces)

    @property
    def goes_alone(self) -> bool:
        """Whether it must stay in its order: a change of number keeps everybody at these numbers waiting."""
        return bool(self.pieces.moves or self.pieces.templates or self.pieces.accounts)


async def ingest_whatsapp(database: Database, delivery: Delivery, pieces: WhatsAppPieces) -> Ingested:
    """Store the request with its effects and intents; each piece is applied once, in whatever batch it comes again.

    Raises:
        DatabaseUnavailableError: the database cannot be reached; nothing is stored.
    """
    (done,) = await ingest_whatsapp_together(database, [WhatsAppRequest(delivery, pieces)])
    return done


async def ingest_whatsapp_together(database: Database, requests: Sequence[WhatsAppRequest]) -> list[Ingested]:
    """Store several requests in one transaction, as if they had been one batch of Meta's; what each of them did.

    Raises:
        DatabaseUnavailableError: the database cannot be reached; nothing is stored.
    """
    changed: Exception = MergedMeanwhileError()
    for _ in range(_TRIES):
        try:
            async with database.write() as session:
                return await _ingest(session, requests)
        except (MatchedMeanwhileError, MergedMeanwhileError, MovedMeanwhileError) as error:
            changed = error
    raise changed


async def _ingest(session: AsyncSession, requests: Sequence[WhatsAppRequest]) -> list[Ingested]:
    stored = await store_deliveries(session, [one.delivery for one in requests])
    fresh_requests = [request.pieces for request, new in zip(requests, stored, strict=True) if new]
    if not fresh_requests:
        return [Ingested(duplicate=True)] * len(requests)
    now = max(one.delivery.received_at for one in requests)
    fresh = await new_pieces(session, (one.dedupe_key for pieces in fresh_requests for one in pieces), now=now)
    taken = [_take(pieces, fresh) for pieces in fresh_requests]
    people = list(chain.from_iterable(one.people for one in taken))
    moves = list(chain.from_iterable(one.moves for one in taken))
    statuses = list(chain.from_iterable(one.statuses for one in taken))

    found = await resolve(session, (sighting_of(one) for one in people))
    movers = await find_movers(session, moves)
    matched = await match(session, statuses)
    customers = await lock_customers(
        session, {*found.ids.values(), *movers.ids, *matched.failing}, unread=matched.customers
    )
    # While we waited for the locks: what they wrote is the word of whoever they are now.
    if any(customers[one].merged_into_id is not None for one in {*found.ids.values(), *movers.ids}):
        raise MergedMeanwhileError
    if found.have_left(customers):
        raise MovedMeanwhileError
    found.complete(customers)
    await found.note_steps(session)
    forgotten = {one.dedupe_key for one in people if customers[found.ids[sighting_of(one)]].erased_at is not None}
    people = [one for one in people if one.dedupe_key not in forgotten]
    forgotten |= await apply(session, matched, customers, received_at=now)
    await hear(session, people, found.ids, customers, now=now)
    for move in moves:
        await apply_move(session, move, movers, customers, now=now)
    await note_templates(session, list(chain.from_iterable(one.templates for one in taken)), now=now)
    await note_accounts(session, list(chain.from_iterable(one.accounts for one in taken)), now=now)
    applied = iter(taken)
    if forgotten:
        await _forget(session, requests, forgotten)
    told = await wrote_intents(session)
    return [Ingested(applied=len(next(applied)), told=told) if new else Ingested(duplicate=True) for new in stored]


async def _forget(session: AsyncSession, requests: Sequence[WhatsAppRequest], forgotten: set[str]) -> None:
    """WhatsApp goes on telling of messages to people who were erased: of such a request nothing is kept."""
    for request in requests:
        if any(one.dedupe_key in forgotten for one in request.pieces):
            await empty_body(session, request.delivery.source, request.delivery.key)


class _Piece(Protocol):
    @property
    def dedupe_key(self) -> str: ...


_P = TypeVar("_P", bound=_Piece)


def _take(pieces: WhatsAppPieces, fresh: set[str]) -> WhatsAppPieces:
    """The pieces whose key is fresh, each key once."""
    return WhatsAppPieces(
        people=_fresh(pieces.people, fresh),
        moves=_fresh(pieces.moves, fresh),
        statuses=_fresh(pieces.statuses, fresh),
        templates=_fresh(pieces.templates, fresh),
        accounts=_fresh(pieces.accounts, fresh),
    )


def _fresh(pieces: Sequence[_P], fresh: set[str]) -> tuple[_P, ...]:
    taken = []
    for piece in pieces:
        if piece.dedupe_key in fresh:
            fresh.remove(piece.dedupe_key)
            taken.append(piece)
    return tuple(taken)
