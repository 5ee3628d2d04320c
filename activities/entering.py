"""The second half of a launch: whoever was selected enters, is held out, or is given a later day and enters then.

Only the worker does this. Every page is one transaction in which the rules are asked again under the customers' locks;
both arms of the holdout go through all of it alike, or they could not be compared.
"""

from collections.abc import Sequence
from datetime import date, datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.errors import to_application_error
from activities.launch_scene import LaunchScene, launch_scene
from activities.missed_days import put_off_missed
from activities.people import person_of
from activities.selection import Selection
from activities.services import Services
from activities.shop_pages import read_people
from models.enums import JourneyState, LaunchState, LeftOut
from models.tables import Paced
from policies.calendar import local_date
from policies.pacing import start_moment
from policies.schedule import Whereabouts, sending_hours, zone_at
from providers.errors import ProviderError
from storage import launches
from storage.considered import Considered, considered
from storage.customers import lock_customers, upsert_people
from storage.entry import Slots, enroll_into, read_slots
from storage.journeys import journey_of
from storage.launches import CONTROL, CONTROL_DUE, ENTERED, PACED, Decision
from storage.paced import Wait, next_paced_day, pace, paced_until, unpace
from storage.wakes import wake_upkeep

_AT_ONCE = 250


class Entering:
    """The steps of a launch that enroll.

    Args:
        services: database, shop and cipher are used.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    async def enroll_page(self, launch_id: int, *, now: datetime) -> int:
        """Enroll, pace or hold out the next page of those who passed, asking the rules again under their locks.

        Returns:
            How many are left.
        """
        await self._rank_if_late(launch_id, now=now)
        async with self._services.database.write() as session:
            scene = await launch_scene(self._services, session, launch_id, lock=True)
            if not scene.enrolls:
                return 0
            page = {one.customer_id: one for one in await launches.placed(session, launch_id, limit=_AT_ONCE)}
            today = local_date(now, scene.zone)
            decisions: list[Decision] = []
            waits: dict[int, Wait] = {}
            people = await self._locked(session, scene, list(page), now=now)
            slots = await read_slots(session, scene.entry, people)
            for who in people:
                place = page[who.candidate.customer_id]
                if place.day is not None and place.day > today:
                    decision = scene.failure(who, now) or scene.paced(place.customer_id, place.day)
                    if decision.outcome == PACED:
                        waits[place.customer_id] = Wait(place.day, control=place.outcome == CONTROL_DUE)
                else:
                    decision = await self._enter(session, scene, slots, who, day=today, now=now)
                decisions.append(decision)
            await pace(session, scene.launch, waits)
            entered = [one.customer_id for one in decisions if one.outcome in (ENTERED, CONTROL)]
            await unpace(session, scene.launch.journey_id, entered)
            await launches.record_decisions(session, scene.launch, decisions, now=now)
            return await launches.count_pending(session, launch_id)

    async def _rank_if_late(self, launch_id: int, *, now: datetime) -> None:
        """Give days again where one has passed since, while no worker ran: two days' entrants are too many for one."""
        async with self._services.database.read() as session:
            scene = await launch_scene(self._services, session, launch_id)
            page = await launches.placed(session, launch_id, limit=_AT_ONCE)
        today = local_date(now, scene.zone)
        if scene.enrolls and any(one.day is not None and one.day < today for one in page):
            await Selection(self._services).rank(launch_id, now=now)

    async def finish(self, launch_id: int, *, now: datetime) -> None:
        """Write down that everybody considered has an outcome, or that the launch waits for the end of a pause."""
        async with self._services.database.write() as session:
            scene = await launch_scene(self._services, session, launch_id, lock=True)
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
            scene = await self._scene_of(session, waiting[0])
        if waiting[0].day < local_date(now, scene.zone):
            async with self._services.database.write() as session:
                await put_off_missed(session, scene, now=now)
            async with self._services.database.read() as session:
                waiting = await self._due(session, journey_id, now=now)
        async with self._services.database.read() as session:
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
            fresh = await read_people(self._services.shopify, self._services.shop_access(scene.parts.shop), external)
        except ProviderError as error:
            raise to_application_error(error) from None
        async with self._services.database.write() as session:
            await journey_of(session, journey_id, lock=True)
            # All at once: launch by launch they would be locked in another order than everybody else locks them in.
            await lock_customers(session, [one.customer_id for one in waiting])
            region = scene.parts.store.default_region
            await upsert_people(session, scene.parts.id, [person_of(person, region) for person in fresh], now=now)
            by_launch: dict[int, list[Paced]] = {}
            for one in await self._due(session, journey_id, now=now):
                by_launch.setdefault(one.launch_id, []).append(one)
            for rows in by_launch.values():
                await self._enter_all(session, rows, now=now)
            if (await journey_of(session, journey_id)).state is not JourneyState.ACTIVE:
                return 0
            return len(await self._due(session, journey_id, now=now))

    async def next_day(self, journey_id: int, *, now: datetime) -> datetime | None:
        """When the earliest paced customers enter: the first open moment of their day; None if nobody waits.

        During a pause nobody is waited for: whoever resumes the journey starts its AudienceWorkflow again.
        """
        async with self._services.database.read() as session:
            day = await next_paced_day(session, journey_id)
            if day is None or (await journey_of(session, journey_id)).state is not JourneyState.ACTIVE:
                return None
            waiting = await paced_until(session, journey_id, day, limit=1)
            scene = await self._scene_of(session, waiting[0])
        rules = scene.definition.sending.model_copy(update={"spread": "none"})
        opening = start_moment("", day, rules, sending_hours(rules), scene.zone, now)
        return max(opening, now)

    async def _scene_of(self, session: AsyncSession, row: Paced, *, lock: bool = False) -> LaunchScene:
        """The launch that gave somebody a later day, with the version that they enter with."""
        return await launch_scene(self._services, session, row.launch_id, lock=lock, version_id=row.version_id)

    async def _enter_all(self, session: AsyncSession, rows: Sequence[Paced], *, now: datetime) -> None:
        """Let in those whom one launch gave this day."""
        scene = await self._scene_of(session, rows[0], lock=True)
        if scene.journey.state is not JourneyState.ACTIVE:
            return
        today = local_date(now, scene.zone)
        customer_ids = [one.customer_id for one in rows]
        people = await self._locked(session, scene, customer_ids, now=now)
        slots = await read_slots(session, scene.entry, people)
        decisions = [await self._enter(session, scene, slots, who, day=today, now=now) for who in people]
        await launches.record_decisions(session, scene.launch, decisions, now=now, version_id=scene.version_id)
        await unpace(session, scene.launch.journey_id, customer_ids)

    async def _enter(
        self, session: AsyncSession, scene: LaunchScene, slots: Slots, who: Considered, *, day: date, now: datetime
    ) -> Decision:
        """Both arms enter alike, by the same rules asked at the same moment; the draw alone tells them apart."""
        failed = scene.failure(who, now)
        if failed is not None:
            return failed
        control = scene.is_control(who)
        rules = scene.definition.sending
        where = Whereabouts(who.customer.time_zone, who.customer.phone, scene.parts.store.time_zone)
        zone = zone_at(scene.definition, where, now)
        entered_at = start_moment(str(who.candidate.customer_id), day, rules, sending_hours(rules), zone, now)
        enrollment = await enroll_into(
            session, scene.entry, slots, who, control=control, entered_at=entered_at, now=now
        )
        if enrollment is None:
            return Decision(who.candidate.customer_id, LeftOut.RE_ENTRY.value, "the same entry", "a new order")
        return Decision(who.candidate.customer_id, CONTROL if control else ENTERED)

    async def _locked(
        self, session: AsyncSession, scene: LaunchScene, customer_ids: Sequence[int], *, now: datetime
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
        first = await next_paced_day(session, journey_id)
        if first is None:
            return []
        waiting = await paced_until(session, journey_id, first, limit=_AT_ONCE)
        scene = await self._scene_of(session, waiting[0])
        return [one for one in waiting if one.day <= local_date(now, scene.zone)]
