"""The tables as SQL expressions, for statements that are about columns and never about objects."""

from typing import Any, TypeAlias, cast

from sqlalchemy import ColumnElement, Select, Table, select
from sqlmodel import SQLModel

from models import tables

Query: TypeAlias = Select[*tuple[Any, ...]]
"""A query of any columns."""


def pick(*columns: ColumnElement[Any]) -> Query:
    """A query of these columns."""
    return select(*columns)


def _table(model: type[SQLModel]) -> Table:
    return cast("Table", model.__table__)  # type: ignore[attr-defined]


ANALYSES = _table(tables.ConversationAnalysis)
ATTEMPTS = _table(tables.SendAttempt)
CHAT_MESSAGES = _table(tables.ChatMessage)
CHECKOUTS = _table(tables.Checkout)
CONVERSATIONS = _table(tables.Conversation)
COUPON_ISSUES = _table(tables.CouponIssue)
CREDITS = _table(tables.CreditEntry)
CUSTOMERS = _table(tables.Customer)
DECISIONS = _table(tables.EntryDecision)
ENROLLMENTS = _table(tables.Enrollment)
EVENTS = _table(tables.CustomerEvent)
ORDERS = _table(tables.Order)
PACED = _table(tables.Paced)
SENDS = _table(tables.Send)
VERSIONS = _table(tables.JourneyVersion)
WATCH_ANSWERS = _table(tables.WatchAnswer)
