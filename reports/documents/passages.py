"""One customer's passage through a journey: what happens next, its messages, and everything that happened."""

from models.enums import AttemptStatus, AttributedBy, EnrollmentState, HoldReason, JourneyKind, SendState, SkipReason
from reports.documents.base import Amount, Document, Moment


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
