"""What a journey costs in Temporal: events, billable actions and bytes of real histories."""

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from bench.figures import Figure, at_most, note

_PEER = {"events": 115, "actions": 25, "kilobytes": 23.3}
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


def figures(words: str, history: WorkflowHistory, *, events: int, billed: int, kilobytes: float) -> list[Figure]:
    """The sizes of a journey's history against the design's."""
    size = sum(event.ByteSize() for event in history.events) / 1000
    return [
        at_most(f"{words}: history events", len(history.events), events),
        at_most(f"{words}: billable actions", actions(history), billed),
        at_most(f"{words}: history, KB", size, kilobytes, digits=1),
    ]


def peer_figures(history: WorkflowHistory) -> list[Figure]:
    """The same journey against the peer's."""
    size = sum(event.ByteSize() for event in history.events) / 1000
    return [
        note(
            "three messages, peer / ours",
            f"{_PEER['events']} / {len(history.events)} events, {_PEER['actions']} / {actions(history)} actions, "
            f"{_PEER['kilobytes']} / {size:.1f} KB",
        )
    ]
