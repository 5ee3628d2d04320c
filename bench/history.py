"""What a journey costs in Temporal: events, billable actions and bytes, counted in real histories."""

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from bench.figures import Figure, at_most, note

_PEER = "115 events, 25 actions, 23.3 KB"
"""Dittofeed's journey engine with the same three messages and delays (`docs/benchmarks.md`)."""

_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
}


def actions(history: WorkflowHistory) -> int:
    """Actions that Temporal Cloud bills for a history, by its published rules.

    Local activities of one workflow task are one action together; a retried activity is one for each attempt.
    """
    count = 0
    last_marked_task = None
    for event in history.events:
        count += event.event_type in _ACTIONS
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            count += event.activity_task_started_event_attributes.attempt - 1
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            task = event.marker_recorded_event_attributes.workflow_task_completed_event_id
            count += task != last_marked_task
            last_marked_task = task
    return count


def kilobytes(history: WorkflowHistory) -> float:
    """The history as Temporal stores and bills it: the size of its protobuf events."""
    return sum(event.ByteSize() for event in history.events) / 1000


def counts(words: str, history: WorkflowHistory, *, events: int, billed: int) -> list[Figure]:
    """Events and actions of a simulated journey against the design's."""
    return [
        at_most(f"{words}: history events", len(history.events), events),
        at_most(f"{words}: billable actions", actions(history), billed),
    ]


def sizes(words: str, history: WorkflowHistory, limit: float) -> list[Figure]:
    """The bytes of a journey on a real server against the design's."""
    return [at_most(f"{words}: history on the dev server", kilobytes(history), limit, " KB", digits=1)]


def beside_the_peer(history: WorkflowHistory) -> list[Figure]:
    """The same three messages in the peer's engine and in ours."""
    ours = f"{len(history.events)} events, {actions(history)} actions, {kilobytes(history):.1f} KB"
    return [note("three messages: the peer's engine", _PEER), note("three messages: ours, same server", ours)]
