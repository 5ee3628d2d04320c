"""The parts of the command line's documents that are about a daily review."""

from typing import Literal

from reports.documents import Document, Moment
from reports.runs import RunLine


class TrackingSummary(Document):
    """What a tracking file says; `stages`, `hours` and `weekdays` beside it are those of its one message.

    Attributes:
        run_at: the store's local time, on each of `run_days`.
        template: what goes outside the 24-hour window.
    """

    run_at: str
    run_days: list[str]
    window_hours: int
    sensitivity: Literal["low", "medium", "high"]
    wait_days: int
    max_conversations: int
    restart_days: int
    max_attempts: int
    act: Literal["message", "event"]
    auto_send: bool
    instructions: str | None
    template: str | None


class TrackingView(Document):
    """What a launched review does first.

    Attributes:
        next_runs: its first runs; of a journey that waits for its template none yet.
        conversations: in how many the customer has written within the window until now.
    """

    next_runs: list[Moment]
    conversations: int


class RunNowDocument(Document):
    """`run-now`.

    Attributes:
        workflow_id: the run's key.
        run: as `runs` has it; null unless the command waited for its end.
    """

    store: str
    journey: str
    workflow_id: str
    waited: bool
    run: RunLine | None
