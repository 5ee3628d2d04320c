"""Names of the task queues (DESIGN section 4); a shop's and a number's own are properties of `StoreParts`.

The first two are shared by all stores, so whatever waits in them is handed out in turns, a turn for each store that
waits: ten thousand texts that one store wants written do not keep another's one waiting.
"""

from temporalio.common import Priority

MAIN = "rekindle"
"""Workflows, and activities that touch the database alone."""

LLM = "rekindle-llm"
"""The language model's, whose server-side rate is the model's."""

WEBHOOKS = "rekindle-webhooks"
"""What stores' own systems are told: they may be slow, and must keep nothing else waiting."""


def in_turns(store_id: int) -> Priority:
    """What a workflow is started with, and hands on to its activities; the server needs `matching.enableFairness`."""
    return Priority(fairness_key=f"store-{store_id}")
