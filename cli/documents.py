"""The JSON documents of the command line; `docs/schemas/` is generated from them (`python -m cli.schemas`).

Scripts depend on these: fields are added, never renamed or taken away. A key is always there, null where nothing
stands; a count by words has every word. Times are RFC 3339 in UTC, money is a decimal string beside its currency, and
phone numbers are masked.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema

from models.enums import (
    AttemptStatus,
    AttributedBy,
    ConsentState,
    EnrollmentState,
    HoldReason,
    JourneyKind,
    JourneyState,
    SendState,
    SkipReason,
    TemplateStatus,
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


class FailureDocument(Document):
    """Any command that did not do what was asked: what also stands on stderr."""

    exit_code: int
    problems: list[str]


# --- validate --------------------------------------------------------------------------------------------------------


class FileProblem(Document):
    """One thing to change in a journey file; line and column count from 1."""

    line: int
    column: int
    field: str
    text: str


class StageSummary(Document):
    """One message of a journey."""

    after: str
    templates: list[str]
    written_by: Literal["template", "text", "model"]


class JourneySummary(Document):
    """What a journey file says."""

    name: str
    kind: JourneyKind
    priority: int
    inactive_days: int
    inactive_days_max: int | None
    control_percent: int
    coupon: str | None
    stages: list[StageSummary]
    hours: str
    weekdays: list[str]
    time_zone: str
    max_per_day: int
    attribution_days: int
    watch_days: int
    content_hash: str


class ValidateDocument(Document):
    """`validate`."""

    file: str
    valid: bool
    problems: list[FileProblem]
    warnings: list[str]
    journey: JourneySummary | None


# --- store -----------------------------------------------------------------------------------------------------------


class StoreView(Document):
    """A store without its secrets."""

    name: str
    time_zone: str
    currency: str
    languages: list[str]
    default_region: str | None
    phone_number_id: str
    waba_id: str
    shop_domain: str
    created_at: Moment


class StoreListDocument(Document):
    """`store list`."""

    stores: list[StoreView]


class StoreAddDocument(Document):
    """`store add`."""

    store: StoreView
    replaced: bool
    health_watch: bool


class Finding(Document):
    """One thing that was looked at. `advice` says what to do about a fault."""

    subject: str
    state: Literal["ok", "warning", "fault"]
    text: str
    advice: str | None = None


class StoreCheckDocument(Document):
    """`store check`."""

    store: str
    ok: bool
    findings: list[Finding]


class DoctorDocument(Document):
    """`doctor`."""

    ok: bool
    findings: list[Finding]


# --- launch, stop, journeys ------------------------------------------------------------------------------------------


class Audience(Document):
    """Everybody considered has one outcome: `considered` is the sum of the others."""

    considered: int
    entered: int
    control: int
    paced: int
    skipped: dict[str, int]


class LaunchDocument(Document):
    """`launch`."""

    launch_id: int
    store: str
    journey: str
    version: int
    audience: Audience
    entrants_by_day: dict[date, int]
    messages_by_day: dict[date, int]
    warnings: list[str]


class StopDocument(Document):
    """`stop`. `told` counts those who were told now; `delivered` is false while Temporal has yet to hear of it."""

    store: str
    journey: str
    customer: str | None
    told: int
    unpaced: int
    delivered: bool


class JourneyLine(Document):
    """One journey with its counts; `exits` splits purchases by attribution as it stands now."""

    name: str
    kind: JourneyKind
    priority: int
    state: JourneyState
    state_reason: str | None
    versions: dict[int, int]
    enrollments: dict[str, int]
    exits: dict[str, int]
    paced: int


class JourneysDocument(Document):
    """`journeys`."""

    store: str
    journeys: list[JourneyLine]


# --- status, why-not -------------------------------------------------------------------------------------------------


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


class NextAction(Document):
    """What happens next. `at` is null where an event is waited for."""

    text: str
    at: Moment | None
    at_local: str | None


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
    """One try at a message."""

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


class MessageView(Document):
    """One stage's message; `text` is what the customer saw, or will see."""

    stage: int
    state: SendState
    template: str | None
    language: str | None
    text: str | None
    coupon_code: str | None
    written_by: str | None
    skip_reason: SkipReason | None
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


class EnrollmentView(Document):
    """One passage through a journey. `stage` counts from 1 and is null when no message is left."""

    workflow_id: str
    journey: str
    version: int
    state: EnrollmentState
    stage: int | None
    stages: int
    entered_at: Moment
    next_action: NextAction | None
    hold: HoldView | None
    exit: ExitView | None
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
    """A later day on which the customer enters if the rules still let them."""

    journey: str
    day: date


class RuleView(Document):
    """One entry rule, with what was seen and what it asks."""

    rule: str
    passed: bool
    seen: str
    threshold: str


class VerdictView(Document):
    """Whether a customer may enter a journey now; `reason` is the first rule that says no."""

    journey: str
    may_enter: bool
    reason: str | None
    rules: list[RuleView]


class StatusDocument(Document):
    """`status`. `why_not` is evaluated now for every active journey, for a customer who is in none."""

    store: str
    customer: CustomerView
    enrollments: list[EnrollmentView]
    paced: list[PacedView]
    decisions: list[DecisionView]
    why_not: list[VerdictView]


class WhyNotDocument(Document):
    """`why-not`. `refreshed` tells whether the shop was asked for the customer's latest."""

    store: str
    customer: CustomerView
    refreshed: bool
    verdict: VerdictView
    decisions: list[DecisionView]


# --- templates, customers, history -----------------------------------------------------------------------------------


class TemplateView(Document):
    """One template in one language."""

    name: str
    language: str
    status: TemplateStatus
    sendable: bool
    category: str | None
    variables: list[str]
    body: str
    synced_at: Moment


class TemplatesDocument(Document):
    """`templates`."""

    store: str
    synced: bool
    templates: list[TemplateView]


class BadLine(Document):
    """A line of an import that cannot be used."""

    line: int
    reason: str


class ImportDocument(Document):
    """`customers import`."""

    store: str
    imported: int
    suppressed: int
    bad_rows: list[BadLine]


class OptOutDocument(Document):
    """`customers opt-out`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    phone: str
    known: bool
    delivered: bool


class HistoryDocument(Document):
    """`history`."""

    workflow_id: str
    file: str
    events: int


DOCUMENTS: dict[str, type[Document]] = {
    "failure": FailureDocument,
    "validate": ValidateDocument,
    "store-list": StoreListDocument,
    "store-add": StoreAddDocument,
    "store-check": StoreCheckDocument,
    "doctor": DoctorDocument,
    "launch": LaunchDocument,
    "stop": StopDocument,
    "journeys": JourneysDocument,
    "status": StatusDocument,
    "why-not": WhyNotDocument,
    "templates": TemplatesDocument,
    "customers-import": ImportDocument,
    "customers-opt-out": OptOutDocument,
    "history": HistoryDocument,
}
"""Every document by the name of its schema in `docs/schemas/`."""
