"""The watches of follow-up and cart journeys: who they are, and waking one for what it cannot know of yet.

A watch sleeps until `JourneyWatch.next_at`. Whoever makes something due earlier writes a wake-up in the same
transaction, with the watch's row locked for reading; the watch writes `next_at` with the row locked for itself. So
either the watch has seen the change or the change sees what the watch decided, and no wake-up falls between. Readers
never write the row: transactions that hold customers' locks would then wait for each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind, JourneyState, LeftOut
from models.journey import AbandonedCart, FollowUp
from models.orchestration import Wake
from models.tables import (
    Checkout,
    Conversation,
    Customer,
    Journey,
    JourneyVersion,
    JourneyWatch,
    Store,
    WatchAnswer,
)
from policies.schedule import Whereabouts
from policies.watching import covers_column, entry_moment
from storage.engine import is_sqlite
from storage.events import add_intent
from storage.journeys import parse_definition
from storage.launches import CONTROL, ENTERED
from storage.stores import required_id

DUE = "due"
"""A `WatchAnswer` that is none yet: the watch must ask although it has read past the moment."""
TAKEN_IN = (ENTERED, CONTROL)
"""The answers that stand for good: a launch asks all others again, since the journey may ask for something else."""
_WOKEN = "watches woken"
_STORED_BY_THEN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Watch:
    """A journey that waits for silences or carts, with what its newest version says."""

    row: JourneyWatch
    journey: Journey
    version_id: int
    definition: FollowUp | AbandonedCart


def watch_workflow_id(store_id: int, journey_id: int) -> str:
    """The one WatchWorkflow of a journey."""
    return f"watch-{store_id}-{journey_id}"


async def watches_of(session: AsyncSession, store_id: int, states: Collection[JourneyState]) -> list[Watch]:
    """The store's watches whose journeys are in one of the states, by the journey's id."""
    newest = (
        select(func.max(JourneyVersion.id))
        .where(JourneyVersion.journey_id == Journey.id, col(JourneyVersion.published_at).is_not(None))
        .correlate(Journey)
        .scalar_subquery()
    )
    rows = await session.exec(
        select(JourneyWatch, Journey, JourneyVersion)
        .join(Journey, col(Journey.id) == JourneyWatch.journey_id)
        .join(JourneyVersion, col(JourneyVersion.id) == newest)
        .where(JourneyWatch.store_id == store_id, col(Journey.state).in_(list(states)))
        .order_by(col(JourneyWatch.journey_id))
    )
    found = []
    for row, journey, version in rows:
        definition = parse_definition(version.definition)
        if isinstance(definition, FollowUp | AbandonedCart):
            found.append(Watch(row, journey, required_id(version.id), definition))
    return found


def columns_taken(watches: Sequence[Watch]) -> frozenset[str]:
    """The columns that have a follow-up of their own."""
    columns = [one.definition.conversations.column for one in watches if isinstance(one.definition, FollowUp)]
    return frozenset(column for column in columns if column is not None)


OWNS_A_COLUMN = (JourneyState.ACTIVE, JourneyState.PAUSED, JourneyState.PENDING)
"""A paused follow-up keeps its column: pausing must not hand its conversations to the one for all columns. One that
waits for its templates has it from its launch on."""
_MAY_ENTER_YET = OWNS_A_COLUMN
"""What a paused watch has read past must be marked for it as well."""


async def wake_for_conversation(session: AsyncSession, conversation: Conversation, *, now: datetime) -> None:
    """Tell the store's follow-ups of a silence that becomes due earlier than they know.

    To be called after every change of a conversation, under its customer's lock.
    """
    await wake_for_conversations(session, conversation.store_id, [conversation], now=now)


async def wake_for_conversations(
    session: AsyncSession, store_id: int, conversations: Sequence[Conversation], *, now: datetime
) -> None:
    """The same for many conversations of one store, in a few statements for all."""
    silent = [one for one in conversations if one.silent_since is not None]
    if not silent or not await _lock_shared(session, store_id):
        return
    await session.flush()
    watches = await watches_of(session, store_id, _MAY_ENTER_YET)
    taken = columns_taken(watches)
    where = await _whereabouts(session, store_id, {one.customer_id for one in silent})
    for conversation in silent:
        since = conversation.silent_since
        for watch in watches:
            definition = watch.definition
            if (
                since is not None
                and isinstance(definition, FollowUp)
                and covers_column(definition, conversation.board_column, taken)
                and (conversation.is_open or definition.conversations.include_closed)
            ):
                person = where[conversation.customer_id]
                await _see_to(session, watch, since, person, conversation_id=conversation.id, now=now)


async def wake_for_checkout(session: AsyncSession, checkout: Checkout, *, now: datetime) -> None:
    """Tell the store's cart journeys of a checkout that becomes due earlier than they know.

    To be called after every change of a checkout, under its customer's lock.
    """
    since = checkout.idle_since
    if since is None or checkout.customer_id is None or not await _lock_shared(session, checkout.store_id):
        return
    await session.flush()
    where = await _whereabouts(session, checkout.store_id, {checkout.customer_id})
    for watch in await watches_of(session, checkout.store_id, _MAY_ENTER_YET):
        if isinstance(watch.definition, AbandonedCart):
            person = where[checkout.customer_id]
            await _see_to(session, watch, since, person, checkout_id=checkout.id, now=now)


async def open_watch(session: AsyncSession, journey: Journey, *, since: datetime | None, now: datetime) -> None:
    """Begin a journey's watch, or begin it anew: everything is read again, from `since` on if it is given."""
    journey_id = required_id(journey.id)
    # Every row in one order, as those who only read them lock them.
    rows = {one.journey_id: one for one in await _lock(session, journey.store_id)}
    row = rows.get(journey_id)
    if row is None:
        row = JourneyWatch(journey_id=journey_id, store_id=journey.store_id)
        session.add(row)
    row.since, row.next_at, row.answered_until = since, None, None
    await session.flush()
    await session.exec(
        delete(WatchAnswer)
        .where(col(WatchAnswer.journey_id) == journey_id, col(WatchAnswer.outcome).not_in(TAKEN_IN))
        .execution_options(synchronize_session=False)
    )
    if journey.kind is JourneyKind.FOLLOW_UP:
        await read_all_again(session, journey.store_id, now=now)
    _wake(session, row, now=now)
    if not is_sqlite(session):
        # A message that is being stored right now knew of no watch, and may be stored after the first look.
        _add_wake(session, row, at=now + _STORED_BY_THEN)


async def ask_again(session: AsyncSession, customer_id: int, *, now: datetime) -> None:
    """A journey of the locked customer is over: ask those that stood back for it again."""
    await _ask_about(session, customer_id, [LeftOut.IN_OTHER_JOURNEY], now=now)


async def reachable_again(session: AsyncSession, customer_id: int, *, now: datetime) -> None:
    """The locked customer consents, or has a phone, since a moment ago: ask again where that was missing."""
    await _ask_about(session, customer_id, [LeftOut.NO_CONSENT, LeftOut.UNSUBSCRIBED, LeftOut.NO_PHONE], now=now)


async def _ask_about(session: AsyncSession, customer_id: int, outcomes: Sequence[LeftOut], *, now: datetime) -> None:
    conversations = select(Conversation.id).where(Conversation.customer_id == customer_id)
    checkouts = select(Checkout.id).where(Checkout.customer_id == customer_id)
    stood_back = (
        await session.exec(
            select(WatchAnswer).where(
                col(WatchAnswer.outcome).in_([one.value for one in outcomes]),
                or_(
                    col(WatchAnswer.conversation_id).in_(conversations),
                    col(WatchAnswer.checkout_id).in_(checkouts),
                ),
            )
        )
    ).all()
    for answer in stood_back:
        answer.again_at = now
    for journey_id in sorted({answer.journey_id for answer in stood_back}):
        await wake_watch(session, journey_id, now=now)


async def wake_watch(session: AsyncSession, journey_id: int, *, now: datetime) -> None:
    """Let a journey's watch look now, because the journey was launched, resumed or stopped; nothing if it has none."""
    row = await session.get(JourneyWatch, journey_id)
    if row is not None:
        _wake(session, row, now=now)


async def read_all_again(session: AsyncSession, store_id: int, *, now: datetime) -> None:
    """Which follow-up owns which column has changed: every watch of the store reads everything again, and now."""
    for row in await _lock(session, store_id):
        row.answered_until = None
    for watch in await watches_of(session, store_id, (JourneyState.ACTIVE,)):
        _wake(session, watch.row, now=now)


async def _lock_shared(session: AsyncSession, store_id: int) -> list[JourneyWatch]:
    """The store's watches, none of which decides when to look next before this transaction ends."""
    return await _lock(session, store_id, shared=True)


async def _lock(session: AsyncSession, store_id: int, *, shared: bool = False) -> list[JourneyWatch]:
    rows = await session.exec(
        select(JourneyWatch)
        .where(JourneyWatch.store_id == store_id)
        .order_by(col(JourneyWatch.journey_id))
        .with_for_update(read=shared)
        .execution_options(populate_existing=True)
    )
    return list(rows)


async def _whereabouts(session: AsyncSession, store_id: int, customer_ids: Collection[int]) -> dict[int, Whereabouts]:
    rows = await session.exec(
        select(Customer.id, Customer.time_zone, Customer.phone, Store.time_zone)
        .join(Store, col(Store.id) == Customer.store_id)
        .where(col(Customer.id).in_(customer_ids), Store.id == store_id)
    )
    return {required_id(customer_id): Whereabouts(*rest) for customer_id, *rest in rows}


async def _see_to(
    session: AsyncSession,
    watch: Watch,
    since: datetime,
    where: Whereabouts,
    *,
    now: datetime,
    conversation_id: int | None = None,
    checkout_id: int | None = None,
) -> None:
    row = watch.row
    if row.since is not None and since < row.since:
        return
    was_answered = row.answered_until is not None and since <= row.answered_until
    if not was_answered and row.journey_id in session.info.get(_WOKEN, ()):
        return
    at = entry_moment(watch.definition, since, where, not_before=since)
    if was_answered:
        # Late news, or a card that was moved: the watch has read past it.
        answer = await answer_about(session, row.journey_id, conversation_id=conversation_id, checkout_id=checkout_id)
        if answer is not None and answer.since == since and answer.outcome != DUE:
            return
        put_answer(
            session,
            answer,
            WatchAnswer(
                journey_id=row.journey_id,
                conversation_id=conversation_id,
                checkout_id=checkout_id,
                since=since,
                outcome=DUE,
                again_at=at,
            ),
        )
    # The watch of a paused or pending journey is woken when it is resumed or goes live.
    if watch.journey.state is JourneyState.ACTIVE and (row.next_at is None or at < row.next_at):
        _wake(session, row, now=now)


async def answer_about(
    session: AsyncSession, journey_id: int, *, conversation_id: int | None, checkout_id: int | None
) -> WatchAnswer | None:
    """What the watch last answered about the conversation or checkout; its customer must be locked."""
    query = select(WatchAnswer).where(WatchAnswer.journey_id == journey_id)
    if conversation_id is not None:
        query = query.where(WatchAnswer.conversation_id == conversation_id)
    else:
        query = query.where(WatchAnswer.checkout_id == checkout_id)
    return (await session.exec(query)).first()


def put_answer(session: AsyncSession, before: WatchAnswer | None, answer: WatchAnswer) -> None:
    """Replace what was answered before."""
    if before is None:
        session.add(answer)
    else:
        before.since, before.outcome, before.again_at = answer.since, answer.outcome, answer.again_at


def _wake(session: AsyncSession, row: JourneyWatch, *, now: datetime) -> None:
    """One wake-up a transaction is enough: it is delivered after the commit."""
    woken: set[int] = session.info.setdefault(_WOKEN, set())
    if row.journey_id not in woken:
        woken.add(row.journey_id)
        _add_wake(session, row, at=now)


def _add_wake(session: AsyncSession, row: JourneyWatch, *, at: datetime) -> None:
    workflow_id = watch_workflow_id(row.store_id, row.journey_id)
    add_intent(session, workflow_id, "wake", Wake().model_dump(mode="json"), now=at)
