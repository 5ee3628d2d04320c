"""Who a customer is, whether they may enter, and what was decided about them."""

from datetime import date

from models.enums import BuyingIntent, ConsentState, JourneyKind, LeftOut, ReviewOutcome, SaleStanding
from reports.documents.base import Amount, Document, Moment


class CustomerView(Document):
    """Who it is about."""

    customer_id: str | None
    phone: str | None
    first_name: str | None
    language: str | None
    time_zone: str | None
    consent: ConsentState
    consent_at: Moment | None
    opted_out_at: Moment | None
    opt_out_source: str | None
    erased_at: Moment | None
    last_order_at: Moment | None
    last_order_total: Amount | None


class DecisionView(Document):
    """An entry decision on record."""

    journey: str
    at: Moment
    outcome: str
    seen: str
    threshold: str


class PacedView(Document):
    """A later day on which the customer enters if the rules still let them; `before` of the journey come first."""

    journey: str
    day: date
    before: int


class PendingView(Document):
    """A journey that takes nobody before its templates are approved."""

    journey: str
    waits_for: str | None


class RuleView(Document):
    """One entry rule, with what was seen and what it asks.

    `passes_at` is when one that says no will let the customer in if nothing new happens; null where nobody can tell.
    """

    rule: str
    passed: bool
    seen: str
    threshold: str
    passes_at: Moment | None


class VerdictView(Document):
    """Whether a customer may enter a journey now; `reason` is the first rule that says no.

    Of a tracking journey: whether a run would have the model read their newest conversation.
    """

    journey: str
    kind: JourneyKind
    may_enter: bool
    reason: str | None
    rules: list[RuleView]


class ReviewLine(Document):
    """What a run came to about one conversation; what the customer said is not part of it.

    Attributes:
        position: its place among those to be analysed; null for who was left out before.
        customer_id: the shop's own number of the customer.
        reason: with `left_out` the word, with its value and what the rule asks in `seen` and `threshold`.
        seen: also why a conversation was unreadable.
        intent: what the model found; null where it was not asked, or has not answered.
        order_found: whether the shop or the CRM knew of an order; null where nobody asked.
        attempt: which contact of the opportunity it was.
        enrollment: the journey that it led to, for `status --workflow-id`.
    """

    review_id: int
    position: int | None
    customer_id: str | None
    phone: str | None
    first_name: str | None
    wrote_at: Moment
    at: Moment
    outcome: ReviewOutcome
    reason: LeftOut | None
    seen: str
    threshold: str
    intent: BuyingIntent | None
    sale: SaleStanding | None
    order_found: bool | None
    attempt: int | None
    enrollment: str | None


class ReviewView(Document):
    """What a run of a journey came to about a customer's conversation."""

    journey: str
    run_id: int
    began_at: Moment
    review: ReviewLine
