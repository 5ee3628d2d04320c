"""The steps of a launch, one page each: read the shop, judge, give days, enroll.

`AudienceActivities` runs them under Temporal; `starter.py launch` runs the first three itself to show what it is
about to do, and the workflow then goes on from the same rows. What is decided is in the database, so every step can
be repeated and a crash costs one page.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.errors import to_application_error
from activities.people import person_of
from activities.services import Services
from models.enums import JourneyState, LaunchState, LeftOut
from models.journey import JourneyDefinition, WinBack
from models.tables import Journey, Launch, Paced
from policies.calendar import local_date, start_of_local_day
from policies.eligibility import evaluate, first_failure
from policies.holdout import in_control
from policies.pacing import assign_days, start_moment
from policies.schedule import Whereabouts, sending_hours, zone_at
from policies.zones import zone_or_none
from providers.errors import ProviderError
from storage import launches
from storage.customers import upsert_people
from storage.entry import Considered, Entry, considered, count_entered, enroll
from storage.journeys import journey_of, version_definition
from storage.launches import CONTROL, CONTROL_DUE, ELIGIBLE, ENTERED, PACED, Decision
from storage.lookup import ever_entered
from storage.stores import StoreParts, holdout_salt, required_id, store_parts, suppression_key
from storage.wakes import wake_upkeep

_JUDGED_AT_ONCE = 500
_ENROLLED_AT_ONCE = 100
_ONLY_NEW = "only customers who were never in this journey (--only-new)"


class _Scene:
    """One launch with what every step needs to know about it."""

    def __init__(
        self, launch: Launch, journey: Journey, definition: JourneyDefinition, parts: StoreParts, services: Services
    ) -> None:
        self.launch, self.journey, self.definition, self.parts = launch, journey, definition, parts
        self.launch_id = required_id(launch.id)
        self.suppression_key = suppression_key(parts.store, services.cipher)
        self.holdout_salt = holdout_salt(parts.store, services.cipher)
        zone = zone_or_none(parts.store.time_zone)
        if zone is None:
            msg = f"the store's time zone {parts.store.time_zone!r} is unknown"
            raise ValueError(msg)
        self.zone = zone

    @property
    def wanted(self) -> bool:
        """Whether the launch goes on: nobody has declined it or stopped its journey, and it need not wait."""
        return self.launch.state not in (LaunchState.FAILED, LaunchState.WAITING)

    @property
    def win_back(self) -> WinBack:
        """The definition; customers of the other kinds enter one by one and are never selected."""
        if not isinstance(self.definition, WinBack):
            msg = f"a journey of kind {self.definition.kind} has no audience to select"
            raise AssertionError(msg)  # noqa: TRY004 - a fault of the program, as nothing selects for these
        return self.definition

    @property
    def enrolls(self) -> bool:
        """Whether somebody may be enrolled."""
        return self.launch.state is LaunchState.STARTING and self.journey.state is JourneyState.ACTIVE

    def failure(self, who: Considered, now: datetime) -> Decision | None:
        """The first rule that keeps the customer out, as a decision."""
        failed = first_failure(
            evaluate(
                who.candidate,
                self.win_back,
                now=now,
                zone=self.zone,
                entry_key=who.entry_key,
                currency=self.parts.store.currency,
            )
        )
        if failed is None or failed.reason is None:
            return None
        return Decision(who.candidate.customer_id, failed.reason.value, failed.seen, failed.threshold)

    def is_control(self, who: Considered) -> bool:
        """The holdout's draw, by the shop's own customer id so that it survives a re-import."""
        return in_control(
            salt=self.holdout_salt,
            journey=self.journey.name,
            customer=who.customer.external_id or f"#{who.customer.id}",
            control_percent=self.definition.control_percent,
        )


class Selection:
    """The steps of a launch.

    Args:
        services: database, shop and cipher are used.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def phase(self, launch_id: int) -> LaunchState:
        """How far the launch has come. One that waited for its journey begins now, with the shop as it is now."""
        async with self._services.database.write() as session:
            launch = await launches.get_launch(session, launch_id)
            journey = await journey_of(session, launch.journey_id, lock=True)
            if launch.state is LaunchState.WAITING and journey.state is JourneyState.ACTIVE:
                launch.state, launch.considered = LaunchState.SELECTING, 0
            return launch.state

    async def select_page(self, launch_id: int, cursor: str | None, *, now: datetime) -> tuple[int, str | None]:
        """Consider one page of the shop's lapsed customers.

        Returns:
            How many are considered so far by this page, and the cursor of the next page.

        Raises:
            ApplicationError: the shop could not be read.
        """
        async with self._services.database.read() as session:
            scene = await self._scene(session, launch_id)
        if not scene.wanted:
            return 0, None
        audience = scene.win_back.audience
        access = self._services.shop_access(scene.parts.shop)
        try:
            page = await self._services.shopify.lapsed_customers(
                access,
                inactive_days=audience.inactive_days,
                inactive_days_max=audience.inactive_days_max,
                time_zone=scene.parts.store.time_zone,
                after=cursor,
            )
            people = await self._services.shopify.customers(access, [member.customer_id for member in page.items])
        except ProviderError as error:
            raise to_application_error(error) from None
        region = scene.parts.store.default_region
        async with self._services.database.write() as session:
            customers = await upsert_people(
                session, scene.parts.id, [person_of(person, region) for person in people], now=now
            )
            await launches.add_candidates(session, launch_id, [required_id(one.id) for one in customers])
            launch = await launches.get_launch(session, launch_id)
            launch.considered += len(customers)
            if page.next_cursor is None and launch.state is LaunchState.SELECTING:
                launch.state = LaunchState.DECIDING
        return len(people), page.next_cursor

    async def judge_page(self, launch_id: int, *, now: datetime) -> int:
        """Ask the rules, then the holdout, about the next page of the considered.

        Returns:
            How many are left.
        """
        async with self._services.database.write() as session:
            scene = await self._scene(session, launch_id)
            if not scene.wanted:
                return 0
            ids = await launches.undecided(session, launch_id, limit=_JUDGED_AT_ONCE)
            decisions = [
                scene.failure(who, now)
                or Decision(who.candidate.customer_id, CONTROL_DUE if scene.is_control(who) else ELIGIBLE)
                for who in await considered(
                    session, scene.launch.journey_id, ids, suppression_key=scene.suppression_key, now=now
                )
            ]
            await launches.record_decisions(session, scene.launch, decisions, now=now)
            return await launches.count_undecided(session, launch_id)

    async def rank(self, launch_id: int, *, now: datetime) -> None:
        """Cut at the launch's limit and give everybody left a day: the longest silence first, so many a day."""
        async with self._services.database.write() as session:
            scene = await self._scene(session, launch_id)
            if not scene.wanted:
                return
            if scene.launch.only_new:
                await self._leave_out_earlier(session, scene, now=now)
            passed = await launches.qualified(session, launch_id)
            limit = scene.launch.entrant_limit
            kept, beyond = passed, passed[:0]
            if limit is not None:
                # Who entered before a pause cut the launch off counts.
                counts = await launches.outcomes(session, launch_id)
                left = max(limit - counts.get(ENTERED, 0) - counts.get(PACED, 0), 0)
                kept, beyond = passed[:left], passed[left:]
            await launches.record_decisions(
                session,
                scene.launch,
                [Decision(one.customer_id, LeftOut.LIMIT.value, "", f"the first {limit}") for one in beyond],
                now=now,
            )
            today = local_date(now, scene.zone)
            queue = sorted(kept, key=lambda one: (one.last_order_at is None, one.last_order_at or now, one.customer_id))
            taken = await launches.paced_by_day(session, scene.launch.journey_id)
            taken[today] = taken.get(today, 0) + await self._entered_on(session, scene, today)
            days = assign_days(
                queue, already_by_day=taken, first_day=today, max_per_day=scene.definition.sending.max_per_day
            )
            given = {one.customer_id: day for one, day in zip(queue, days, strict=True)}
            await launches.give_days(session, launch_id, given)

    async def _leave_out_earlier(self, session: AsyncSession, scene: _Scene, *, now: datetime) -> None:
        """`--only-new`: whoever was ever in the journey does not enter again."""
        due = [
            one
            for outcome in (ELIGIBLE, CONTROL_DUE)
            for one in await launches.decided_as(session, scene.launch_id, outcome)
        ]
        earlier = await ever_entered(session, scene.launch.journey_id, due)
        decisions = [
            Decision(one, LeftOut.RE_ENTRY.value, "was in this journey before", _ONLY_NEW) for one in sorted(earlier)
        ]
        await launches.record_decisions(session, scene.launch, decisions, now=now)

    async def begin(self, launch_id: int) -> bool:
        """Let the launch enroll from now on, unless it was declined or stopped.

        Returns:
            Whether it may.
        """
        async with self._services.database.write() as session:
            launch = await launches.get_launch(session, launch_id)
            await journey_of(session, launch.journey_id, lock=True)
            launch = await launches.get_launch(session, launch_id)  # a stop that came before is to be seen
            if launch.state in (LaunchState.FAILED, LaunchState.WAITING):
                return False
            launch.state = LaunchState.STARTING
            return True

    async def enroll_page(self, launch_id: int, *, now: datetime) -> int:
        """Enroll, pace or hold out the next page of those who passed, asking the rules again under their locks.

        Returns:
            How many are left.
        """
        async with self._services.database.write() as session:
            scene = await self._scene(session, launch_id, lock=True)
            if not scene.enrolls:
                return 0
            page = {one.customer_id: one for one in await launches.placed(session, launch_id, limit=_ENROLLED_AT_ONCE)}
            today = local_date(now, scene.zone)
            decisions = []
            for who in await self._locked(session, scene, list(page), now=now):
                place = page[who.candidate.customer_id]
                if place.day is not None and place.day > today:
                    decision = scene.failure(who, now) or Decision(place.customer_id, PACED, day=place.day)
                    if decision.outcome == PACED:
                        await launches.pace(session, scene.launch, place.customer_id, place.day)
                else:
                    control = place.outcome == CONTROL_DUE
                    decision = await self._enter(session, scene, who, control=control, day=today, now=now)
                decisions.append(decision)
            await launches.record_decisions(session, scene.launch, decisions, now=now)
            return await launches.count_pending(session, launch_id)

    async def finish(self, launch_id: int, *, now: datetime) -> None:
        """Write down that everybody considered has an outcome, or that the launch waits for the end of a pause."""
        async with self._services.database.write() as session:
            scene = await self._scene(session, launch_id, lock=True)
            if not scene.wanted:
                return
            if await launches.count_pending(session, launch_id):
                # Paused while it enrolled. Resumed by now, nobody else would go on with it.
                scene.launch.state = LaunchState.WAITING
                if scene.journey.state is JourneyState.ACTIVE:
                    wake_upkeep(session, scene.parts.id, now=now)
                return
            scene.launch.state = LaunchState.DONE
            scene.launch.finished_at = now

    async def enter_paced(self, journey_id: int, *, now: datetime) -> int:
        """Enroll the next page of those whose day has come, after asking the shop and the rules again.

        Returns:
            How many of today's are left at least (0 or 1 page more).
        """
        async with self._services.database.read() as session:
            waiting = await self._due(session, journey_id, now=now)
            if not waiting or (await journey_of(session, journey_id)).state is not JourneyState.ACTIVE:
                return 0
            scene = await self._scene(session, waiting[0].launch_id)
            people = await considered(
                session,
                journey_id,
                [one.customer_id for one in waiting],
                suppression_key=scene.suppression_key,
                now=now,
            )
        ids = [who.customer.external_id or "" for who in people]
        external = [int(one) for one in ids if one.isdigit()]
        try:
            fresh = await self._services.shopify.customers(self._services.shop_access(scene.parts.shop), external)
        except ProviderError as error:
            raise to_application_error(error) from None
        async with self._services.database.write() as session:
            region = scene.parts.store.default_region
            await upsert_people(session, scene.parts.id, [person_of(person, region) for person in fresh], now=now)
            by_launch: dict[int, list[int]] = {}
            for one in await self._due(session, journey_id, now=now):
                by_launch.setdefault(one.launch_id, []).append(one.customer_id)
            for launch_id, customer_ids in by_launch.items():
                await self._enter_all(session, launch_id, customer_ids, now=now)
            if (await journey_of(session, journey_id)).state is not JourneyState.ACTIVE:
                return 0
            return len(await self._due(session, journey_id, now=now))

    async def next_day(self, journey_id: int, *, now: datetime) -> datetime | None:
        """When the earliest paced customers enter: the first open moment of their day; None if nobody waits.

        During a pause nobody is waited for: whoever resumes the journey starts its AudienceWorkflow again.
        """
        async with self._services.database.read() as session:
            day = await launches.next_paced_day(session, journey_id)
            if day is None or (await journey_of(session, journey_id)).state is not JourneyState.ACTIVE:
                return None
            waiting = await launches.paced_until(session, journey_id, day, limit=1)
            scene = await self._scene(session, waiting[0].launch_id)
        rules = scene.definition.sending.model_copy(update={"spread": "none"})
        opening = start_moment("", day, rules, sending_hours(rules), scene.zone, now)
        return max(opening, now)

    async def _enter_all(
        self, session: AsyncSession, launch_id: int, customer_ids: Sequence[int], *, now: datetime
    ) -> None:
        scene = await self._scene(session, launch_id, lock=True)
        if scene.journey.state is not JourneyState.ACTIVE:
            return
        today = local_date(now, scene.zone)
        decisions = [
            await self._enter(session, scene, who, control=False, day=today, now=now)
            for who in await self._locked(session, scene, customer_ids, now=now)
        ]
        await launches.record_decisions(session, scene.launch, decisions, now=now)
        await launches.unpace(session, scene.launch.journey_id, customer_ids)

    async def _enter(
        self, session: AsyncSession, scene: _Scene, who: Considered, *, control: bool, day: date, now: datetime
    ) -> Decision:
        failed = scene.failure(who, now)
        if failed is not None:
            return failed
        rules = scene.definition.sending
        where = Whereabouts(who.customer.time_zone, who.customer.phone, scene.parts.store.time_zone)
        zone = zone_at(scene.definition, where, now)
        entered_at = start_moment(str(who.candidate.customer_id), day, rules, sending_hours(rules), zone, now)
        entry = Entry(scene.parts.store, scene.journey, scene.launch.version_id, scene.definition, scene.launch_id)
        enrollment = await enroll(session, entry, who, control=control, entered_at=entered_at, now=now)
        if enrollment is None:
            return Decision(who.candidate.customer_id, LeftOut.RE_ENTRY.value, "the same entry", "a new order")
        return Decision(who.candidate.customer_id, CONTROL if control else ENTERED)

    async def _locked(
        self, session: AsyncSession, scene: _Scene, customer_ids: Sequence[int], *, now: datetime
    ) -> list[Considered]:
        return await considered(
            session,
            scene.launch.journey_id,
            customer_ids,
            suppression_key=scene.suppression_key,
            now=now,
            lock=True,
        )

    async def _due(self, session: AsyncSession, journey_id: int, *, now: datetime) -> list[Paced]:
        first = await launches.next_paced_day(session, journey_id)
        if first is None:
            return []
        waiting = await launches.paced_until(session, journey_id, first, limit=_ENROLLED_AT_ONCE)
        scene = await self._scene(session, waiting[0].launch_id)
        return [one for one in waiting if one.day <= local_date(now, scene.zone)]

    async def _entered_on(self, session: AsyncSession, scene: _Scene, day: date) -> int:
        start = start_of_local_day(day, scene.zone)
        end = start_of_local_day(day + timedelta(days=1), scene.zone)
        return await count_entered(session, scene.launch.journey_id, start, end)

    async def _scene(self, session: AsyncSession, launch_id: int, *, lock: bool = False) -> _Scene:
        """The launch's scene; with `lock` its journey cannot be stopped before the transaction ends."""
        launch = await launches.get_launch(session, launch_id)
        journey = await journey_of(session, launch.journey_id, lock=lock)
        if lock:
            launch = await launches.get_launch(session, launch_id)
        definition = await version_definition(session, launch.version_id)
        return _Scene(launch, journey, definition, await store_parts(session, launch.store_id), self._services)
