"""What the API takes. Unknown keys are refused, texts fit every database, moments carry their zone."""

import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Self

from fastapi import Path
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    model_validator,
)

from models.enums import MessageAuthor

MAX_MESSAGES: Final = 100
MAX_CONTEXT: Final = 16_384
"""Longest context of a deal, in characters of its JSON."""
_DEEPEST: Final = 8
_YEARS: Final = range(2000, 2100)
_LARGEST_INT: Final = 2**53


def _text_only(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("write the moment as RFC 3339 text, such as 2026-11-22T12:00:00Z")  # noqa: TRY004 - a 422
    return value


def _of_our_time(at: datetime) -> datetime:
    if at.year not in _YEARS:
        raise ValueError(f"the year must be between {_YEARS.start} and {_YEARS.stop - 1}")
    return at.astimezone(UTC)


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("a text may not hold the character U+0000")
    return text


Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_text_only),
    AfterValidator(_of_our_time),
    Field(description="RFC 3339 with its offset.", examples=["2026-11-22T12:00:00Z"]),
]
Text = Annotated[str, AfterValidator(_storable)]


class Request(BaseModel):
    """Base of everything that is sent to the API."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Who(Request):
    """One customer, named in exactly one way."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    phone: Text | None = Field(
        default=None,
        max_length=40,
        description="The number, written in any way; without `+` it is read as the store's region writes it.",
        examples=["+44 7700 900123"],
    )
    user_id: Text | None = Field(
        default=None, min_length=1, max_length=128, description="WhatsApp's business-scoped user id."
    )
    reference: Text | None = Field(
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

    phone: Text | None = Field(default=None, max_length=40, description="The number.", examples=["+44 7700 900123"])
    user_id: Text | None = Field(
        default=None, min_length=1, max_length=128, description="WhatsApp's business-scoped user id."
    )

    @model_validator(mode="after")
    def _someone(self) -> Self:
        if self.phone is None and self.user_id is None:
            raise ValueError("name the customer: phone, user_id or both")
        return self


class PauseRequest(Request):
    """Why a journey is paused."""

    reason: Text | None = Field(
        default=None, min_length=1, max_length=200, description="Shown by `journeys`.", examples=["stock is out"]
    )


class ToldMessage(Request):
    """One message of a conversation, of customer, agent or bot; what journeys send is known already."""

    id: Text = Field(
        min_length=1, max_length=200, description="The tool's own id of the message; the same id is taken once."
    )
    author: MessageAuthor = Field(
        description="`customer`, `agent` or `bot`.", json_schema_extra={"enum": ["customer", "agent", "bot"]}
    )
    text: Text | None = Field(default=None, max_length=65_536, description="Its words, if it has any.")
    kind: Text = Field(default="text", min_length=1, max_length=40, description="`text`, `image` and so on.")
    at: Moment
    wamid: Text | None = Field(
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

    column: Text | None = Field(
        min_length=1, max_length=80, description="The column's name; null takes the card off the board."
    )
    at: Moment | None = Field(default=None, description="When it was moved; now if left out. The newest move stands.")


class ChangeRequest(Request):
    """When a conversation was closed or reopened."""

    at: Moment | None = Field(default=None, description="When; now if left out. The newest change stands.")


def _plain_json(value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise ValueError(f"the context is nested more than {_DEEPEST} levels deep")
    match value:
        case dict():
            for key, inner in value.items():
                _plain_json(key, depth + 1)
                _plain_json(inner, depth + 1)
        case list():
            for inner in value:
                _plain_json(inner, depth + 1)
        case str():
            _storable(value)
            try:
                value.encode()
            except UnicodeEncodeError:
                raise ValueError("a text holds half a character") from None
        case float() if not math.isfinite(value):
            raise ValueError("a number must be finite")
        case int() if abs(value) > _LARGEST_INT:
            raise ValueError("a number is too large; write it as text")


def _fits(context: dict[str, Any]) -> dict[str, Any]:
    _plain_json(context)
    if len(repr(context)) > MAX_CONTEXT:
        raise ValueError(f"the context is longer than {MAX_CONTEXT} characters")
    return context


class ContextRequest(Request):
    """What the tool knows of the deal: names, numbers, plain words. It replaces what was told before, whole."""

    context: Annotated[dict[str, Any], AfterValidator(_fits)] = Field(
        description="Any JSON object; messages may use it as `{context.key}` and the model sees it.",
        examples=[{"product": "Blue scarf", "quoted": "49.90 USD"}],
    )
    at: Moment | None = Field(default=None, description="When it was so; now if left out. The newest stands.")


LONGEST_EXTERNAL = timedelta(days=366)


class ExternalRequest(Request):
    """An automation of somebody else's that writes to a customer now."""

    customer: Who
    name: Text = Field(min_length=1, max_length=80, description="The automation.", examples=["cart-flow"])
    priority: StrictInt = Field(
        default=100, ge=0, le=1000, description="Journeys of a lower priority end for this customer; 100 is a cart's."
    )
    until: Moment | None = Field(
        default=None, description="Until when ours stay away; 72 hours from now if left out, at most 366 days."
    )


class ExternalEndRequest(Request):
    """The automation is through with a customer."""

    customer: Who
    name: Text = Field(min_length=1, max_length=80, description="The name under which it was reported.")


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
SendId = Annotated[int, Path(ge=1, le=2**53, description="The message's id, from `GET /api/approvals`.")]
