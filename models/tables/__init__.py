"""Every table of the database, in the words of `docs/words.md`; the schema itself is made by Alembic (`migrations/`).

Rules that hold for all of them: a row belongs to one store; time is aware UTC (`UtcDateTime`); money is minor units
beside its currency; secrets are ciphertext; phones, names and texts stand here and nowhere in Temporal. All modules are
imported here, so that foreign keys and the metadata are complete whichever table somebody asks for.
"""

from models.tables.credits import CreditEntry
from models.tables.inbox import AppliedPiece, SignalIntent, WebhookUpdate
from models.tables.journeys import (
    CouponIssue,
    DailySelection,
    Enrollment,
    EntryDecision,
    Journey,
    JourneyPause,
    JourneyVersion,
    JourneyWatch,
    Launch,
    LaunchCandidate,
    Paced,
    TimelineEntry,
    WatchAnswer,
)
from models.tables.limits import RecipientWindow, WindowRecipient
from models.tables.merchants import ApiKey, Number, Shop, Store, Template, TemplateSubstitution
from models.tables.people import (
    ChatMessage,
    Checkout,
    ConsentWriteBack,
    Conversation,
    ConversationRef,
    Customer,
    CustomerEvent,
    ExternalJourney,
    NumberMove,
    Order,
    PrivacyRequest,
    Refund,
    Suppression,
)
from models.tables.rates import ExchangeRate
from models.tables.sending import ModelCall, Send, SendAttempt, UnmatchedStatus
from models.tables.store_events import StoreEvent
from models.tables.tracking import AnalysisCall, ConversationAnalysis, Review, TrackingRun
from models.tables.webhooks import OutgoingEvent, WebhookDelivery, WebhookEndpoint

__all__ = [
    "AnalysisCall",
    "ApiKey",
    "AppliedPiece",
    "ChatMessage",
    "Checkout",
    "ConsentWriteBack",
    "Conversation",
    "ConversationAnalysis",
    "ConversationRef",
    "CouponIssue",
    "CreditEntry",
    "Customer",
    "CustomerEvent",
    "DailySelection",
    "Enrollment",
    "EntryDecision",
    "ExchangeRate",
    "ExternalJourney",
    "Journey",
    "JourneyPause",
    "JourneyVersion",
    "JourneyWatch",
    "Launch",
    "LaunchCandidate",
    "ModelCall",
    "Number",
    "NumberMove",
    "Order",
    "OutgoingEvent",
    "Paced",
    "PrivacyRequest",
    "RecipientWindow",
    "Refund",
    "Review",
    "Send",
    "SendAttempt",
    "Shop",
    "SignalIntent",
    "Store",
    "StoreEvent",
    "Suppression",
    "Template",
    "TemplateSubstitution",
    "TimelineEntry",
    "TrackingRun",
    "UnmatchedStatus",
    "WatchAnswer",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookUpdate",
    "WindowRecipient",
]
