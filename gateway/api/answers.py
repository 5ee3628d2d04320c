"""What the API answers with beyond the documents that the command line prints too (`reports.documents`)."""

from typing import Literal

from pydantic import Field

from models.enums import JourneyState
from reports.documents import CustomerView, Document, Moment


class OptOutAnswer(Document):
    """The customer is out of all marketing. `customer` is null for a number that the store does not know yet."""

    store: str
    known: bool
    customer: CustomerView | None


class JourneyStateDocument(Document):
    """Where a journey stands now, and whether the request changed that."""

    store: str
    journey: str
    state: JourneyState
    state_reason: str | None
    changed: bool


class StoppedDocument(Document):
    """A stop: `told` running customers were told to end, `unpaced` were taken off later days.

    The workflows hear of it within a second, or as soon as Temporal is back; no message goes out in between.
    `asked_again` says that the journey is always on and may select somebody again who was taken off a later day, since
    they never were in it; an opt-out keeps them out.
    """

    store: str
    journey: str
    told: int
    unpaced: int
    asked_again: bool


class RunBegunDocument(Document):
    """A run of a tracking journey that has begun; `workflow_id` is its key."""

    store: str
    journey: str
    workflow_id: str


class ConversationDocument(Document):
    """A conversation after a request.

    Attributes:
        known: whether it is known whose it is; until then what is told of it waits.
        applied: how many messages were new; of any other change, 1 if it stands and 0 if something newer is known.
        silent_since: since when our side's word is the last one; null while it is the customer's turn to be answered.
    """

    conversation_id: str
    known: bool
    applied: int
    column: str | None
    is_open: bool
    silent_since: Moment | None


class ExternalDocument(Document):
    """What a report of an external automation changed.

    Attributes:
        until: until when ours stay away.
        took_over: our journey that ends for this customer now.
        kept: our journey that goes on, because its priority is not lower.
    """

    store: str
    name: str
    priority: int
    until: Moment
    took_over: str | None
    kept: str | None


class ExternalEndDocument(Document):
    """Whether the automation was known to write to this customer until now."""

    store: str
    name: str
    ended: bool


class UpDocument(Document):
    """The process is up."""

    status: Literal["up"]


class ReadyDocument(Document):
    """Whether webhooks and requests can be taken: the database answers and its schema fits the code."""

    status: Literal["ready", "not ready"]
    schema_: Literal["current", "newer", "older", "missing"] = Field(serialization_alias="schema")
