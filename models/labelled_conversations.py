"""Conversations with the verdict that a person came to, read from a JSONL file: what a model is measured against.

Every line is checked by itself and all problems are told in one go, because a model is paid for each conversation.
Texts are never repeated in a reason.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError, field_validator

from models.chat_values import StoredText
from models.enums import BuyingIntent, SaleStanding
from models.json_lines import BadLineError, json_object, numbered_lines, reasons, told
from models.orders_file import BadRow

_ID: Final = r"^[!-.0-~]{1,80}$"
_LANGUAGE: Final = r"^[a-z]{2,3}(_[A-Z]{2})?$"


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LabelledMessage(_Strict):
    """One message; `hours_ago` is how long before the review it was written, where that is to be told."""

    sender: Literal["customer", "agent", "bot", "automatic"] = Field(alias="from")
    text: Annotated[StoredText, Field(min_length=1, max_length=4096)]
    hours_ago: float | None = Field(default=None, ge=0, le=24 * 365)


class Label(_Strict):
    """What a person says that the conversation shows."""

    intent: BuyingIntent
    sale: SaleStanding
    asked_to_stop: StrictBool


class LabelledConversation(_Strict):
    """One line of the file.

    Attributes:
        id: names the conversation in the results.
        language: that the customer writes in.
        about: why it is in the file; nobody but people reads it.
        messages: oldest first.
        expected: the label.
    """

    id: str = Field(pattern=_ID)
    language: str = Field(pattern=_LANGUAGE)
    about: Annotated[StoredText, Field(max_length=500)] | None = None
    messages: tuple[LabelledMessage, ...] = Field(min_length=1, max_length=1000)
    expected: Label

    @field_validator("messages")
    @classmethod
    def _somebody_asked(cls, messages: tuple[LabelledMessage, ...]) -> tuple[LabelledMessage, ...]:
        if all(message.sender != "customer" for message in messages):
            raise ValueError("none of them is the customer's, so there is nothing to judge")
        return messages


class LabelledFileError(Exception):
    """The file cannot be used; the text lists every line that is to blame."""


@dataclass(frozen=True, slots=True)
class _Read:
    number: int
    conversation: LabelledConversation


def read_labelled(path: Path) -> tuple[LabelledConversation, ...]:
    """Reads a JSONL file of labelled conversations: UTF-8, one object a line, blank lines left out.

    Raises:
        LabelledFileError: the file cannot be read, holds nothing, or has lines that cannot be used.
    """
    try:
        lines = numbered_lines(path)
    except OSError as error:
        raise LabelledFileError(f"{path.name} cannot be read: {error.strerror}") from None
    found: dict[str, _Read] = {}
    bad: list[BadRow] = []
    for number, line in lines:
        try:
            one = _parse(line)
        except BadLineError as error:
            bad += [BadRow(number, reason) for reason in error.reasons]
            continue
        first = found.setdefault(one.id, _Read(number, one))
        if first.number != number:
            bad.append(BadRow(number, f"the id {one.id} stands in line {first.number} already"))
    if bad:
        raise LabelledFileError(told(path.name, bad))
    if not found:
        raise LabelledFileError(f"{path.name} holds no conversation")
    return tuple(one.conversation for one in found.values())


def _parse(line: bytes) -> LabelledConversation:
    try:
        return LabelledConversation.model_validate(json_object(line))
    except ValidationError as error:
        raise BadLineError(*reasons(error, LabelledConversation, inner=_INNER, shapes=_SHAPES)) from None


_INNER: Final[dict[str, type[BaseModel]]] = {"messages": LabelledMessage, "expected": Label}
_SHAPES: Final = {
    "id": "an id is 1 to 80 printable characters without blanks and slashes",
    "language": "a language is written as WhatsApp does, such as en, es or pt_BR",
}
