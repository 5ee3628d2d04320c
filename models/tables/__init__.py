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
    Launch,
    LaunchCandidate,
    Paced,
    TimelineEntry,
)
from models.tables.merchants import Number, Shop, Store, Template
from models.tables.people import ChatMessage, Conversation, Customer, CustomerEvent, Order, Suppression
from models.tables.sending import ModelCall, Send, SendAttempt, UnmatchedStatus

__all__ = [
    "AppliedPiece",
    "ChatMessage",
    "Conversation",
    "CouponIssue",
    "Customer",
    "CustomerEvent",
    "Enrollment",
    "EntryDecision",
    "Journey",
    "JourneyVersion",
    "Launch",
    "LaunchCandidate",
    "ModelCall",
    "Number",
    "Order",
    "Paced",
    "Send",
    "SendAttempt",
    "Shop",
    "SignalIntent",
    "Store",
    "Suppression",
    "Template",
    "TimelineEntry",
    "UnmatchedStatus",
    "WebhookUpdate",
]
