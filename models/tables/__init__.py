"""Every table of the database, in the words of `docs/words.md`; the schema itself is made by Alembic (`migrations/`).

Rules that hold for all of them: a row belongs to one store; time is aware UTC (`UtcDateTime`); money is minor units
beside its currency; secrets are ciphertext; phones, names and texts stand here and nowhere in Temporal. All modules are
imported here, so that foreign keys and the metadata are complete whichever table somebody asks for.
"""

from models.tables.inbox import AppliedPiece, SignalIntent, WebhookUpdate
from models.tables.journeys import (
    CouponIssue,
    Enrollment,
    EntryDecision,
    Journey,
    JourneyVersion,
    JourneyWatch,
    Launch,
    LaunchCandidate,
    Paced,
    TimelineEntry,
    WatchAnswer,
)
from models.tables.merchants import ApiKey, Number, Shop, Store, Template
from models.tables.people import (
    ChatMessage,
    Checkout,
    ConsentWriteBack,
    Conversation,
    ConversationRef,
    Customer,
    CustomerEvent,
    ExternalJourney,
    Order,
    PrivacyRequest,
    Refund,
    Suppression,
)
from models.tables.sending import ModelCall, Send, SendAttempt, UnmatchedStatus
from models.tables.store_events import StoreEvent

__all__ = [
    "ApiKey",
    "AppliedPiece",
    "ChatMessage",
    "Checkout",
    "ConsentWriteBack",
    "Conversation",
    "ConversationRef",
    "CouponIssue",
    "Customer",
    "CustomerEvent",
    "Enrollment",
    "EntryDecision",
    "ExternalJourney",
    "Journey",
    "JourneyVersion",
    "JourneyWatch",
    "Launch",
    "LaunchCandidate",
    "ModelCall",
    "Number",
    "Order",
    "Paced",
    "PrivacyRequest",
    "Refund",
    "Send",
    "SendAttempt",
    "Shop",
    "SignalIntent",
    "Store",
    "StoreEvent",
    "Suppression",
    "Template",
    "TimelineEntry",
    "UnmatchedStatus",
    "WatchAnswer",
    "WebhookUpdate",
]
