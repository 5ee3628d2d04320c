"""What travels to, from and within a JourneyWorkflow."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from models.enums import EnrollmentState, ExitReason, HoldReason, SkipReason
from models.orchestration.wire import Wire


class JourneyInput(Wire):
    """Which enrollment the workflow is."""

    enrollment_id: str


class ExitNotice(Wire):
    """An exit event as the gateway or the database tells it; `event_id` is the `customer_event` row."""

    reason: ExitReason
    at: datetime
    event_id: int | None = None


class Released(Wire):
    """What a hold waited for has come: try again."""

    key: str = ""


class AttemptSettled(Wire):
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


class LoadPlan(Wire):
    """Asks for the plan at the moment that the workflow starts."""

    enrollment_id: str
    now: datetime


class StagePlan(Wire):
    """What orchestration must know of a stage: whether a model writes its text."""

    ai: bool = False


class Plan(Wire):
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


class StageRef(Wire):
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


class StageResult(Wire):
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


class SkipStage(Wire):
    """Passes a stage over."""

    enrollment_id: str
    stage: int
    occurrence: int = 0
    reason: SkipReason


class Waiting(Wire):
    """Tells the database that an enrollment waits for a person or an answer, so that `status` can say so."""

    enrollment_id: str
    stage: int
    reason: HoldReason


class Awaited(Wire):
    """Until when a person is waited for; None is for ever."""

    until: datetime | None = None


class Conclude(Wire):
    """Ends an enrollment. The database has the last word: an exit event that it knows of beats `reason`."""

    enrollment_id: str
    reason: ExitReason
    event_id: int | None = None


class Concluded(Wire):
    """How the enrollment really ended."""

    reason: ExitReason


class Approval(Wire):
    """A person's yes to a waiting text: `draft_id` names the send, `revision` which of its texts was read."""

    draft_id: int
    revision: int | None = None


class JourneyStatus(Wire):
    """The answer to the `status` query."""

    state: EnrollmentState
    stage: int
    due_at: datetime | None
    hold_reason: HoldReason | None
    exit_reason: ExitReason | None
    events_after_exit: int
