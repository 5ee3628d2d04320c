"""One launch with everything that its steps need to know, and what the rules say about one of its customers."""

from datetime import date, datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.services import Services
from models.enums import JourneyState, LaunchState
from models.journey import JourneyDefinition, WinBack
from models.tables import Journey, Launch
from policies.eligibility import evaluate, first_failure
from policies.holdout import in_control
from policies.zones import zone_or_none
from storage import launches
from storage.considered import Considered
from storage.entry import Entry
from storage.journeys import journey_of, version_definition
from storage.launches import PACED, Decision
from storage.stores import StoreParts, holdout_salt, required_id, store_parts, suppression_key


class LaunchScene:
    """One launch with what every step needs to know about it.

    Attributes:
        version_id: by whose rules its customers are judged, and with which they enter: the launch's own, but for those
            who enter on a later day.
    """

    def __init__(
        self,
        launch: Launch,
        journey: Journey,
        version: tuple[int, JourneyDefinition],
        parts: StoreParts,
        services: Services,
    ) -> None:
        self.launch, self.journey, self.parts = launch, journey, parts
        self.version_id, self.definition = version
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
    def entry(self) -> Entry:
        """Into what customers enter with this launch."""
        return Entry(self.parts.store, self.journey, self.version_id, self.definition, self.launch_id)

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
        return Decision(
            who.candidate.customer_id, failed.reason.value, failed.seen, failed.threshold, basis=failed.basis
        )

    def paced(self, customer_id: int, day: date) -> Decision:
        """That the customer waits for a later day, told with the day for when they do no more."""
        most = f"at most {self.definition.sending.max_per_day} a day"
        return Decision(customer_id, PACED, f"given {day.isoformat()}", most, day=day)

    def is_control(self, who: Considered) -> bool:
        """The holdout's draw, by the shop's own customer id so that it survives a re-import."""
        return in_control(
            salt=self.holdout_salt,
            journey=self.journey.name,
            customer=who.customer.external_id or f"#{who.customer.id}",
            control_percent=self.definition.control_percent,
        )


async def launch_scene(
    services: Services, session: AsyncSession, launch_id: int, *, lock: bool = False, version_id: int | None = None
) -> LaunchScene:
    """The launch's scene; with `lock` its journey cannot be stopped before the transaction ends.

    Args:
        services: the cipher is used.
        session: any transaction.
        launch_id: which one.
        lock: see above.
        version_id: by whose rules instead of the launch's own.
    """
    launch = await launches.get_launch(session, launch_id)
    journey = await journey_of(session, launch.journey_id, lock=lock)
    if lock:
        launch = await launches.get_launch(session, launch_id)
    version_id = launch.version_id if version_id is None else version_id
    version = (version_id, await version_definition(session, version_id))
    return LaunchScene(launch, journey, version, await store_parts(session, launch.store_id), services)
