"""Messages that wait for a person."""

from typing import Literal

from reports.documents.base import Document, Moment
from reports.documents.entering import CustomerView


class WaitingMessage(Document):
    """A message that a person has to read before it goes.

    Attributes:
        approval_id: names the message with its text as it is now; a rewritten one has another.
        revision: how often the text was written; the part of `approval_id` behind the point.
        text: what the customer would see now.
        text_later: what they would see instead once WhatsApp's 24-hour window is closed; null where that is the same
            text, or nothing goes then.
        expires_at: when it is passed over, or the journey ends, unless somebody decides.
    """

    approval_id: str
    send_id: int
    revision: int
    workflow_id: str
    journey: str
    stage: int
    customer: CustomerView
    template: str | None
    language: str | None
    text: str | None
    text_later: str | None
    written_by: str | None
    drafted_at: Moment | None
    expires_at: Moment | None


class DecisionDocument(Document):
    """What was decided about a message that waited; `revision` says about which of its texts."""

    send_id: int
    revision: int
    workflow_id: str
    decision: Literal["approved", "rejected"]


class ApprovalsDocument(Document):
    """The messages that wait for a person, oldest first. `next` asks for the following ones; null at the end."""

    store: str
    waiting: list[WaitingMessage]
    next: int | None
