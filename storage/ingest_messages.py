"""What customers and our side say on WhatsApp, and what it does: replies end journeys, stop words end all marketing.

A batch may hold a thousand messages, so everything that they touch is loaded, and their events are written, in a few
statements for all. `hear_customer` does the same for one message that a chat tool tells of.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EventKind, ExitReason, MessageAuthor
from models.tables import Conversation, Customer, Enrollment, Store
from policies.stop_words import is_stop
from storage.chats import (
    Spoken,
    conversations_of,
    note_message,
    own_sends,
    stored_messages,
    take_word,
    write_messages,
)
from storage.enrollments import open_enrollment
from storage.events import News, record_events
from storage.opt_outs import OptOutSource, note_stop, resume
from storage.people import Address, Sighting
from storage.reachability import heard_of
from storage.stores import required_id
from storage.watches import wake_for_conversations


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

    @property
    def spoken(self) -> Spoken:
        """The message as the chat keeps it."""
        return Spoken(MessageAuthor.CUSTOMER, self.kind, self.text, self.at, wamid=self.wamid)


@dataclass(frozen=True, slots=True)
class EchoPiece:
    """Our side wrote to a customer from elsewhere: the WhatsApp Business app, or another tool on the number."""

    dedupe_key: str
    recipient: Address
    number_id: int
    wamid: str
    kind: str
    text: str | None
    at: datetime

    @property
    def spoken(self) -> Spoken:
        """The message as the chat keeps it."""
        return Spoken(MessageAuthor.AGENT, self.kind, self.text, self.at, wamid=self.wamid)


@dataclass(frozen=True, slots=True)
class PreferencePiece:
    """A customer told WhatsApp to stop our marketing, or to resume it."""

    dedupe_key: str
    sender: Address
    stop: bool
    at: datetime


PersonPiece = MessagePiece | EchoPiece | PreferencePiece


def sighting_of(piece: PersonPiece) -> Sighting:
    """Where and when the person of the piece was."""
    return Sighting(piece.recipient if isinstance(piece, EchoPiece) else piece.sender, piece.at)


async def hear(
    session: AsyncSession,
    pieces: Sequence[PersonPiece],
    ids: Mapping[Sighting, int],
    customers: Mapping[int, Customer],
    *,
    now: datetime,
) -> None:
    """Apply what people of one request said, in its order, under the locks of all of them.

    Args:
        session: a writing transaction.
        pieces: none of them applied before.
        ids: the customer of each sighting.
        customers: the locked rows.
        now: when the request came in.
    """
    chats = await conversations_of(
        session,
        {
            (piece.number_id, ids[sighting_of(piece)]): customers[ids[sighting_of(piece)]].store_id
            for piece in pieces
            if not isinstance(piece, PreferencePiece)
        },
    )
    echoed = [piece.wamid for piece in pieces if isinstance(piece, EchoPiece)]
    known = await stored_messages(session, [*echoed, *(p.wamid for p in pieces if isinstance(p, MessagePiece))])
    known |= await own_sends(session, echoed)
    own_words = await _stop_words(session, {customer.store_id for customer in customers.values()}) if pieces else {}
    news: list[News] = []
    said: list[tuple[Conversation, Spoken]] = []
    spoke: dict[int, Conversation] = {}
    for piece in pieces:
        customer = customers[ids[sighting_of(piece)]]
        if isinstance(piece, PreferencePiece):
            news += await _prefer(session, customer, piece, now=now)
            continue
        chat = chats[piece.number_id, required_id(customer.id)]
        if piece.wamid not in known:
            said.append((chat, piece.spoken))
            if take_word(chat, piece.spoken, now=now):
                spoke[required_id(chat.id)] = chat
        known.add(piece.wamid)
        if isinstance(piece, MessagePiece):
            words = own_words[customer.store_id]
            news.append(await _heed(session, customer, piece, words, now=now))
    await write_messages(session, said, now=now)
    await record_events(session, news, received_at=now)
    for store_id in sorted({chat.store_id for chat in spoke.values()}):
        await wake_for_conversations(
            session, store_id, [chat for chat in spoke.values() if chat.store_id == store_id], now=now
        )


async def hear_customer(
    session: AsyncSession,
    customer: Customer,
    conversation: Conversation,
    spoken: Spoken,
    *,
    source: str,
    now: datetime,
) -> bool:
    """Apply one message of a locked customer that a chat tool tells of; whether it was new.

    It is the same reply as the one that WhatsApp's own webhook tells with the same id. What they wrote before their
    journey began answers nothing of it: tools tell of whole histories.
    """
    new = await note_message(session, conversation, spoken, now=now)
    words = (await _stop_words(session, {customer.store_id}))[customer.store_id]
    at = min(spoken.at, now)
    running = await open_enrollment(session, required_id(customer.id))
    is_old = running is not None and at < running.selected_at and not _breaks_silence(running, conversation)
    _note_activity(customer, at)
    stop = is_stop(spoken.text, words)
    if stop:
        await note_stop(session, customer, source=OptOutSource.STOP_WORD, at=at, now=now)
    if stop or not is_old:
        news = _what_it_means(customer, conversation.number_id, spoken, at=at, stop=stop, source=source)
        await record_events(session, [news], received_at=now)
    return new


def _breaks_silence(running: Enrollment, conversation: Conversation) -> bool:
    """Whether the customer has the last word in the very conversation whose silence the journey answers."""
    return running.conversation_id == conversation.id and conversation.silent_since is None


async def _heed(
    session: AsyncSession, customer: Customer, piece: MessagePiece, own_words: tuple[str, ...], *, now: datetime
) -> News:
    # A sender's clock that is ahead must not hold the 24-hour window open.
    at = min(piece.at, now)
    _note_activity(customer, at)
    stop = is_stop(piece.text, own_words) or is_stop(piece.button_payload, own_words)
    if stop:
        await note_stop(session, customer, source=OptOutSource.STOP_WORD, at=at, now=now)
    return _what_it_means(customer, piece.number_id, piece.spoken, at=at, stop=stop, source="whatsapp")


def _note_activity(customer: Customer, at: datetime) -> None:
    if customer.last_inbound_at is None or at > customer.last_inbound_at:
        customer.last_inbound_at = at
    heard_of(customer, at)


def _what_it_means(
    customer: Customer, number_id: int, spoken: Spoken, *, at: datetime, stop: bool, source: str
) -> News:
    # WhatsApp's ids are the world's; a chat tool may count anew in each conversation.
    whose = spoken.key if spoken.wamid is not None else f"{customer.id}:{spoken.key}"
    if stop:
        return News(
            customer=customer,
            kind=EventKind.UNSUBSCRIBED,
            exit_reason=ExitReason.UNSUBSCRIBED,
            occurred_at=at,
            source=OptOutSource.STOP_WORD,
            dedupe_key=f"stop:{number_id}:{whose}",
        )
    return News(
        customer=customer,
        kind=EventKind.CUSTOMER_REPLIED,
        exit_reason=ExitReason.CUSTOMER_REPLIED,
        occurred_at=at,
        source=source,
        dedupe_key=f"reply:{number_id}:{whose}",
    )


async def _prefer(session: AsyncSession, customer: Customer, piece: PreferencePiece, *, now: datetime) -> list[News]:
    if not piece.stop:
        await resume(session, customer, at=piece.at, now=now)
        return []
    source = OptOutSource.WHATSAPP_PREFERENCE
    await note_stop(session, customer, source=source, at=piece.at, now=now)
    return [
        News(
            customer=customer,
            kind=EventKind.UNSUBSCRIBED,
            exit_reason=ExitReason.UNSUBSCRIBED,
            occurred_at=piece.at,
            source=source,
            dedupe_key=f"whatsapp:{piece.dedupe_key}",
        )
    ]


async def _stop_words(session: AsyncSession, store_ids: set[int]) -> dict[int, tuple[str, ...]]:
    rows = await session.exec(select(Store.id, Store.stop_words).where(col(Store.id).in_(store_ids)))
    return {required_id(store_id): tuple(words) for store_id, words in rows}
