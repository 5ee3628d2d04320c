"""What travels through Temporal: ids, codes and times; no name, phone, text or provider's body (promise 6).

Workflow inputs, activity inputs and results, signals, updates and query answers are all here, one model each way.
Fields are only ever added, with a default: journeys that live for months read what older code wrote.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict

from models.enums import (
    DeliveryState,
    EnrollmentState,
    ExitReason,
    HoldReason,
    LaunchState,
    ReviewOutcome,
    RunTrigger,
    SkipReason,
)


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


# --- JourneyWorkflow -------------------------------------------------------------------------------------------------


class JourneyInput(_Wire):
    """Which enrollment the workflow is."""

    enrollment_id: str


class ExitNotice(_Wire):
    """An exit event as the gateway or the database tells it; `event_id` is the `customer_event` row."""

    reason: ExitReason
    at: datetime
    event_id: int | None = None


class Released(_Wire):
    """What a hold waited for has come: try again."""

    key: str = ""


class AttemptSettled(_Wire):
    """A status has come for an attempt whose outcome was unknown.

    `failed` is another thing: the attempt was taken, its stage was over, and a status told that it failed.
    """

    attempt_id: str
    failed: bool = False

    @property
    def stage(self) -> int | None:
        """The attempt's stage, from its id; None if it is none of ours."""
        number = self.attempt_id.split(":")[1:2]
        return int(number[0]) - 1 if number and number[0].isdecimal() else None


class LoadPlan(_Wire):
    """Asks for the plan at the moment that the workflow starts."""

    enrollment_id: str
    now: datetime


class StagePlan(_Wire):
    """What orchestration must know of a stage: whether a model writes its text."""

    ai: bool = False


class Plan(_Wire):
    """An enrollment as its workflow sees it when it starts."""

    stages: tuple[StagePlan, ...]
    due_at: datetime
    shop_queue: str
    whatsapp_queue: str
    approval: bool
    hold_for: timedelta
    on_expire: Literal["skip", "exit"]
    unknown_wait: timedelta
    exit: ExitNotice | None = None


class StageRef(_Wire):
    """One stage of one enrollment.

    Attributes:
        keep_text: check again without writing again (an approved text, or one that a slow queue made old twice).
        at_once: somebody asked to send it now: no delay of its own keeps it.
        revision: of the text that was approved; no other may be sent.
    """

    enrollment_id: str
    stage: int
    occurrence: int = 0
    keep_text: bool = False
    at_once: bool = False
    revision: int | None = None


class StageStep(StrEnum):
    """How a stage's activity ended; UNAPPROVED: the text is ready, and it is another one than was approved."""

    READY = "ready"
    COMPOSE = "compose"
    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    PARKED = "parked"
    HOLD = "hold"
    STALE = "stale"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
    LATER = "later"
    UNAPPROVED = "unapproved"
    EXIT = "exit"


class StageResult(_Wire):
    """The answer of every stage activity.

    Attributes:
        due_at: with ACCEPTED, SKIPPED and PARKED: when the next stage is due, or when the watch ends after the last.
            With LATER: when this stage is due after all, because our side has written since.
        closes_at: with READY and COMPOSE: the end of the sending window in which the claim must happen, if it has one.
        hold_until: with HOLD: when to try again by itself; None waits for a release.
        technical: with HOLD: whether the hold clock (`hold_for`) runs.
    """

    step: StageStep
    due_at: datetime | None = None
    closes_at: datetime | None = None
    exit: ExitNotice | None = None
    hold_reason: HoldReason | None = None
    hold_until: datetime | None = None
    technical: bool = True


class SkipStage(_Wire):
    """Passes a stage over."""

    enrollment_id: str
    stage: int
    occurrence: int = 0
    reason: SkipReason


class Waiting(_Wire):
    """Tells the database that an enrollment waits for a person or an answer, so that `status` can say so."""

    enrollment_id: str
    stage: int
    reason: HoldReason


class Awaited(_Wire):
    """Until when a person is waited for; None is for ever."""

    until: datetime | None = None


class Conclude(_Wire):
    """Ends an enrollment. The database has the last word: an exit event that it knows of beats `reason`."""

    enrollment_id: str
    reason: ExitReason
    event_id: int | None = None


class Concluded(_Wire):
    """How the enrollment really ended."""

    reason: ExitReason


class Approval(_Wire):
    """A person's yes to a waiting text: `draft_id` names the send, `revision` which of its texts was read."""

    draft_id: int
    revision: int | None = None


class JourneyStatus(_Wire):
    """The answer to the `status` query."""

    state: EnrollmentState
    stage: int
    due_at: datetime | None
    hold_reason: HoldReason | None
    exit_reason: ExitReason | None
    events_after_exit: int


# --- TrackingWorkflow ------------------------------------------------------------------------------------------------


class TrackingProgress(_Wire):
    """The answer to the `progress` query, and the run's result; counts only."""

    phase: Literal["beginning", "considering", "analysing", "done", "stopped"] = "beginning"
    considered: int = 0
    to_analyse: int = 0
    analysed: int = 0
    detected: int = 0
    enrolled: int = 0
    stop_reason: str | None = None


class TrackingInput(_Wire):
    """A run of a tracking journey; the workflow's own id is the run's key.

    `run_id` and `after` (the last position that was handed out) are set where a long run goes on in a new history.
    """

    journey_id: int
    trigger: RunTrigger = RunTrigger.SCHEDULE
    run_id: int | None = None
    after: int = 0
    so_far: TrackingProgress | None = None


class RunPlan(_Wire):
    """A run that has begun, perhaps in an earlier history; `selected`: everybody has been considered.

    `in_flight` is how many conversations wait for the model at once, more than it serves, so that it never waits.
    `in_one_history` is after how many the run goes on in a new one: four hundred are about three thousand events.
    """

    run_id: int
    shop_queue: str
    selected: bool = False
    in_flight: int = 40
    in_one_history: int = 400


class RunRef(_Wire):
    """Names a run."""

    run_id: int


class ConsideredPage(_Wire):
    """How many a page considered, and how many of them the model is to be asked about; `more`: go on."""

    considered: int
    to_analyse: int
    more: bool


class NextReviews(_Wire):
    """Asks for the reviews that wait for the model, beyond this position, and so many at most."""

    run_id: int
    after: int
    limit: int


class ReviewRef(_Wire):
    """Names what a run is to come to about one conversation."""

    review_id: int


class HandedOut(_Wire):
    """Reviews in the order of their positions, `last` the last of those; `stop` says why there are none any more."""

    reviews: tuple[int, ...]
    last: int
    stop: str | None = None


class ReviewAnswer(_Wire):
    """What a step came to about a conversation.

    `stop` is why the run sends nothing more; `away`: the model could not be reached for this one.
    """

    outcome: ReviewOutcome
    stop: str | None = None
    away: bool = False


class GiveUp(_Wire):
    """A step failed for good: the conversation is written off with the failure's type."""

    review_id: int
    why: str


class FinishRun(_Wire):
    """The run's end; `stop_reason` where it did not get through."""

    run_id: int
    stop_reason: str | None = None


# --- WebhookDeliveryWorkflow -----------------------------------------------------------------------------------------


class DeliveryRef(_Wire):
    """A delivery to a system of a store's own; what it says is read from the database whenever it is sent."""

    delivery_id: int


class DeliveryStart(DeliveryRef):
    """What the relay starts a delivery's workflow with."""

    store_id: int


class DeliveryReport(_Wire):
    """What became of a delivery."""

    state: DeliveryState


# --- AudienceWorkflow ------------------------------------------------------------------------------------------------


class AudienceInput(_Wire):
    """One journey's audience; the workflow outlives single launches while customers are paced."""

    store_id: int
    journey_id: int
    shop_queue: str
    pending: tuple[int, ...] = ()


class LaunchRequest(_Wire):
    """Asks for the selection that the `launch` row describes."""

    launch_id: int


class SelectPage(_Wire):
    """Asks for the next page of lapsed customers; `cursor` is the shop's own."""

    launch_id: int
    cursor: str | None = None


class SelectedPage(_Wire):
    """How far the selection has come."""

    considered: int
    cursor: str | None


class LaunchStep(_Wire):
    """Asks for the next page of one step of a launch."""

    launch_id: int


class LaunchPhase(_Wire):
    """How far a launch has come already: `starter.py launch` does the first steps itself."""

    state: LaunchState


class PageDone(_Wire):
    """How many are left for this step."""

    remaining: int


class StartEntrants(_Wire):
    """Asks to start workflows of a journey's enrollments that are still `starting`, by id beyond `after`."""

    journey_id: int
    after: str = ""


class StartedPage(_Wire):
    """How far the starting has come; `after` is None when nobody is left."""

    after: str | None


class JourneyRef(_Wire):
    """A journey by its id."""

    journey_id: int


class NextDay(_Wire):
    """When paced customers are next due, if any are left."""

    at: datetime | None


class AudienceProgress(_Wire):
    """The answer to the `progress` query."""

    launch_id: int | None
    considered: int
    phase: str
    next_day_at: datetime | None


# --- HealthWorkflow --------------------------------------------------------------------------------------------------


class HealthInput(_Wire):
    """One store's health watch and the time between its checks."""

    store_id: int
    interval: timedelta


class StoreRef(_Wire):
    """A store by its id."""

    store_id: int


class HealthReport(_Wire):
    """What one check found."""

    templates: int
    released: int
    faults: tuple[str, ...] = ()


# --- WatchWorkflow ---------------------------------------------------------------------------------------------------


class WatchInput(_Wire):
    """One follow-up or cart journey's watch.

    Attributes:
        spacing: the least time between two looks; what becomes due in between is found together.
    """

    store_id: int
    journey_id: int
    spacing: timedelta


class Wake(_Wire):
    """Something becomes due earlier than the watch knows, or work waits: look now."""


class WatchLook(_Wire):
    """Asks for the next page of what is due."""

    journey_id: int


class WatchFound(_Wire):
    """What a look found.

    Attributes:
        entered: how many entered, control included.
        more: whether another page is due already, and this one made headway.
        next_at: when the next will be due, as far as is known; None while nothing is on its way.
        over: the journey takes nobody in any more.
        spacing: as the journey's newest version has it; None leaves it as it was.
    """

    entered: int
    more: bool
    next_at: datetime | None
    over: bool = False
    spacing: timedelta | None = None


class WatchProgress(_Wire):
    """The answer to the `progress` query of a watch; `entered` counts since the run began."""

    looked_at: datetime | None
    next_at: datetime | None
    entered: int
    sleeps: bool


# --- UpkeepWorkflow --------------------------------------------------------------------------------------------------


class UpkeepInput(_Wire):
    """One store's upkeep and the time between its rounds."""

    store_id: int
    shop_queue: str
    interval: timedelta


class UpkeepRound(_Wire):
    """Asks for a round. A full one also compares orders with the shop's and throws old records away."""

    store_id: int
    full: bool


class UpkeepReport(_Wire):
    """What a round did.

    Attributes:
        orders: changed orders that the reconciliation read.
        consents: withdrawn consents that the shop was told of.
        pruned: old records thrown away.
        more: whether another page of work is left.
        next_at: when something that failed is to be tried again, before the next full round.
    """

    orders: int = 0
    consents: int = 0
    pruned: int = 0
    more: bool = False
    next_at: datetime | None = None
