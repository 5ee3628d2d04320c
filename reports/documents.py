"""The documents that the command line and the staff API answer with alike.

Scripts and other systems depend on these: fields are added, never renamed or taken away. A key is always there, null
where nothing stands; a count by words has every word. Times are RFC 3339 in UTC, money is a decimal string beside its
currency, and phone numbers are masked.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from models.enums import (
    AnswerCode,
    AttemptStatus,
    AttributedBy,
    BuyingIntent,
    ConsentState,
    EnrollmentState,
    HoldReason,
    JourneyKind,
    JourneyState,
    LeftOut,
    ReviewOutcome,
    SaleStanding,
    SendState,
    SkipReason,
)
from models.money import Money


def rfc3339(at: datetime) -> str:
    """The moment in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}),
]


class Document(BaseModel):
    """Base of everything that is printed as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Amount(Document):
    """Money in major units."""

    amount: str = Field(pattern=r"^-?\d+(\.\d+)?$")
    currency: str

    @classmethod
    def of(cls, money: Money) -> "Amount":
        """The amount as its currency is written."""
        return cls(amount=str(money.amount), currency=money.currency)


class StopDocument(Document):
    """`stop`. `told` counts those who were told now; `delivered` is false while Temporal has yet to hear of it."""

    store: str
    journey: str
    customer: str | None
    told: int
    unpaced: int
    delivered: bool


class VersionStage(Document):
    """How many wait for one stage of one version; `stage` counts from 1 and is null when only the watch is left."""

    version: int
    stage: int | None
    customers: int


class Audience(Document):
    """Everybody considered has one outcome: `considered` is the sum of the others."""

    considered: int
    entered: int
    control: int
    paced: int
    skipped: dict[str, int]


class FieldChange(Document):
    """One field of a journey file that says something else; null where it is not set."""

    field: str
    before: str | None
    after: str | None


class DailyView(Document):
    """An always-on win-back: its audience is selected every day at `at` (`HH:MM` by the store's clock).

    `next_at` is null while the journey does not run.
    """

    at: str
    limit: int | None
    only_new: bool
    since: Moment
    next_at: Moment | None


class JourneyLine(Document):
    """One journey with its counts; `exits` splits purchases by attribution as it stands now.

    `versions` counts everybody who ever entered with each, `running` those who are under way. `next_run_at` is when an
    active tracking journey reviews conversations next, `next_selection_at` when the audience of an active always-on
    win-back is selected next.
    """

    name: str
    kind: JourneyKind
    priority: int
    state: JourneyState
    state_reason: str | None
    versions: dict[int, int]
    enrollments: dict[str, int]
    exits: dict[str, int]
    paced: int
    running: list[VersionStage]
    next_run_at: Moment | None
    next_selection_at: Moment | None


class JourneysDocument(Document):
    """`journeys`."""

    store: str
    journeys: list[JourneyLine]


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


class NextAction(Document):
    """What happens next. `at` is null where an event is waited for."""

    text: str
    at: Moment | None
    at_local: str | None


class WarmUpView(Document):
    """A number's warm-up; `day` counts the days on which it sends, today's included."""

    start: int
    grow: str
    ceiling: str
    day: int


class SenderView(Document):
    """A store's number, its limits on new recipients in 24 hours, and what is used of them.

    `daily_limit` is the portfolio's, null for none or none told; `allowance` the number's own, while it is warmed up or
    of low quality. Counts are null where nothing is counted yet.
    """

    quality: str | None
    daily_limit: int | None
    recipients: int | None
    allowance: int | None
    allowance_recipients: int | None
    warm_up: WarmUpView | None
    messages_per_second: int


class HoldView(Document):
    """Why a stage that is due waits."""

    reason: HoldReason
    text: str
    until: Moment | None


class ExitView(Document):
    """How an enrollment ended; `purchased` splits into itself and `purchased_elsewhere` by attribution."""

    reason: str
    text: str
    at: Moment | None
    event: str | None
    event_at: Moment | None


class AttemptView(Document):
    """One try at a message; `settled_by` is whose word its status is, where it is not WhatsApp's."""

    number: int
    status: AttemptStatus
    error_code: int | None
    error_text: str | None
    claimed_at: Moment
    accepted_at: Moment | None
    sent_at: Moment | None
    delivered_at: Moment | None
    read_at: Moment | None
    failed_at: Moment | None
    settled_by: str | None
    settled_by_at: Moment | None


class MessageView(Document):
    """One stage's message; `text` is what the customer saw, or will see.

    `fate` says in a sentence what became of it, and `advice` what to do about that.
    `approval_id` is what `approve` and `reject` take while it waits for a person, and null at any other time.
    `can_settle` tells that nobody knows whether it went: `sends settle` takes its `send_id`.
    """

    send_id: int
    can_settle: bool

    stage: int
    approval_id: str | None
    state: SendState
    template: str | None
    language: str | None
    text: str | None
    coupon_code: str | None
    written_by: str | None
    skip_reason: SkipReason | None
    fate: str
    advice: str | None
    attempts: list[AttemptView]


class TimelineLine(Document):
    """One line of an enrollment's story."""

    at: Moment
    what: str
    text: str


class OrderView(Document):
    """An order that the journey heard of or is credited with."""

    order_id: str
    ordered_at: Moment
    total: Amount
    attributed_by: AttributedBy | None
    attributed_here: bool


class ConversationView(Document):
    """The conversation that a follow-up is about; `silent_since` is null while the customer spoke last."""

    column: str | None
    is_open: bool
    silent_since: Moment | None


class CartView(Document):
    """The checkout that an abandoned-cart journey is about."""

    total: Amount
    idle_since: Moment | None
    completed_at: Moment | None


class EnrollmentView(Document):
    """One passage through a journey. `stage` counts from 1 and is null when no message is left."""

    workflow_id: str
    journey: str
    kind: JourneyKind
    version: int
    state: EnrollmentState
    stage: int | None
    stages: int
    entered_at: Moment
    next_action: NextAction | None
    hold: HoldView | None
    exit: ExitView | None
    conversation: ConversationView | None
    cart: CartView | None
    messages: list[MessageView]
    orders: list[OrderView]
    timeline: list[TimelineLine]


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
