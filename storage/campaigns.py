"""Marketing that somebody else sent on the store's number, which smart sending counts like another journey's.

A template that went out by none of our journeys is known as an echo of WhatsApp's, or from the chat tool with
WhatsApp's id. What has no such id might be a message of our own that the tool tells of, and does not count.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, func, literal_column
from sqlmodel import col, select

from models.columns import UtcDateTime
from models.tables import ChatMessage, Conversation

# Written out, as the partial index is: a bound value would keep the database from using it.
_IN_WORDS: Final = (
    "(chat_message.kind = 'template' AND chat_message.author <> 'journey' AND chat_message.wamid IS NOT NULL)"
)
_OF_A_CAMPAIGN: Final[ColumnElement[bool]] = literal_column(_IN_WORDS)

CAMPAIGN_AT: Final = literal_column(
    "(SELECT max(chat_message.at) FROM chat_message "  # noqa: S608 - of constants only
    "JOIN conversation ON conversation.id = chat_message.conversation_id "
    f"WHERE conversation.customer_id = enrollment.customer_id AND {_IN_WORDS})",
    UtcDateTime,
)
"""When the enrollment's customer last got one, for a statement that has `Enrollment` under its own name."""


def latest_campaigns(customer_ids: Sequence[int]) -> Any:
    """The customers who got one, each with the moment of the latest."""
    return (
        select(Conversation.customer_id, func.max(ChatMessage.at))
        .join(ChatMessage, col(ChatMessage.conversation_id) == col(Conversation.id))
        .where(col(Conversation.customer_id).in_(customer_ids), _OF_A_CAMPAIGN)
        .group_by(col(Conversation.customer_id))
    )
