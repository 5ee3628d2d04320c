"""Journeys, as `journeys` and the launches tell of them."""

from models.enums import JourneyKind, JourneyState
from reports.documents.base import Document, Moment


class StopDocument(Document):
    """`stop`. `told` counts those who were told now; `delivered` is false while Temporal has yet to hear of it.

    `asked_again`: the journey is always on and may select the customer again, who waited for a later day and never was
    in it.
    """

    store: str
    journey: str
    customer: str | None
    told: int
    unpaced: int
    delivered: bool
    asked_again: bool


class VersionStage(Document):
    """How many wait for one stage of one version; `stage` counts from 1 and is null when only the watch is left."""

    version: int
    stage: int | None
    customers: int


class Audience(Document):
    """Everybody considered has one outcome: `considered` is the sum of the others."""

    considered: int
    entered: int
    control: int
    paced: int
    skipped: dict[str, int]


class FieldChange(Document):
    """One field of a journey file that says something else; null where it is not set."""

    field: str
    before: str | None
    after: str | None


class DailyView(Document):
    """An always-on win-back: its audience is selected every day at `at` (`HH:MM` by the store's clock).

    `next_at` is null while the journey does not run.
    """

    at: str
    limit: int | None
    only_new: bool
    since: Moment
    next_at: Moment | None


class JourneyLine(Document):
    """One journey with its counts; `exits` splits purchases by attribution as it stands now.

    `versions` counts everybody who ever entered with each, `running` those who are under way. `next_run_at` is when an
    active tracking journey reviews conversations next, `next_selection_at` when the audience of an active always-on
    win-back is selected next.
    """

    name: str
    kind: JourneyKind
    priority: int
    state: JourneyState
    state_reason: str | None
    versions: dict[int, int]
    enrollments: dict[str, int]
    exits: dict[str, int]
    paced: int
    running: list[VersionStage]
    next_run_at: Moment | None
    next_selection_at: Moment | None


class JourneysDocument(Document):
    """`journeys`."""

    store: str
    journeys: list[JourneyLine]
