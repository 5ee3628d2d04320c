"""What travels to, from and within a TrackingWorkflow: the daily review."""

from typing import Literal

from models.enums import ReviewOutcome, RunTrigger
from models.orchestration.wire import Wire


class TrackingProgress(Wire):
    """The answer to the `progress` query, and the run's result; counts only."""

    phase: Literal["beginning", "considering", "analysing", "done", "stopped"] = "beginning"
    considered: int = 0
    to_analyse: int = 0
    analysed: int = 0
    detected: int = 0
    enrolled: int = 0
    stop_reason: str | None = None


class TrackingInput(Wire):
    """A run of a tracking journey; the workflow's own id is the run's key.

    `run_id` and `after` (the last position that was handed out) are set where a long run goes on in a new history.
    """

    journey_id: int
    trigger: RunTrigger = RunTrigger.SCHEDULE
    run_id: int | None = None
    after: int = 0
    so_far: TrackingProgress | None = None


class RunPlan(Wire):
    """A run that has begun, perhaps in an earlier history; `selected`: everybody has been considered.

    `in_flight` is how many conversations wait for the model at once, more than it serves, so that it never waits.
    `in_one_history` is after how many the run goes on in a new one: four hundred are about three thousand events.
    """

    run_id: int
    shop_queue: str
    selected: bool = False
    in_flight: int = 40
    in_one_history: int = 400


class RunRef(Wire):
    """Names a run."""

    run_id: int


class ConsideredPage(Wire):
    """How many a page considered, and how many of them the model is to be asked about; `more`: go on."""

    considered: int
    to_analyse: int
    more: bool


class NextReviews(Wire):
    """Asks for the reviews that wait for the model, beyond this position, and so many at most."""

    run_id: int
    after: int
    limit: int


class ReviewRef(Wire):
    """Names what a run is to come to about one conversation."""

    review_id: int


class HandedOut(Wire):
    """Reviews in the order of their positions, `last` the last of those; `stop` says why there are none any more."""

    reviews: tuple[int, ...]
    last: int
    stop: str | None = None


class ReviewAnswer(Wire):
    """What a step came to about a conversation.

    `stop` is why the run sends nothing more; `away`: the model could not be reached for this one.
    """

    outcome: ReviewOutcome
    stop: str | None = None
    away: bool = False


class GiveUp(Wire):
    """A step failed for good: the conversation is written off with the failure's type."""

    review_id: int
    why: str


class FinishRun(Wire):
    """The run's end; `stop_reason` where it did not get through."""

    run_id: int
    stop_reason: str | None = None
