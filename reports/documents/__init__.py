"""The documents that the command line and the staff API answer with alike.

Scripts and other systems depend on these: fields are added, never renamed or taken away. A key is always there, null
where nothing stands; a count by words has every word. Times are RFC 3339 in UTC, money is a decimal string beside its
currency, and phone numbers are masked.
"""

from reports.documents.answers import AnswerView, JourneyAnswer, StatusDocument, WhyNotDocument
from reports.documents.approvals import ApprovalsDocument, DecisionDocument, WaitingMessage
from reports.documents.base import Amount, Document, Moment, rfc3339
from reports.documents.entering import (
    CustomerView,
    DecisionView,
    PacedView,
    PendingView,
    ReviewLine,
    ReviewView,
    RuleView,
    VerdictView,
)
from reports.documents.journeys import (
    Audience,
    DailyView,
    FieldChange,
    JourneyLine,
    JourneysDocument,
    StopDocument,
    VersionStage,
)
from reports.documents.passages import (
    AttemptView,
    CartView,
    ConversationView,
    EnrollmentView,
    ExitView,
    HoldView,
    MessageView,
    NextAction,
    OrderView,
    TimelineLine,
)
from reports.documents.senders import SenderView, WarmUpView

__all__ = [
    "Amount",
    "AnswerView",
    "ApprovalsDocument",
    "AttemptView",
    "Audience",
    "CartView",
    "ConversationView",
    "CustomerView",
    "DailyView",
    "DecisionDocument",
    "DecisionView",
    "Document",
    "EnrollmentView",
    "ExitView",
    "FieldChange",
    "HoldView",
    "JourneyAnswer",
    "JourneyLine",
    "JourneysDocument",
    "MessageView",
    "Moment",
    "NextAction",
    "OrderView",
    "PacedView",
    "PendingView",
    "ReviewLine",
    "ReviewView",
    "RuleView",
    "SenderView",
    "StatusDocument",
    "StopDocument",
    "TimelineLine",
    "VerdictView",
    "VersionStage",
    "WaitingMessage",
    "WarmUpView",
    "WhyNotDocument",
    "rfc3339",
]
