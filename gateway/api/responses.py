"""What the refusals of single addresses mean, for their descriptions; `gateway.api.openapi` gives them their form."""

from typing import Any, Final

NO_SUCH_CUSTOMER: Final[dict[str, Any]] = {"description": "The store has no such customer."}
NO_SUCH_JOURNEY: Final[dict[str, Any]] = {"description": "The store has no such journey, or no such customer."}
NO_SUCH_RUN: Final[dict[str, Any]] = {"description": "The store has no such journey, or the journey no such run."}
UNKNOWN_ZONE: Final[dict[str, Any]] = {"description": "The store's time zone is unknown on the gateway's machine."}
NO_SUCH_MESSAGE: Final[dict[str, Any]] = {"description": "The store has no such message."}
NOT_PAUSABLE: Final[dict[str, Any]] = {"description": "The journey is neither running nor paused."}
NOT_OVER: Final[dict[str, Any]] = {"description": "Somebody is in the journey, or may still come; `detail` says who."}
NO_DAILY_SELECTION: Final[dict[str, Any]] = {"description": "The journey is no win-back, or it was not launched."}
NOT_IN_IT: Final[dict[str, Any]] = {"description": "The customer is not in this journey."}
NOT_NOW: Final[dict[str, Any]] = {
    "description": "The journey is of another kind, it is not active, or a run of it is under way; `detail` says which."
}
TEMPORAL_IS_AWAY_FOR_RUNS: Final[dict[str, Any]] = {
    "description": "The database or Temporal does not answer; asking again is safe, since a run under way is told."
}
NOT_WAITING: Final[dict[str, Any]] = {
    "description": "The message does not wait for a decision any more, or its text is another one than `revision` says."
}
NOT_OPEN: Final[dict[str, Any]] = {
    "description": "It is known what became of the message, or will be in some minutes; `detail` says which."
}
TEMPORAL_IS_AWAY: Final[dict[str, Any]] = {
    "description": "The database, Temporal or its worker does not answer; the decision may still be taken later, and "
    "asking again is safe."
}
WHOSE: Final[dict[str, Any]] = {"description": "The conversation is new and `customer` does not say with whom it is."}
IS_OVER: Final[dict[str, Any]] = {"description": "`until` has passed already."}
