"""What is due for a watch: silences and carts that nobody has answered yet, and answers that can have changed.

Everything is read in the order in which it went quiet, so that the longest silence comes first. What has been answered
stays out of sight until its answer may be another one; `JourneyWatch.answered_until` keeps a look from reading years of
old conversations again.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, tuple_
from sqlalchemy.orm import aliased
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyState, LeftOut
from models.journey import AbandonedCart, FollowUp
from models.tables import Checkout, Conversation, Customer, Journey, JourneyWatch, Store, WatchAnswer
from policies.schedule import Whereabouts
from policies.watching import earliest_due, entry_moment, latest_start, long_enough_at
from storage.journeys import journey_of
from storage.watches import OWNS_A_COLUMN, TAKEN_IN, Watch, columns_taken, watches_of

_READ_AT_ONCE = 500
_TINY = timedelta(microseconds=1)
_NOT_STORED = 0
_FAR = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A silence or a cart that may lead to an entry.

    Attributes:
        id: of the conversation, or of the checkout.
        due: when it has lasted for the journey's delay.
        at: when it may enter, in the journey's hours and not before the moment of the look.
    """

    id: int
    customer_id: int
    since: datetime
    due: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Scope:
    """A watch with what decides which conversations are its own."""

    watch: Watch
    taken: frozenset[str]
    store_zone: str

    @property
    def journey_id(self) -> int:
        """The watch's journey."""
        return self.watch.row.journey_id

    @property
    def definition(self) -> FollowUp | AbandonedCart:
        """What its newest version says."""
        return self.watch.definition

    def whereabouts(self, customer: Customer) -> Whereabouts:
        """What tells a customer's zone."""
        return Whereabouts(customer.time_zone, customer.phone, self.store_zone)


async def scope_of(session: AsyncSession, journey_id: int) -> Scope | None:
    """The watch of an active journey; None when the journey takes nobody in now."""
    journey = await journey_of(session, journey_id)
    if journey.state is not JourneyState.ACTIVE:
        return None
    watches = await watches_of(session, journey.store_id, OWNS_A_COLUMN)
    watch = next((one for one in watches if one.row.journey_id == journey_id), None)
    return await _scope(session, watch, watches) if watch is not None else None


async def scope_if_launched(
    session: AsyncSession,
    journey: Journey,
    definition: FollowUp | AbandonedCart,
    *,
    since: datetime | None = None,
    anew: bool = False,
) -> Scope:
    """What the journey's watch sees, or would see: the journey may be a draft, or stopped, or not stored yet.

    Args:
        session: any transaction.
        journey: one that is not stored yet has no id.
        definition: what it says, or would say.
        since: with `anew` and `--only-new`.
        anew: as after a launch, which reads everything again.
    """
    journey_id = journey.id or _NOT_STORED
    known = None if anew else await session.get(JourneyWatch, journey_id)
    row = known or JourneyWatch(journey_id=journey_id, store_id=journey.store_id, since=since)
    watch = Watch(row, journey, _NOT_STORED, definition)
    return await _scope(session, watch, await watches_of(session, journey.store_id, OWNS_A_COLUMN))


async def _scope(session: AsyncSession, watch: Watch, watches: Sequence[Watch]) -> Scope:
    others = [one for one in watches if one.row.journey_id != watch.row.journey_id]
    store = await session.get_one(Store, watch.row.store_id)
    return Scope(watch, columns_taken(others), store.time_zone)


async def due_page(session: AsyncSession, scope: Scope, *, now: datetime, room: bool, limit: int) -> list[Waiting]:
    """The longest-waiting that may enter now, each customer once.

    Args:
        session: any transaction.
        scope: the watch.
        now: the moment of the look.
        room: whether more may enter today; without it those who wait for room are left alone.
        limit: how many at most.
    """
    found: dict[tuple[datetime, int], Waiting] = {}
    customers = set()
    async for one in _unanswered(session, scope, not_before=now):
        if one.since > latest_start(scope.definition.entry_delay, now):
            break
        if one.at <= now and one.customer_id not in customers:
            customers.add(one.customer_id)
            found[one.since, one.id] = one
            if len(found) == limit:
                break
    again = 0
    async for one in _asked_again(session, scope, now=now, room=room):
        if one.at <= now:
            found[one.since, one.id] = one
            again += 1
            if again == limit:
                break
    page, customers = [], set()
    for _, one in sorted(found.items()):
        if one.customer_id not in customers:
            customers.add(one.customer_id)
            page.append(one)
    return page[:limit]


async def launchable(session: AsyncSession, scope: Scope, *, now: datetime) -> list[Waiting]:
    """What a launch would ask about: all that is quiet for long enough, longest first, also where the hours are closed.

    Those who are in the journey for this silence, or were, are no news to a launch; all others it asks again.
    """
    query = _subjects(scope).outerjoin(WatchAnswer, and_(_answers(scope), col(WatchAnswer.outcome).in_(TAKEN_IN)))
    found = []
    async for one in _read(session, scope, query.where(col(WatchAnswer.id).is_(None)), not_before=now):
        if one.since > latest_start(scope.definition.entry_delay, now):
            break
        if one.due <= now:
            found.append(one)
    return found


async def count_quiet(session: AsyncSession, scope: Scope) -> int:
    """How many silences or carts there are in the watch's sight, whatever was answered about them."""
    query = select(func.count()).select_from(_table(scope)).where(*is_in_scope(scope))
    return int((await session.exec(query)).one())


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a watch has before it.

    Attributes:
        next_at: when the next is due; None while nothing is on its way. Not later than now: there is more already.
        paced: whether anybody waits for room.
        answered_until: up to where everything has been answered.
    """

    next_at: datetime | None
    paced: bool
    answered_until: datetime | None


async def outlook(session: AsyncSession, scope: Scope, *, now: datetime, room: bool) -> Outlook:
    """What comes next, seen with the watch's row locked (`lock_watch`), so that nothing comes in between."""
    delay = scope.definition.entry_delay
    first: datetime | None = None
    best = _FAR
    async for one in _unanswered(session, scope, not_before=now):
        if first is None:
            first = one.since
        if best <= now or earliest_due(delay, one.since) >= best:
            break
        best = min(best, one.at)
    async for one in _asked_again(session, scope, now=now, room=room):
        best = min(best, one.at)
        if best <= now:
            break
    again = select(func.min(WatchAnswer.again_at)).where(col(WatchAnswer.again_at) > now)
    again_at = (await session.exec(_still_so(again, scope))).one()
    paced = select(func.count()).where(WatchAnswer.outcome == LeftOut.PACED.value)
    waits = (await session.exec(_still_so(paced, scope))).one() > 0
    best = min(best, again_at or _FAR)
    return Outlook(
        next_at=best if best < _FAR else None,
        paced=waits,
        answered_until=first - _TINY if first is not None else latest_start(delay, now),
    )


async def lock_watch(session: AsyncSession, journey_id: int) -> JourneyWatch:
    """The watch's row, to write what it knows; the transaction must hold no customer (`storage.watches`)."""
    return (
        await session.exec(
            select(JourneyWatch)
            .where(JourneyWatch.journey_id == journey_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
    ).one()


def is_in_scope(scope: Scope) -> list[ColumnElement[bool]]:
    """The conditions under which a conversation or checkout is the watch's own."""
    definition, row = scope.definition, scope.watch.row
    if isinstance(definition, FollowUp):
        conditions = [col(Conversation.store_id) == row.store_id, col(Conversation.silent_since).is_not(None)]
        column = definition.conversations.column
        if column is not None:
            conditions.append(col(Conversation.board_column) == column)
        elif scope.taken:
            conditions.append(
                or_(
                    col(Conversation.board_column).is_(None),
                    col(Conversation.board_column).not_in(sorted(scope.taken)),
                )
            )
        if not definition.conversations.include_closed:
            conditions.append(col(Conversation.is_open).is_(True))
    else:
        conditions = [
            col(Checkout.store_id) == row.store_id,
            col(Checkout.idle_since).is_not(None),
            # Whose a checkout is may be told later, or never.
            col(Checkout.customer_id).is_not(None),
            # Whoever filled another cart since is asked about that one.
            ~_has_newer_cart(),
        ]
    if row.since is not None:
        conditions.append(_quiet_since(scope) >= row.since)
    return conditions


def _has_newer_cart() -> ColumnElement[bool]:
    newer = aliased(Checkout)
    return (
        select(newer.id)
        .where(
            newer.customer_id == Checkout.customer_id,
            tuple_(col(newer.idle_since), col(newer.id)) > tuple_(col(Checkout.idle_since), col(Checkout.id)),
        )
        .correlate(Checkout)
        .exists()
    )


def _quiet_since(scope: Scope) -> Any:
    return col(Conversation.silent_since) if isinstance(scope.definition, FollowUp) else col(Checkout.idle_since)


def _table(scope: Scope) -> type[Conversation] | type[Checkout]:
    return Conversation if isinstance(scope.definition, FollowUp) else Checkout


def _answers(scope: Scope) -> ColumnElement[bool]:
    """Joins a subject to its answer, if that is about the same silence."""
    subject = WatchAnswer.conversation_id if isinstance(scope.definition, FollowUp) else WatchAnswer.checkout_id
    return and_(
        col(WatchAnswer.journey_id) == scope.journey_id,
        col(subject) == _table(scope).id,
        col(WatchAnswer.since) == _quiet_since(scope),
    )


def _still_so(query: Select[Any], scope: Scope) -> Any:
    """Narrows a query of answers to those whose silence or cart goes on."""
    return query.select_from(WatchAnswer).join(_table(scope), _answers(scope)).where(*is_in_scope(scope))


def _unanswered(session: AsyncSession, scope: Scope, *, not_before: datetime) -> AsyncIterator[Waiting]:
    """What has no answer, beyond what is known to have one, by the beginning of the silence."""
    query = _subjects(scope).outerjoin(WatchAnswer, _answers(scope)).where(col(WatchAnswer.id).is_(None))
    if scope.watch.row.answered_until is not None:
        query = query.where(_quiet_since(scope) > scope.watch.row.answered_until)
    return _read(session, scope, query, not_before=not_before)


def _asked_again(session: AsyncSession, scope: Scope, *, now: datetime, room: bool) -> AsyncIterator[Waiting]:
    """Those whose answer may be another one by now, and if there is room those who wait for it."""
    again: ColumnElement[bool] = col(WatchAnswer.again_at) <= now
    if room:
        again = or_(again, col(WatchAnswer.outcome) == LeftOut.PACED.value)
    return _read(session, scope, _subjects(scope).join(WatchAnswer, _answers(scope)).where(again), not_before=now)


def _subjects(scope: Scope) -> Any:
    table, since = _table(scope), _quiet_since(scope)
    return (
        select(table.id, table.customer_id, since, Customer.time_zone, Customer.phone)  # type: ignore[call-overload]
        .join(Customer, col(Customer.id) == table.customer_id)
        .where(*is_in_scope(scope))
    )


async def _read(session: AsyncSession, scope: Scope, query: Any, *, not_before: datetime) -> AsyncIterator[Waiting]:
    key = (_quiet_since(scope), _table(scope).id)
    query = query.order_by(*key).limit(_READ_AT_ONCE)
    page = (await session.exec(query)).all()
    while page:
        for subject_id, customer_id, since, time_zone, phone in page:
            where = Whereabouts(time_zone, phone, scope.store_zone)
            at = entry_moment(scope.definition, since, where, not_before=not_before)
            due = long_enough_at(scope.definition, since, where)
            yield Waiting(subject_id, customer_id, since, due, at)
        if len(page) < _READ_AT_ONCE:
            return
        page = (await session.exec(query.where(tuple_(*key) > (page[-1][2], page[-1][0])))).all()
