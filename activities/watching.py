"""A look of a watch, page by page: ask the rules about what is due, and enroll those who pass.

Every page is one transaction that leaves an answer for everybody whom it asked about, so a look that dies half-way
goes on where it stopped, and nobody is asked about the same silence again before the answer can be another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.acquaintance import get_acquainted
from activities.services import Services
from models.enums import JourneyState, LeftOut
from models.journey import AbandonedCart
from models.orchestration import WatchFound
from models.tables import WatchAnswer
from policies.calendar import local_date, next_opening, start_of_local_day
from policies.eligibility import first_failure
from policies.holdout import in_control
from policies.pacing import start_moment
from policies.schedule import sending_hours, zone_at
from policies.watching import ask_again_at, spacing
from policies.zones import zone_or_none
from storage.entry import Entry, enroll, entered_on
from storage.journeys import journey_of
from storage.launches import CONTROL, ENTERED, Decision, append_decisions
from storage.stores import StoreParts, holdout_salt, store_parts, suppression_key
from storage.watch_facts import Asked, ask_rules
from storage.watch_queue import Scope, Waiting, due_page, lock_watch, outlook, scope_of
from storage.watches import TAKEN_IN, answer_about, put_answer

PAGE = 50
_PAGES = 10
_OVER = frozenset({JourneyState.STOPPED, JourneyState.ARCHIVED})
_TIMES = frozenset({LeftOut.FILTER_SILENCE, LeftOut.FILTER_CART})
_SOON = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided about one silence or cart; `again_at` is when to ask again, if the answer can pass."""

    asked: Asked
    outcome: str
    seen: str = ""
    threshold: str = ""
    again_at: datetime | None = None
    basis: str | None = None


class WatchScene:
    """A watch with what judging needs to know of its store."""

    def __init__(self, scope: Scope, parts: StoreParts, services: Services) -> None:
        self.scope, self.parts = scope, parts
        self.suppression_key = suppression_key(parts.store, services.cipher)
        self._holdout_salt = holdout_salt(parts.store, services.cipher)
        zone = zone_or_none(parts.store.time_zone)
        if zone is None:
            msg = f"the store's time zone {parts.store.time_zone!r} is unknown"
            raise ValueError(msg)
        self.zone = zone

    async def ask(
        self, session: AsyncSession, page: Sequence[Waiting], *, now: datetime, lock: bool = False
    ) -> list[Asked]:
        """Every rule about a page, longest silence first; what is over, or another silence by now, is left out."""
        asked = await ask_rules(
            session,
            self.scope,
            {one.customer_id: one.id for one in page},
            suppression_key=self.suppression_key,
            currency=self.parts.store.currency,
            now=now,
            lock=lock,
        )
        by_customer = {one.who.candidate.customer_id: one for one in asked}
        return [
            by_customer[one.customer_id]
            for one in page
            if one.customer_id in by_customer and by_customer[one.customer_id].since == one.since
        ]

    def left_out(self, asked: Asked, *, now: datetime, at_any_hour: bool = False) -> Outcome | None:
        """The first rule that keeps them out; `at_any_hour` takes no notice of hours that are closed now."""
        results = [one for one in asked.results if not (at_any_hour and one.reason in _TIMES)]
        failed = first_failure(results)
        if failed is None or failed.reason is None:
            return None
        if failed.reason in _TIMES:
            again_at = asked.at  # the customer's clock is another one than the page was read with
        else:
            again_at = ask_again_at(failed.reason, asked.who.candidate, self.scope.definition)
        if again_at is not None and again_at <= now:
            again_at = now + _SOON
        return Outcome(asked, failed.reason.value, failed.seen, failed.threshold, again_at, failed.basis)

    def is_control(self, asked: Asked) -> bool:
        """The holdout's draw, by the shop's own customer id so that it survives a re-import."""
        customer = asked.who.customer
        return in_control(
            salt=self._holdout_salt,
            journey=self.scope.watch.journey.name,
            customer=customer.external_id or f"#{customer.id}",
            control_percent=self.scope.definition.control_percent,
        )

    async def room(self, session: AsyncSession, *, now: datetime) -> int:
        """How many more may enter on the store's day."""
        entered = await entered_on(session, self.scope.journey_id, local_date(now, self.zone), self.zone)
        return max(self.scope.definition.sending.max_per_day - entered, 0)

    def next_day_at(self, now: datetime) -> datetime:
        """When those who wait for room are asked again: the first open moment of the store's next day."""
        start = start_of_local_day(local_date(now, self.zone) + timedelta(days=1), self.zone)
        return next_opening(start, sending_hours(self.scope.definition.sending), self.zone)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look did: how many it asked the rules about, and how many entered, control included."""

    asked: int = 0
    entered: int = 0


class Looking:
    """The looks of watches.

    Args:
        services: database and cipher are used.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def enter_due(self, journey_id: int, *, now: datetime) -> Seen:
        """Ask about what is due, so many pages at most, and enroll those who pass."""
        seen = Seen()
        for _ in range(_PAGES):
            # The look is a read, so that a watch with nothing to do never asks for SQLite's one write lock.
            async with self._services.database.read() as session:
                scene = await self._scene(session, journey_id)
                waiting = await self._due(session, scene, now=now)
            if scene is None or not waiting:
                break
            await get_acquainted(
                self._services,
                scene.parts,
                [one.customer_id for one in waiting],
                needs_consent=isinstance(scene.scope.definition, AbandonedCart),
                now=now,
            )
            async with self._services.database.write() as session:
                # The journey cannot be stopped before the transaction ends, nor another look fill the day.
                await journey_of(session, journey_id, alone=True)
                scene = await self._scene(session, journey_id)
                page = await self._due(session, scene, now=now)
                if scene is None or not page:
                    break
                found = await self._enter_page(session, scene, page, now=now)
                seen = Seen(seen.asked + found.asked, seen.entered + found.entered)
        return seen

    async def settle(self, journey_id: int, seen: Seen, *, now: datetime) -> WatchFound:
        """Write down when to look next, so that whoever changes something later knows whether to wake the watch."""
        async with self._services.database.write() as session:
            row = await lock_watch(session, journey_id)
            journey = await journey_of(session, journey_id)
            scene = await self._scene(session, journey_id)
            if scene is None:
                row.next_at = None
                return WatchFound(entered=seen.entered, more=False, next_at=None, over=journey.state in _OVER)
            room = await scene.room(session, now=now) > 0
            ahead = await outlook(session, scene.scope, now=now, room=room)
            next_at = ahead.next_at
            if ahead.paced and not room:
                day_at = scene.next_day_at(now)
                next_at = day_at if next_at is None else min(next_at, day_at)
            row.next_at, row.answered_until = next_at, ahead.answered_until
            # A look that answered nothing is not repeated at once, whatever is due.
            more = seen.asked > 0 and next_at is not None and next_at <= now
            return WatchFound(entered=seen.entered, more=more, next_at=next_at, spacing=spacing(scene.scope.definition))

    async def _scene(self, session: AsyncSession, journey_id: int) -> WatchScene | None:
        scope = await scope_of(session, journey_id)
        if scope is None:
            return None
        return WatchScene(scope, await store_parts(session, scope.watch.row.store_id), self._services)

    async def _due(self, session: AsyncSession, scene: WatchScene | None, *, now: datetime) -> list[Waiting]:
        if scene is None:
            return []
        room = await scene.room(session, now=now) > 0
        return await due_page(session, scene.scope, now=now, room=room, limit=PAGE)

    async def _enter_page(
        self, session: AsyncSession, scene: WatchScene, page: Sequence[Waiting], *, now: datetime
    ) -> Seen:
        room = await scene.room(session, now=now)
        outcomes = []
        for asked in await scene.ask(session, page, now=now, lock=True):
            outcome = scene.left_out(asked, now=now)
            if outcome is None:
                outcome = await _enter(session, scene, asked, room=room, now=now)
            room -= outcome.outcome == ENTERED
            await _answer(session, scene.scope, outcome)
            outcomes.append(outcome)
        await append_decisions(
            session,
            scene.parts.id,
            scene.scope.journey_id,
            scene.scope.watch.version_id,
            [
                Decision(one.asked.who.candidate.customer_id, one.outcome, one.seen, one.threshold, basis=one.basis)
                for one in outcomes
            ],
            now=now,
        )
        return Seen(len(outcomes), sum(one.outcome in TAKEN_IN for one in outcomes))


async def _enter(session: AsyncSession, scene: WatchScene, asked: Asked, *, room: int, now: datetime) -> Outcome:
    definition, rules = scene.scope.definition, scene.scope.definition.sending
    if room <= 0:
        # Control too: else it would grow on days on which nobody enters to be compared with it.
        return Outcome(asked, LeftOut.PACED.value, "the day is full", f"at most {rules.max_per_day} a day")
    control = scene.is_control(asked)
    zone = zone_at(definition, scene.scope.whereabouts(asked.who.customer), now)
    entered_at = start_moment(
        str(asked.who.candidate.customer_id), local_date(now, zone), rules, sending_hours(rules), zone, now
    )
    entry = Entry(scene.parts.store, scene.scope.watch.journey, scene.scope.watch.version_id, definition, None)
    enrollment = await enroll(session, entry, asked.who, control=control, entered_at=entered_at, now=now)
    if enrollment is None:
        return Outcome(asked, LeftOut.RE_ENTRY.value, "entered for the same silence", "one entry a silence")
    return Outcome(asked, CONTROL if control else ENTERED)


async def _answer(session: AsyncSession, scope: Scope, outcome: Outcome) -> None:
    subject, since = outcome.asked.who.subject, outcome.asked.since
    if since is None:
        return
    conversation_id = subject.conversation.id if subject.conversation is not None else None
    checkout_id = subject.checkout.id if subject.checkout is not None else None
    before = await answer_about(session, scope.journey_id, conversation_id=conversation_id, checkout_id=checkout_id)
    put_answer(
        session,
        before,
        WatchAnswer(
            journey_id=scope.journey_id,
            conversation_id=conversation_id,
            checkout_id=checkout_id,
            since=since,
            outcome=outcome.outcome,
            again_at=outcome.again_at,
        ),
    )
