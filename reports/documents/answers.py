"""The one answer about a customer and a journey, and the documents that give it."""

from models.enums import AnswerCode, JourneyKind, JourneyState
from reports.documents.base import Document, Moment
from reports.documents.entering import CustomerView, DecisionView, PacedView, PendingView, ReviewView, VerdictView
from reports.documents.passages import EnrollmentView
from reports.documents.senders import SenderView


class AnswerView(Document):
    """The one answer to why somebody did, or did not, get a message of a journey; the rest is its evidence.

    Attributes:
        code: what the answer is.
        text: the same in plain words, with local times.
        since: from when on it is so: the decision, the entry, the hold, the exit; null where that is not on record.
        until: until when, or when the next thing happens by itself; null where an event is waited for, or nothing is.
        advice: what to do, where something can be done.
    """

    code: AnswerCode
    text: str
    since: Moment | None
    until: Moment | None
    advice: str | None


class JourneyAnswer(Document):
    """The answer for one of the store's journeys."""

    journey: str
    kind: JourneyKind
    state: JourneyState
    answer: AnswerView


class WhyNotDocument(Document):
    """`why-not`. `refreshed` tells whether the shop was asked for the customer's latest.

    Attributes:
        answer: why they did, or did not, get a message of the journey.
        verdict: its rules, evaluated now.
        enrollments: their passages through the journey, newest first.
        paced: the later day that they wait for.
        reviews: what the runs of a tracking journey last came to about them.
    """

    store: str
    answer: AnswerView
    customer: CustomerView
    refreshed: bool
    verdict: VerdictView
    enrollments: list[EnrollmentView]
    paced: list[PacedView]
    decisions: list[DecisionView]
    reviews: list[ReviewView]


class StatusDocument(Document):
    """`status`. `why_not` is evaluated now for every active journey, for a customer who is in none.

    `answers` is the one answer for each journey that is under way or has to do with them. `pending` are the store's
    journeys that take nobody yet; `reviews` is what daily reviews last came to about them.
    """

    store: str
    answers: list[JourneyAnswer]
    sender: SenderView
    customer: CustomerView
    enrollments: list[EnrollmentView]
    paced: list[PacedView]
    decisions: list[DecisionView]
    reviews: list[ReviewView]
    why_not: list[VerdictView]
    pending: list[PendingView]
