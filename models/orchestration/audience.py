"""What travels to, from and within an AudienceWorkflow: a win-back's selection."""

from datetime import datetime

from models.enums import LaunchState
from models.orchestration.wire import Wire


class AudienceInput(Wire):
    """One journey's audience; the workflow outlives single launches while customers are paced.

    A run that goes on with what an earlier one began finds most of it in the database. Beside that it has `cursor`
    where the first of `pending` is still being read from the shop, with how many of `total` have been `considered`; as
    `launching` the launch whose customers are all enrolled; and `after`, behind which enrollment the starting of their
    workflows goes on.
    """

    store_id: int
    journey_id: int
    shop_queue: str
    pending: tuple[int, ...] = ()
    cursor: str | None = None
    considered: int = 0
    total: int | None = None
    launching: int | None = None
    after: str = ""


class LaunchRequest(Wire):
    """Asks for the selection that the `launch` row describes."""

    launch_id: int


class SelectPage(Wire):
    """Asks for the next page of lapsed customers; `cursor` is the shop's own."""

    launch_id: int
    cursor: str | None = None


class SelectedPage(Wire):
    """How far the selection has come: the customers of this page, and of all that the shop has."""

    considered: int
    cursor: str | None
    total: int | None = None


class LaunchStep(Wire):
    """Asks for the next page of one step of a launch."""

    launch_id: int


class LaunchPhase(Wire):
    """How far a launch has come already: `starter.py launch` does the first steps itself."""

    state: LaunchState


class PageDone(Wire):
    """How many are left for this step."""

    remaining: int


class StartEntrants(Wire):
    """Asks to start workflows of a journey's enrollments that are still `starting`, by id beyond `after`."""

    journey_id: int
    after: str = ""


class StartedPage(Wire):
    """How far the starting has come; `after` is None when nobody is left."""

    after: str | None


class JourneyRef(Wire):
    """A journey by its id."""

    journey_id: int


class NextDay(Wire):
    """When paced customers are next due, if any are left."""

    at: datetime | None


class AudienceProgress(Wire):
    """The answer to the `progress` query.

    Attributes:
        launch_id: the launch that was served last.
        considered: how many customers have been read from the shop for it.
        phase: `selecting`, `deciding`, `starting`; `idle`; `paced` until `next_day_at`; `waiting` after a fault.
        total: how many customers the shop has for it, once it has said so.
        left: how many the phase has still to see to, as far as that is known.
        next_day_at: when the next paced customers enter.
    """

    launch_id: int | None
    considered: int
    phase: str
    next_day_at: datetime | None
    total: int | None = None
    left: int | None = None
