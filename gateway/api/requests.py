"""What the API takes. Unknown keys are refused, texts fit every database, moments carry their zone."""

from datetime import timedelta
from typing import Annotated, Any, Final, Self

from fastapi import Path
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from models import chat_values
from models.chat_values import DealContext, StoredText
from models.enums import MessageAuthor
from models.message import LONGEST_TEXT
from storage.pausing import Missed

MAX_MESSAGES: Final = 100
Moment = Annotated[
    chat_values.Moment, Field(description="RFC 3339 with its offset.", examples=["2026-11-22T12:00:00Z"])
]


class Request(BaseModel):
    """Base of everything that is sent to the API."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Who(Request):
    """One customer, named in exactly one way."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    phone: StoredText | None = Field(
        default=None,
        max_length=40,
        description="The number, written in any way; without `+` it is read as the store's region writes it.",
        examples=["+44 7700 900123"],
    )
    user_id: StoredText | None = Field(
        default=None, min_length=1, max_length=128, description="WhatsApp's business-scoped user id."
    )
    reference: StoredText | None = Field(
        default=None, min_length=1, max_length=64, description="The shop's own id of the customer."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(value is not None for value in (self.phone, self.user_id, self.reference)) != 1:
            raise ValueError("name the customer in exactly one way: phone, user_id or reference")
        return self


class ChatPartner(Request):
    """With whom a conversation is: a phone, WhatsApp's user id, or both."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    phone: StoredText | None = Field(
        default=None, max_length=40, description="The number.", examples=["+44 7700 900123"]
    )
    user_id: StoredText | None = Field(
        default=None, min_length=1, max_length=128, description="WhatsApp's business-scoped user id."
    )

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if self.phone is None and self.user_id is None:
            raise ValueError("name the customer: phone, user_id or both")
        return self


class PauseRequest(Request):
    """Why a journey is paused."""

    reason: StoredText | None = Field(
        default=None, min_length=1, max_length=200, description="Shown by `journeys`.", examples=["stock is out"]
    )


class ResumeRequest(Request):
    """What becomes of the messages that came due during the pause."""

    missed: Missed = Field(
        default=Missed.SEND,
        description="`send` lets them go now, within the sending hours; `skip` passes them over and goes on with the "
        "next message. Whoever comes due from now on is written to as ever.",
    )


class DailyRequest(Request):
    """How a win-back is always on."""

    at: str = Field(
        pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$",
        description="`HH:MM` by the store's clock: when its audience is selected every day.",
        examples=["09:30"],
    )
    limit: StrictInt | None = Field(
        default=None,
        ge=1,
        le=2**31 - 1,
        description="At most so many enter a day; everybody who qualifies if left out.",
    )
    only_new: bool = Field(default=False, description="Leave out who was ever in the journey.")


class DecisionRequest(Request):
    """Which text a decision is about."""

    revision: StrictInt | None = Field(
        default=None,
        ge=0,
        le=2**31,
        description="`revision` of the message as it was read: a decision about a text that has changed since is "
        "refused. The text of now if left out.",
    )


class ApproveRequest(DecisionRequest):
    """A yes, to the text that waits or to another one."""

    text: StoredText | None = Field(
        default=None,
        min_length=1,
        max_length=LONGEST_TEXT,
        description="What goes instead of the text that waits: complete, without placeholders. It is held to what a "
        "generated text is held to.",
    )


class ToldMessage(Request):
    """One message of a conversation, of customer, agent or bot; what journeys send is known already."""

    id: StoredText = Field(
        min_length=1, max_length=200, description="The tool's own id of the message; the same id is taken once."
    )
    author: MessageAuthor = Field(
        description="`customer`, `agent` or `bot`.", json_schema_extra={"enum": ["customer", "agent", "bot"]}
    )
    text: StoredText | None = Field(default=None, max_length=65_536, description="Its words, if it has any.")
    kind: StoredText = Field(default="text", min_length=1, max_length=40, description="`text`, `image` and so on.")
    at: Moment
    wamid: StoredText | None = Field(
        default=None,
        min_length=1,
        max_length=255,
        description="WhatsApp's id of it, if the tool knows: the message is then recognised in WhatsApp's webhooks.",
    )

    @model_validator(mode="after")
    def _not_a_journeys(self) -> Self:
        if self.author is MessageAuthor.JOURNEY:
            raise ValueError("author is customer, agent or bot; what journeys send is known already")
        return self


class MessagesRequest(Request):
    """Messages of one conversation, in any order."""

    customer: ChatPartner | None = Field(
        default=None, description="With whom it is: needed until the conversation is known, not heeded later."
    )
    messages: list[ToldMessage] = Field(min_length=1, max_length=MAX_MESSAGES)

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("messages"), dict):
            return {**data, "messages": [data["messages"]]}
        return data


class ColumnRequest(Request):
    """The card's place on the board."""

    column: StoredText | None = Field(
        min_length=1, max_length=80, description="The column's name; null takes the card off the board."
    )
    at: Moment | None = Field(default=None, description="When it was moved; now if left out. The newest move stands.")


class ChangeRequest(Request):
    """When a conversation was closed or reopened."""

    at: Moment | None = Field(default=None, description="When; now if left out. The newest change stands.")


class ContextRequest(Request):
    """What the tool knows of the deal: names, numbers, plain words. It replaces what was told before, whole."""

    context: DealContext = Field(
        description="Any JSON object; messages may use it as `{context.key}` and the model sees it.",
        examples=[{"product": "Blue scarf", "quoted": "49.90 USD"}],
    )
    at: Moment | None = Field(default=None, description="When it was so; now if left out. The newest stands.")


class SettleRequest(Request):
    """A person's word for what became of a message."""

    sent: StrictBool = Field(description="Whether the customer has it.")


LONGEST_EXTERNAL = timedelta(days=366)


class ExternalRequest(Request):
    """An automation of somebody else's that writes to a customer now."""

    customer: Who
    name: StoredText = Field(min_length=1, max_length=80, description="The automation.", examples=["cart-flow"])
    priority: StrictInt = Field(
        default=100, ge=0, le=1000, description="Journeys of a lower priority end for this customer; 100 is a cart's."
    )
    until: Moment | None = Field(
        default=None, description="Until when ours stay away; 72 hours from now if left out, at most 366 days."
    )


class ExternalEndRequest(Request):
    """The automation is through with a customer."""

    customer: Who
    name: StoredText = Field(min_length=1, max_length=80, description="The name under which it was reported.")


JourneyName = Annotated[
    str,
    Path(
        pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$",
        description="The journey's name.",
        examples=["lapsed-60-days"],
    ),
]
ConversationId = Annotated[
    str,
    Path(
        pattern=r"^[!-.0-~]{1,200}$",
        description="The tool's own id of the conversation: printable ASCII without blanks and slashes. Use one that "
        "is no phone number: addresses end up in access logs.",
        examples=["ticket-4711"],
    ),
]
SendId = Annotated[
    int, Path(ge=1, le=2**31 - 1, description="The message's id, from `GET /api/approvals` or `GET /api/sends`.")
]
