"""The first half of a launch, one page each: read the shop, ask the rules, cut at the limit, give days.

`AudienceActivities` runs these steps under Temporal; `starter.py launch` runs them itself to show what it is about to
do, and the workflow then goes on from the same rows. What is decided is in the database, so every step can be repeated
and a crash costs one page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from activities.errors import to_application_error
from activities.launch_scene import LaunchScene, launch_scene
from activities.missed_days import put_off_missed
from activities.people import person_of
from activities.services import Services
from activities.shop_pages import read_lapsed
from models.enums import JourneyState, LaunchState, LeftOut
from policies.calendar import local_date
from policies.pacing import assign_days
from policies.schedule import sending_hours
from providers.errors import ProviderError
from storage import launches
from storage.considered import considered
from storage.customers import upsert_people
from storage.entry import entered_on
from storage.journeys import journey_of
from storage.launches import CONTROL_DUE, ELIGIBLE, Decision
from storage.lookup import ever_entered
from storage.paced import paced_by_day
from storage.ranking import beyond, cut_at, give_places, places
from storage.stores import required_id

_JUDGED_AT_ONCE = 500
_RANKED_AT_ONCE = 2000
_ONLY_NEW = "only customers who were never in this journey (--only-new)"


@dataclass(frozen=True, slots=True)
class SelectedCustomers:
    """One page of the shop's lapsed customers.

    Attributes:
        considered: how many it had.
        cursor: of the next page; None at the end.
        total: how many the shop has in all, as it says.
    """

    considered: int
    cursor: str | None
    total: int


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
            launch = await launches.get_launch(session, launch_id)  # a later launch may have taken its place
            if launch.state is LaunchState.WAITING and journey.state is JourneyState.ACTIVE:
                launch.state, launch.considered = LaunchState.SELECTING, 0
            return launch.state

    async def select_page(self, launch_id: int, cursor: str | None, *, now: datetime) -> SelectedCustomers:
        """Consider one page of the shop's lapsed customers.

        Raises:
            ApplicationError: the shop could not be read.
        """
        async with self._services.database.read() as session:
            scene = await launch_scene(self._services, session, launch_id)
        if not scene.wanted:
            return SelectedCustomers(0, None, 0)
        audience, parts = scene.win_back.audience, scene.parts
        try:
            page = await read_lapsed(
                self._services.shopify,
                self._services.shop_access(parts.shop),
                inactive_days=audience.inactive_days,
                inactive_days_max=audience.inactive_days_max,
                time_zone=parts.store.time_zone,
                after=cursor,
            )
        except ProviderError as error:
            raise to_application_error(error) from None
        people = [person_of(person, parts.store.default_region) for person in page.items]
        async with self._services.database.write() as session:
            # The launch cannot be given up before the transaction ends, or it would come to life again.
            await journey_of(session, scene.launch.journey_id, lock=True)
            customers = await upsert_people(session, parts.id, people, now=now)
            await launches.add_candidates(session, launch_id, [required_id(one.id) for one in customers])
            launch = await launches.get_launch(session, launch_id)
            launch.considered += len(customers)
            if page.next_cursor is None and launch.state is LaunchState.SELECTING:
                launch.state = LaunchState.DECIDING
        return SelectedCustomers(len(people), page.next_cursor, page.total or 0)

    async def judge_page(self, launch_id: int, *, now: datetime) -> int:
        """Ask the rules, then the holdout, about the next page of the considered.

        Returns:
            How many are left.
        """
        async with self._services.database.write() as session:
            scene = await launch_scene(self._services, session, launch_id)
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
        """Cut at the launch's limit and give everybody left a day: the longest silence first, so many a day.

        The control group is cut and given days like those who are to be written to, whose number alone counts: else
        the two could not be compared. Each page is a transaction of its own; all of it can be repeated.
        """
        async with self._services.database.read() as session:
            scene = await launch_scene(self._services, session, launch_id)
        if not scene.wanted:
            return
        if scene.launch.only_new:
            await self._leave_out_earlier(scene, now=now)
        if scene.launch.entrant_limit is not None:
            await self._cut(scene, scene.launch.entrant_limit, now=now)
        today = local_date(now, scene.zone)
        async with self._services.database.write() as session:
            await put_off_missed(session, scene, now=now)  # they come before those who qualify only now
            taken = await paced_by_day(session, scene.launch.journey_id)
            taken[today] = taken.get(today, 0) + await entered_on(session, scene.launch.journey_id, today, scene.zone)
            due = await give_places(session, scene.launch)
        days = assign_days(
            range(max(due, 1)),
            already_by_day=taken,
            first_day=today,
            max_per_day=scene.definition.sending.max_per_day,
            hours=sending_hours(scene.definition.sending),
        )
        for outcome in (ELIGIBLE, CONTROL_DUE):
            await self._give_days(scene, outcome, days)

    async def _give_days(self, scene: LaunchScene, outcome: str, days: Sequence[date]) -> None:
        """The day of each place, unless an earlier launch gave one. Who comes before everybody else has the first."""
        after: int | None = 0
        while after is not None:
            async with self._services.database.write() as session:
                page = await places(session, scene.launch, outcome, after=after, limit=_RANKED_AT_ONCE)
                given = {one.customer_id: one.day or days[max(one.place, 1) - 1] for one in page}
                await launches.give_days(session, scene.launch_id, given)
            after = page[-1].customer_id if page else None

    async def _leave_out_earlier(self, scene: LaunchScene, *, now: datetime) -> None:
        """`--only-new`: whoever was ever in the journey does not enter again."""
        for outcome in (ELIGIBLE, CONTROL_DUE):
            after: int | None = 0
            while after is not None:
                async with self._services.database.write() as session:
                    page = await launches.decided_as(
                        session, scene.launch_id, outcome, after=after, limit=_JUDGED_AT_ONCE
                    )
                    earlier = await ever_entered(session, scene.launch.journey_id, page)
                    decisions = [
                        Decision(one, LeftOut.RE_ENTRY.value, "was in this journey before", _ONLY_NEW)
                        for one in sorted(earlier)
                    ]
                    await launches.record_decisions(session, scene.launch, decisions, now=now)
                after = page[-1] if page else None

    async def _cut(self, scene: LaunchScene, limit: int, *, now: datetime) -> None:
        """`--limit`: as if customers had been looked at by the shop's id until so many to be written to were found."""
        async with self._services.database.read() as session:
            cut = await cut_at(session, scene.launch, limit)
        if cut is None:
            return
        for outcome, position in ((ELIGIBLE, cut.treated_after), (CONTROL_DUE, cut.control_after)):
            after: int | None = 0
            while after is not None:
                async with self._services.database.write() as session:
                    page = await beyond(session, scene.launch_id, outcome, position, after=after, limit=_JUDGED_AT_ONCE)
                    decisions = [Decision(one, LeftOut.LIMIT.value, "", f"the first {limit}") for one in page]
                    await launches.record_decisions(session, scene.launch, decisions, now=now)
                after = page[-1] if page else None

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
