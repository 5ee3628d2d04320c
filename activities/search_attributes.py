"""The search attributes of our workflows: what an operator filters by in Temporal, ids and words only (promise 6)."""

from temporalio.common import SearchAttributeKey

STORE = SearchAttributeKey.for_keyword("RekindleStore")
JOURNEY = SearchAttributeKey.for_keyword("RekindleJourney")
VERSION = SearchAttributeKey.for_int("RekindleVersion")
STATE = SearchAttributeKey.for_keyword("RekindleState")
EXIT_REASON = SearchAttributeKey.for_keyword("RekindleExitReason")

ALL = (STORE, JOURNEY, VERSION, STATE, EXIT_REASON)
"""Must be registered in a namespace before its first journey starts (`docs/operations.md`)."""

RUNNING = "running"
CLOSED = "closed"
