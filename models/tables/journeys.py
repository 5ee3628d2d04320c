"""Journeys: versions, launches, who was considered, and everybody's passage."""

from datetime import date, datetime

from sqlalchemy import JSON, Index, Text, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

from models.enums import (
    EnrollmentState,
    ExitReason,
    HoldReason,
    JourneyKind,
    JourneyState,
    LaunchState,
    PauseCause,
)
from models.tables.fields import moment, moment_or_none, word


class Journey(SQLModel, table=True):
    """A journey by name; what it does stands in its versions.

    Attributes:
        state_reason: why it is paused or stopped: what staff wrote, or a `PauseCause` with its figures.
        state_since: when it got its state; None for one that got it before this was written down.
        paused_since: when the pause that is under way began, whatever its causes.
        resumed_at: when it last went live, or a person resumed it; the stop-loss does not look further back.
        paused_pending: it was paused while it waited for templates, and waits for them again when it is resumed.
    """

    __tablename__ = "journey"
    __table_args__ = (UniqueConstraint("store_id", "name"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    name: str = Field(max_length=63)
    kind: JourneyKind = word(JourneyKind)
    priority: int
    state: JourneyState = word(JourneyState)
    state_reason: str | None = None
    state_since: datetime | None = moment_or_none()
    paused_since: datetime | None = moment_or_none()
    resumed_at: datetime | None = moment_or_none()
    paused_pending: bool = False
    created_at: datetime = moment()


class JourneyPause(SQLModel, table=True):
    """One cause of a journey's pause, from its beginning to its end; the journey is paused while one is open.

    With `skips` the journey was resumed with `--missed skip`: a stage that came due in this time is passed over.
    """

    __tablename__ = "journey_pause"
    __table_args__ = (
        Index(
            "journey_pause_open",
            "journey_id",
            "cause",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("journey_pause_span", "journey_id", "began_at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    journey_id: int = Field(foreign_key="journey.id")
    cause: PauseCause = word(PauseCause)
    reason: str
    began_at: datetime = moment()
    ended_at: datetime | None = moment_or_none()
    skips: bool = False


class JourneyVersion(SQLModel, table=True):
    """One immutable definition (promise 5): its canonical JSON and the hash of it.

    New entrants get it since `published_at`; None for one that a launch was only shown with.
    """

    __tablename__ = "journey_version"
    __table_args__ = (UniqueConstraint("journey_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    journey_id: int = Field(foreign_key="journey.id")
    number: int
    content_hash: str = Field(max_length=64)
    definition: str = Field(sa_type=Text)
    created_at: datetime = moment()
    published_at: datetime | None = moment_or_none()


class JourneyWatch(SQLModel, table=True):
    """What the WatchWorkflow of a follow-up or cart journey knows, for whoever may have to wake it.

    Attributes:
        since: with `launch --only-new`: silences and carts from before do not count.
        next_at: when it will look again by itself; None while nothing is on its way to become due.
        answered_until: every silence and cart up to this moment has been answered, or has a `WatchAnswer` that says
            when to ask; None to read them all.
    """

    __tablename__ = "journey_watch"
    journey_id: int = Field(primary_key=True, foreign_key="journey.id")
    store_id: int = Field(foreign_key="store.id", index=True)
    since: datetime | None = moment_or_none()
    next_at: datetime | None = moment_or_none()
    answered_until: datetime | None = moment_or_none()


class WatchAnswer(SQLModel, table=True):
    """What a watch last answered about one silence or cart, so that nobody is asked about again and again.

    It holds for the silence or idleness that began at `since`. The chat and the cart are named without a foreign key:
    they may be merged or erased without a thought of this table.

    Attributes:
        outcome: as in `EntryDecision`, or `due` for one that the watch has not read yet.
        again_at: when to ask again; None never (`paced` waits for room).
    """

    __tablename__ = "watch_answer"
    __table_args__ = (
        UniqueConstraint("journey_id", "conversation_id"),
        UniqueConstraint("journey_id", "checkout_id"),
        Index("watch_answer_again", "journey_id", "again_at"),
        Index("watch_answer_outcome", "journey_id", "outcome"),
    )
    id: int | None = Field(default=None, primary_key=True)
    journey_id: int = Field(foreign_key="journey.id")
    conversation_id: int | None = Field(default=None, index=True)
    checkout_id: int | None = Field(default=None, index=True)
    since: datetime = moment()
    outcome: str = Field(max_length=60)
    again_at: datetime | None = moment_or_none()


class Launch(SQLModel, table=True):
    """One selection of entrants for a journey, with its progress; the counts add up when `state` is `done`.

    `only_new` leaves out who was ever in the journey. `day` is the store-local day of which it is an always-on
    journey's own selection: a day has one. `account` has the number of candidates by outcome of one that is so old that
    the candidates themselves were thrown away.
    """

    __tablename__ = "launch"
    __table_args__ = (Index("launch_of_day", "journey_id", "day", unique=True),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id", index=True)
    version_id: int = Field(foreign_key="journey_version.id")
    entrant_limit: int | None = None
    only_new: bool = False
    day: date | None = None
    state: LaunchState = word(LaunchState)
    requested_at: datetime = moment()
    finished_at: datetime | None = moment_or_none()
    considered: int = 0
    decided: int = 0
    started: int = 0
    error: str | None = None
    account: dict[str, int] | None = Field(default=None, sa_type=JSON)


class DailySelection(SQLModel, table=True):
    """A win-back that is always on: each day at `at` (`HH:MM`, in the store's zone) its audience is selected anew.

    `entrant_limit` and `only_new` are those of each day's launch. It is always on since `since`, until `ended_at`.
    """

    __tablename__ = "daily_selection"
    journey_id: int = Field(primary_key=True, foreign_key="journey.id")
    store_id: int = Field(foreign_key="store.id", index=True)
    at: str = Field(max_length=5)
    entrant_limit: int | None = None
    only_new: bool = False
    since: datetime = moment()
    ended_at: datetime | None = moment_or_none()


class LaunchCandidate(SQLModel, table=True):
    """One considered customer of one launch and what was decided, the launch's own account of everybody.

    `place` says how many of those who are to be written to come up to and with this customer in the launch's ranking;
    the control group takes none, so one of it has the place of the one before.
    """

    __tablename__ = "launch_candidate"
    __table_args__ = (
        UniqueConstraint("launch_id", "customer_id"),
        Index("launch_candidate_outcome", "launch_id", "outcome", "customer_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    launch_id: int = Field(foreign_key="launch.id")
    customer_id: int = Field(foreign_key="customer.id")
    outcome: str | None = Field(default=None, max_length=60)
    place: int | None = None
    day: date | None = None


class EntryDecision(SQLModel, table=True):
    """Why a customer entered a journey or did not: appended when the answer changes, so that the past stays told.

    `basis` is what decided it, said without regard to the moment (`policies.eligibility.RuleResult`); None of a row
    that is older than that. The rows are kept for `REKINDLE_DECISION_DAYS`, the newest of each customer for good.
    """

    __tablename__ = "entry_decision"
    __table_args__ = (
        Index("entry_decision_latest", "journey_id", "customer_id", "id", "version_id"),
        Index("entry_decision_age", "store_id", "at"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    at: datetime = moment()
    outcome: str = Field(max_length=60)
    seen: str = ""
    threshold: str = ""
    basis: str | None = None


class Paced(SQLModel, table=True):
    """A customer who qualified beyond the day's number and was given a later day, when all rules are asked again.

    `control` says that they wait as one of the control group, who take no room of their day. Their arm itself is drawn
    when they enter.
    """

    __tablename__ = "paced"
    __table_args__ = (
        UniqueConstraint("journey_id", "customer_id"),
        Index("paced_day", "journey_id", "day"),
        Index("paced_place", "journey_id", "control", "day", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    launch_id: int = Field(foreign_key="launch.id")
    customer_id: int = Field(foreign_key="customer.id")
    control: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    day: date


class Enrollment(SQLModel, table=True):
    """One customer's passage through one version; its id is the workflow's id (`enr-<uuid5>`).

    Events with an id above `after_event_id` happened to the customer since the selection. `due_at` is when the next
    action happens; `stage_due_at` is when the stage comes, or came, due, and a hold leaves it alone. `stage` counts
    from 0 and equals the number of stages when only the watch is left. `control` is the holdout's arm for good, while
    the state `control` says that it still occupies the customer's slot. What the customer buys from `entered_at` until
    `horizon_at` counts in both arms alike.
    """

    __tablename__ = "enrollment"
    __table_args__ = (
        UniqueConstraint("journey_id", "customer_id", "entry_key"),
        Index(
            "enrollment_one_open",
            "store_id",
            "customer_id",
            unique=True,
            sqlite_where=text("state != 'closed'"),
            postgresql_where=text("state != 'closed'"),
        ),
        Index("enrollment_by_state", "journey_id", "state"),
        Index(
            "enrollment_starting",
            "journey_id",
            "id",
            sqlite_where=text("state = 'starting'"),
            postgresql_where=text("state = 'starting'"),
        ),
        Index("enrollment_held_for", "hold_key", "due_at"),
    )
    id: str = Field(primary_key=True, max_length=40)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    version_id: int = Field(foreign_key="journey_version.id")
    customer_id: int = Field(foreign_key="customer.id", index=True)
    launch_id: int | None = Field(default=None, foreign_key="launch.id", index=True)
    conversation_id: int | None = Field(default=None, foreign_key="conversation.id", index=True)
    checkout_id: int | None = Field(default=None, foreign_key="checkout.id", index=True)
    analysis_id: int | None = Field(default=None, foreign_key="conversation_analysis.id", index=True)
    entry_key: str = Field(max_length=128)
    priority: int
    control: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    state: EnrollmentState = word(EnrollmentState)
    selected_at: datetime = moment()
    after_event_id: int = 0
    entered_at: datetime = moment()
    stage: int = 0
    due_at: datetime | None = moment_or_none()
    stage_due_at: datetime | None = moment_or_none()
    hold_reason: HoldReason | None = word(HoldReason, default=None)
    hold_key: str | None = Field(default=None, max_length=700)
    exit_reason: ExitReason | None = word(ExitReason, default=None)
    exit_event_id: int | None = Field(default=None, foreign_key="customer_event.id")
    closed_at: datetime | None = moment_or_none()
    horizon_at: datetime | None = moment_or_none()


class TimelineEntry(SQLModel, table=True):
    """One line of an enrollment's story beyond its sends: holds, skips, and events heard after the first exit."""

    __tablename__ = "timeline_entry"
    id: int | None = Field(default=None, primary_key=True)
    enrollment_id: str = Field(foreign_key="enrollment.id", index=True, max_length=40)
    at: datetime = moment()
    stage: int | None = None
    what: str = Field(max_length=40)
    reason: str | None = Field(default=None, max_length=60)


class CouponIssue(SQLModel, table=True):
    """A personal discount code that was created for one enrollment."""

    __tablename__ = "coupon_issue"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    journey_id: int = Field(foreign_key="journey.id")
    enrollment_id: str = Field(foreign_key="enrollment.id", unique=True, max_length=40)
    customer_id: int = Field(foreign_key="customer.id", index=True)
    code: str = Field(max_length=40, index=True)
    valid_from: datetime = moment()
    valid_until: datetime | None = moment_or_none()
