"""The closed vocabularies of the house; `docs/words.md` holds the same tables and a test compares them.

Nobody is left out, skipped, held or ended without one of these words. Values are stable: they stand in the
database, in Temporal search attributes and in every `--json` document.
"""

from enum import StrEnum


class JourneyKind(StrEnum):
    """What a journey is for; the kind gives its default priority (`DEFAULT_PRIORITY`)."""

    WIN_BACK = "win_back"
    FOLLOW_UP = "follow_up"
    ABANDONED_CART = "abandoned_cart"
    TRACKING = "tracking"


DEFAULT_PRIORITY: dict[JourneyKind, int] = {
    JourneyKind.WIN_BACK: 50,
    JourneyKind.TRACKING: 55,
    JourneyKind.FOLLOW_UP: 60,
    JourneyKind.ABANDONED_CART: 100,
}


class JourneyState(StrEnum):
    """Where a journey stands in its own life."""

    DRAFT = "draft"
    PENDING = "pending"
    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"
    ARCHIVED = "archived"


class EnrollmentState(StrEnum):
    """Where one customer's passage through a journey stands."""

    STARTING = "starting"
    WAITING = "waiting"
    HOLDING = "holding"
    SENDING = "sending"
    WATCHING = "watching"
    CLOSED = "closed"
    CONTROL = "control"


class ExitReason(StrEnum):
    """Why an enrollment ended."""

    COMPLETED = "completed"
    PURCHASED = "purchased"
    CUSTOMER_REPLIED = "customer_replied"
    UNSUBSCRIBED = "unsubscribed"
    ENTERED_PRIORITY_JOURNEY = "entered_priority_journey"
    CONVERSATION_CLOSED = "conversation_closed"
    MOVED_COLUMN = "moved_column"
    UNDELIVERABLE = "undeliverable"
    HOLD_EXPIRED = "hold_expired"
    REJECTED = "rejected"
    NO_LONGER_ELIGIBLE = "no_longer_eligible"
    STOPPED_BY_STAFF = "stopped_by_staff"
    JOURNEY_STOPPED = "journey_stopped"
    CUSTOMER_MERGED = "customer_merged"
    DATA_ERASED = "data_erased"
    FAILED = "failed"


class LeftOut(StrEnum):
    """Why a considered customer did not enter. A filter's own name follows `filter:` (see `filter_reason`)."""

    NO_PHONE = "no_phone"
    NO_CONSENT = "no_consent"
    UNSUBSCRIBED = "unsubscribed"
    SMART_SENDING = "smart_sending"
    RECENT_ORDER = "recent_order"
    IN_OTHER_JOURNEY = "in_other_journey"
    FILTER_INACTIVE_DAYS = "filter:inactive_days"
    FILTER_LAST_ORDER_TOTAL = "filter:last_order_total"
    FILTER_COLUMN = "filter:column"
    FILTER_CLOSED = "filter:closed"
    FILTER_SILENCE = "filter:silence"
    FILTER_CART = "filter:cart"
    FILTER_CART_TOTAL = "filter:cart_total"
    FILTER_ONLY_NEW = "filter:only_new"
    RE_ENTRY = "re_entry"
    MARKETING_NOT_DELIVERABLE = "marketing_not_deliverable"
    ERASED = "erased"
    LIMIT = "limit"
    PACED = "paced"
    ALREADY_BOUGHT = "already_bought"
    ANALYSED = "analysed"
    ANALYSED_LATELY = "analysed_lately"
    NO_TEXT = "no_text"
    MAX_ATTEMPTS = "max_attempts"
    NOT_VERIFIED = "not_verified"
    MOVED_ON = "moved_on"


class AnswerCode(StrEnum):
    """The one answer to why somebody did, or did not, get a message of a journey."""

    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    NEVER_CONSIDERED = "never_considered"
    SHOP_FILTER = "shop_filter"
    NEXT_SELECTION = "next_selection"
    LEFT_OUT = "left_out"
    PACED = "paced"
    CONTROL = "control"
    ENTERED = "entered"
    HELD = "held"
    SENT = "sent"
    NOT_DELIVERED = "not_delivered"
    FAILED = "failed"
    POSSIBLY_SENT = "possibly_sent"
    SKIPPED = "skipped"
    EXITED = "exited"
    REVIEWED = "reviewed"
    JOURNEY_DRAFT = "journey_draft"
    JOURNEY_PENDING = "journey_pending"
    JOURNEY_PAUSED = "journey_paused"
    JOURNEY_STOPPED = "journey_stopped"
    JOURNEY_ARCHIVED = "journey_archived"


class SkipReason(StrEnum):
    """Why a stage was passed over while its enrollment went on."""

    WINDOW_CLOSED = "window_closed"
    VARIABLE_MISSING = "variable_missing"
    TEMPLATE_DEAD = "template_dead"
    META_DECLINED = "meta_declined"
    REQUEST_REFUSED = "request_refused"
    HOLD_EXPIRED = "hold_expired"
    SMART_SENDING = "smart_sending"
    RECENT_ORDER = "recent_order"
    JOURNEY_PAUSED = "journey_paused"


class HoldReason(StrEnum):
    """Why a stage that is due waits."""

    HOURS = "hours"
    PORTFOLIO_LIMIT = "portfolio_limit"
    TEMPLATE_HELD = "template_held"
    SENDER_PAUSED = "sender_paused"
    CREDENTIAL = "credential"
    NO_CREDITS = "no_credits"
    JOURNEY_PAUSED = "journey_paused"
    APPROVAL = "approval"
    META_RETRY_LATER = "meta_retry_later"
    SEND_UNKNOWN = "send_unknown"


class AttemptStatus(StrEnum):
    """How far one attempt at a message came."""

    CLAIMED = "claimed"
    ACCEPTED = "accepted"
    HELD_BY_META = "held_by_meta"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"
    UNKNOWN = "unknown"


class PauseCause(StrEnum):
    """Why a journey is paused. Staff resume from any; what paused by itself also resumes by itself when it is mended.

    The stop-loss waits for a person.
    """

    STAFF = "staff"
    STOP_LOSS = "stop_loss"
    SHOP_DISCONNECTED = "shop_disconnected"
    CREDENTIAL_REFUSED = "credential_refused"
    PAYMENT_PROBLEM = "payment_problem"


class LaunchState(StrEnum):
    """How far a launch's selection has come."""

    WAITING = "waiting"
    SELECTING = "selecting"
    DECIDING = "deciding"
    STARTING = "starting"
    DONE = "done"
    FAILED = "failed"


class SendState(StrEnum):
    """Where one stage's message to one customer stands, over all its attempts."""

    DRAFTED = "drafted"
    IN_FLIGHT = "in_flight"
    ACCEPTED = "accepted"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PARKED = "parked"
    SKIPPED = "skipped"


class EventKind(StrEnum):
    """What can happen to a customer that a journey must hear of; each but the last ends it."""

    CUSTOMER_REPLIED = "customer_replied"
    ORDER_PLACED = "order_placed"
    UNSUBSCRIBED = "unsubscribed"
    PRIORITY_JOURNEY_ENTERED = "priority_journey_entered"
    CONVERSATION_CHANGED = "conversation_changed"
    STOP = "stop"
    ORDER_CANCELLED = "order_cancelled"


class StoreEventKind(StrEnum):
    """What can happen to a store's sending that its people should hear of; the dotted word is the public name."""

    JOURNEY_PENDING = "journey.pending"
    JOURNEY_LIVE = "journey.live"
    JOURNEY_PAUSED = "journey.paused"
    JOURNEY_RESUMED = "journey.resumed"
    TEMPLATE_STATUS_CHANGED = "template.status_changed"
    TEMPLATE_BLOCKED = "template.blocked"
    NUMBER_QUALITY_CHANGED = "number.quality_changed"
    SENDER_PAUSED = "sender.paused"
    CREDENTIAL_REFUSED = "credential.refused"
    CREDITS_EXHAUSTED = "credits.exhausted"
    RUN_STOPPED = "run.stopped"
    WEBHOOK_DISABLED = "webhook.disabled"


class OutgoingKind(StrEnum):
    """What a store's own systems can be told of by webhook; the dotted word is the event's name there."""

    FOLLOWUP_DETECTED = "followup.detected"
    JOURNEY_EXITED = "journey.exited"
    JOURNEY_PAUSED = "journey.paused"
    JOURNEY_LIVE = "journey.live"
    MESSAGE_FAILED = "message.failed"
    TEMPLATE_STATUS_CHANGED = "template.status_changed"
    WEBHOOK_TEST = "webhook.test"


class DeliveryState(StrEnum):
    """What became of telling one endpoint of one event."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class EndpointEnd(StrEnum):
    """Why an endpoint is told of nothing any more."""

    STAFF = "staff"
    FAILING = "failing"
    GONE = "gone"


class BuyingIntent(StrEnum):
    """How clearly a conversation shows that the customer wants to buy, weakest first."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class SaleStanding(StrEnum):
    """What became of the sale that a conversation is about, as far as the conversation tells."""

    OPEN = "open"
    COMPLETED = "completed"
    ELSEWHERE = "elsewhere"


class RunState(StrEnum):
    """How far a run of a tracking journey has come; a stopped one says why and sends nothing more."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


class RunTrigger(StrEnum):
    """Who began a run."""

    SCHEDULE = "schedule"
    STAFF = "staff"


class ReviewOutcome(StrEnum):
    """What a run came to about one conversation; LEFT_OUT carries a `LeftOut` word beside it."""

    WAITING = "waiting"
    LEFT_OUT = "left_out"
    NOT_DETECTED = "not_detected"
    OPTED_OUT = "opted_out"
    UNREADABLE = "unreadable"
    DETECTED = "detected"
    BOUGHT = "bought"
    REPORTED = "reported"
    ENROLLED = "enrolled"
    CONTROL = "control"


class CreditKind(StrEnum):
    """What a line of a store's ledger is."""

    OPENING = "opening"
    TOP_UP = "top_up"
    MESSAGE = "message"
    GENERATION = "generation"
    ANALYSIS = "analysis"


class CreditState(StrEnum):
    """How final a line of a store's ledger is."""

    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


class ConsentState(StrEnum):
    """Consent to marketing over WhatsApp: Shopify's `CustomerMarketingConsentState` in lower case."""

    NEVER_SUBSCRIBED = "never_subscribed"
    PENDING = "pending"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    REDACTED = "redacted"


WITHDRAWN_CONSENT = frozenset({ConsentState.UNSUBSCRIBED, ConsentState.REDACTED})


class MessageAuthor(StrEnum):
    """Who wrote a chat message. A journey's own messages neither begin a silence nor end one."""

    CUSTOMER = "customer"
    AGENT = "agent"
    BOT = "bot"
    JOURNEY = "journey"


class StaffRole(StrEnum):
    """What the holder of an API key may do: support reads and stops one customer, a marketer does everything."""

    SUPPORT = "support"
    MARKETER = "marketer"


class PrivacyRequestKind(StrEnum):
    """What a shop asked on behalf of a person, or of itself when it leaves (Shopify's compliance topics)."""

    DATA_REQUEST = "data_request"
    CUSTOMER_REDACT = "customer_redact"
    SHOP_REDACT = "shop_redact"


class AttributedBy(StrEnum):
    """What ties an order to a journey (DESIGN section 5)."""

    WINDOW = "window"
    COUPON = "coupon"


class LiftAnswer(StrEnum):
    """What a journey's holdout says of what the journey brought."""

    NO_HOLDOUT = "no_holdout"
    NOT_ENOUGH_DATA = "not_enough_data"
    NO_DIFFERENCE = "no_difference"
    GAIN = "gain"
    LOSS = "loss"


class TemplateStatus(StrEnum):
    """Meta's template states; a value not listed here counts as `UNKNOWN` and is not sendable."""

    APPROVED = "APPROVED"
    PENDING = "PENDING"
    REJECTED = "REJECTED"
    PAUSED = "PAUSED"
    DISABLED = "DISABLED"
    FLAGGED = "FLAGGED"
    REINSTATED = "REINSTATED"
    IN_APPEAL = "IN_APPEAL"
    PENDING_DELETION = "PENDING_DELETION"
    DELETED = "DELETED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    LOCKED = "LOCKED"
    ARCHIVED = "ARCHIVED"
    UNARCHIVED = "UNARCHIVED"
    UNKNOWN = "UNKNOWN"


SENDABLE_TEMPLATE_STATUSES = frozenset({TemplateStatus.APPROVED, TemplateStatus.FLAGGED, TemplateStatus.REINSTATED})
