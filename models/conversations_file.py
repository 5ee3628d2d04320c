"""A simulation's conversations and carts, read from a JSONL file, with the line of whatever cannot be used.

One JSON object a line: either a whole conversation, with everything that customer and merchant said and did in it, or
a checkout that somebody left. Every line is checked by itself, so that all problems are told in one go. Phone numbers
and texts are never repeated in a reason.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from models.chat_values import DealContext, Moment, StoredText
from models.conversations import LONGEST_COLUMN
from models.enums import ConsentState, MessageAuthor
from models.json_lines import BadLineError, json_object, numbered_lines, reasons, told
from models.money import Money
from models.orders_file import BadRow

_PHONE: Final = r"^\+[1-9]\d{6,14}$"
_ID: Final = r"^[!-.0-~]{1,200}$"
_TOKEN: Final = r"^[!-~]{1,128}$"  # noqa: S105 - a checkout's
_LANGUAGE: Final = r"^[a-z]{2,3}(_[A-Z]{2})?$"
_CURRENCY: Final = r"^[A-Z]{3}$"


_Name = Annotated[StoredText, Field(min_length=1, max_length=200)]
_Column = Annotated[StoredText, Field(min_length=1, max_length=LONGEST_COLUMN)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileMessage(_Strict):
    """One message of a conversation; `author` says who of our side wrote it."""

    id: Annotated[StoredText, Field(min_length=1, max_length=200)]
    direction: Literal["in", "out"]
    author: MessageAuthor = MessageAuthor.AGENT
    at: Moment
    text: Annotated[StoredText, Field(min_length=1, max_length=4096)]

    @model_validator(mode="before")
    @classmethod
    def _whose(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        if data.get("direction") == "in":
            if data.get("author", MessageAuthor.CUSTOMER) != MessageAuthor.CUSTOMER:
                raise ValueError("a message with direction in is the customer's; author goes with direction out")
            return {**data, "author": MessageAuthor.CUSTOMER}
        if data.get("author", MessageAuthor.AGENT) not in {MessageAuthor.AGENT, MessageAuthor.BOT}:
            raise ValueError("author is agent or bot; what journeys write is not in the file")
        return data


class FileMove(_Strict):
    """The conversation's card was put into another column; None takes it off the board."""

    at: Moment
    column: _Column | None


class FileMoment(_Strict):
    """A conversation was closed, or opened again."""

    at: Moment


class Conversation(_Strict):
    """One conversation, whole.

    Attributes:
        conversation: the chat tool's own id of it.
        phone: the customer's, E.164.
        language: the customer's, as WhatsApp writes it (`pt_BR`).
        column: the board's column at the first message; `moves` change it.
        context: what the chat tool knows of the deal.
        consent: to marketing over WhatsApp, as the shop knows it.
    """

    conversation: Annotated[str, Field(pattern=_ID)]
    phone: Annotated[str, Field(pattern=_PHONE)]
    name: _Name | None = None
    language: Annotated[str, Field(pattern=_LANGUAGE)] | None = None
    column: _Column | None = None
    context: DealContext = Field(default_factory=dict)
    consent: ConsentState = ConsentState.NEVER_SUBSCRIBED
    messages: tuple[FileMessage, ...] = Field(min_length=1)
    moves: tuple[FileMove, ...] = ()
    closes: tuple[FileMoment, ...] = ()
    reopens: tuple[FileMoment, ...] = ()

    @model_validator(mode="after")
    def _each_message_once(self) -> Self:
        ids = [one.id for one in self.messages]
        if len(set(ids)) < len(ids):
            raise ValueError("two of its messages have the same id")
        return self

    @property
    def first_at(self) -> datetime:
        """Its first event."""
        events: tuple[FileMessage | FileMove | FileMoment, ...] = (
            *self.messages,
            *self.moves,
            *self.closes,
            *self.reopens,
        )
        return min(one.at for one in events)


class FileItem(_Strict):
    """One line of a cart."""

    title: _Name
    quantity: int = Field(default=1, ge=1, le=1_000_000)


class Cart(_Strict):
    """A checkout that somebody began, and when they completed it, if they did.

    Attributes:
        checkout: the shop's token of it.
        at: when the customer last touched it.
        total: major units of the currency.
        completed_at: when it became an order by itself; None leaves it to the journey.
        consent: to marketing over WhatsApp, as the shop knows it.
    """

    checkout: Annotated[str, Field(pattern=_TOKEN)]
    phone: Annotated[str, Field(pattern=_PHONE)]
    name: _Name | None = None
    language: Annotated[str, Field(pattern=_LANGUAGE)] | None = None
    at: Moment
    items: tuple[FileItem, ...] = Field(min_length=1, max_length=100)
    total: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=3)]
    currency: Annotated[str, Field(pattern=_CURRENCY)]
    completed_at: Moment | None = None
    consent: ConsentState = ConsentState.SUBSCRIBED

    @model_validator(mode="after")
    def _completed_later(self) -> Self:
        if self.completed_at is not None and self.completed_at < self.at:
            raise ValueError("completed_at is before at")
        return self

    @property
    def money(self) -> Money:
        """What it comes to."""
        return Money.of(self.total, self.currency)


@dataclass(frozen=True, slots=True)
class ConversationsFile:
    """What a file holds, in its own order."""

    conversations: tuple[Conversation, ...]
    carts: tuple[Cart, ...]
    bad_rows: tuple[BadRow, ...] = ()

    @property
    def first_at(self) -> datetime:
        """The first event of all."""
        return min([*(one.first_at for one in self.conversations), *(cart.at for cart in self.carts)])


class ConversationsFileError(Exception):
    """The file cannot be used.

    Attributes:
        bad_rows: every problem with its line; empty when the file as a whole is to blame.
    """

    def __init__(self, text: str, bad_rows: tuple[BadRow, ...] = ()) -> None:
        super().__init__(text)
        self.bad_rows = bad_rows


def read_conversations(path: Path, *, skip_bad_rows: bool) -> ConversationsFile:
    """Reads a JSONL file of conversations and carts: UTF-8, one object a line, blank lines left out.

    Args:
        path: the file.
        skip_bad_rows: go on without the lines that cannot be used, and list them in the answer.

    Raises:
        ConversationsFileError: the file cannot be read, is not UTF-8, holds nothing that can be used; or has bad
            lines that are not to be skipped.
    """
    try:
        lines = numbered_lines(path)
    except OSError as error:
        raise ConversationsFileError(f"{path.name} cannot be read: {error.strerror}") from None
    reader = _Reader()
    for number, line in lines:
        reader.take(number, line)
    found = reader.found()
    if found.bad_rows and not (skip_bad_rows and (found.conversations or found.carts)):
        raise ConversationsFileError(told(path.name, found.bad_rows), found.bad_rows)
    if not found.conversations and not found.carts:
        raise ConversationsFileError(f"{path.name} holds neither a conversation nor a checkout")
    return found


class _Reader:
    """Takes the lines one by one."""

    def __init__(self) -> None:
        self._conversations: list[Conversation] = []
        self._carts: list[Cart] = []
        self._bad: list[BadRow] = []
        self._seen: dict[tuple[str, str], int] = {}

    def take(self, number: int, line: bytes) -> None:
        """Read one line, and note what is wrong with it."""
        try:
            one = _parse(line)
        except BadLineError as error:
            self._bad += [BadRow(number, reason) for reason in error.reasons]
            return
        key = ("conversation", one.conversation) if isinstance(one, Conversation) else ("checkout", one.checkout)
        if (seen := self._seen.setdefault(key, number)) != number:
            self._bad.append(BadRow(number, f"the {key[0]} {key[1]} stands in line {seen} already"))
        elif isinstance(one, Conversation):
            self._conversations.append(one)
        else:
            self._carts.append(one)

    def found(self) -> ConversationsFile:
        """Everything that was taken."""
        return ConversationsFile(tuple(self._conversations), tuple(self._carts), tuple(self._bad))


def _parse(line: bytes) -> Conversation | Cart:
    data = json_object(line)
    kinds = [kind for kind in (Conversation, Cart) if next(iter(kind.model_fields)) in data]
    if len(kinds) != 1:
        raise BadLineError("a line is a conversation or a checkout: it has exactly one of these two keys")
    form = kinds[0]
    try:
        return form.model_validate(data)
    except ValidationError as error:
        raise BadLineError(*reasons(error, form, inner=_INNER, shapes=_SHAPES)) from None


_INNER: Final[dict[str, type[BaseModel]]] = {
    "messages": FileMessage,
    "moves": FileMove,
    "closes": FileMoment,
    "reopens": FileMoment,
    "items": FileItem,
}
_SHAPES: Final = {
    "conversation": "an id is 1 to 200 printable characters without blanks and slashes",
    "checkout": "a token is 1 to 128 printable characters without blanks",
    "phone": "an international number begins with + and the country's code, without blanks",
    "language": "a language is written as WhatsApp does, such as en, es or pt_BR",
    "currency": "a currency is three capital letters, such as EUR",
}
