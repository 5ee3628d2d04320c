"""What the user of a simulation hands in, read and checked before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from cli.failures import REFUSED, USAGE, Failure, problem_lines
from cli.output import Output
from cli.simulation.options import ZONE
from cli.simulation.ranges import are_alternatives
from models.conversations_file import (
    Cart,
    Conversation,
    ConversationsFile,
    ConversationsFileError,
    read_conversations,
)
from models.enums import JourneyKind
from models.journey import JourneyDefinition
from models.journey_file import JourneyFileError, read_journey_bytes
from models.orders_file import BadRow, OrderRow, OrdersFileError, read_orders
from models.synthetic import generate_orders
from policies.phones import PhoneError, parse_phone

_DEMO_CUSTOMERS = 300
_DEMO_DAY = date(2026, 11, 2)
_DEMO_CURRENCY = "EUR"
_COMPARED = 2

_Line = TypeVar("_Line", Conversation, Cart)


@dataclass(frozen=True, slots=True)
class Given:
    """What is simulated, and the day of the files that counts as today."""

    orders: Sequence[OrderRow]
    conversations: ConversationsFile | None
    as_of: date


def read_journeys(files: Sequence[Path], *, compare: bool | None = False) -> tuple[JourneyDefinition, ...]:
    """Every file's journey.

    Args:
        files: one or more.
        compare: whether they run each by itself; None where two of a kind do.

    Raises:
        Failure: a file cannot be read or is wrong; all problems of all files are listed. Or not two are compared, or
            journeys of one name cannot run together.
    """
    definitions: list[JourneyDefinition] = []
    problems: list[str] = []
    for file in files:
        try:
            definitions.append(read_journey_bytes(file.read_bytes()))
        except OSError as error:
            problems.append(f"{file}: cannot be read ({error.strerror})")
        except JourneyFileError as error:
            problems.extend(problem_lines(str(file), error))
    if compare and len(files) != _COMPARED:
        raise Failure("--compare sets two files side by side, no more and no fewer", code=USAGE)
    apart = compare if compare is not None else are_alternatives(tuple(definitions))
    names = [definition.name for definition in definitions] if not apart else []
    problems.extend(
        f"two of the files are journeys named {name!r}" for name in sorted({n for n in names if names.count(n) > 1})
    )
    if problems:
        raise Failure(*problems, code=REFUSED)
    return tuple(definitions)


def read_given(
    output: Output,
    definitions: Sequence[JourneyDefinition],
    *,
    orders: Path | None,
    conversations: Path | None,
    as_of: date | None,
    seed: int,
    skip_bad_rows: bool,
) -> Given:
    """The order history and the conversations; a win-back without an order file gets a small shop that is made up.

    Raises:
        Failure: a file cannot be used, a journey has nothing to work on, or nothing is as old as `as_of`.
    """
    waiting = [one.name for one in definitions if one.kind is not JourneyKind.WIN_BACK]
    if waiting and conversations is None:
        raise Failure(
            *(f"{name} waits for conversations or carts: say --conversations FILE.jsonl" for name in waiting),
            code=REFUSED,
        )
    chats = _conversations(output, conversations, skip_bad_rows=skip_bad_rows) if conversations is not None else None
    today = as_of
    if today is None and chats is not None:
        today = chats.first_at.astimezone(ZoneInfo(ZONE)).date()
    if orders is not None:
        rows, today = _orders(output, orders, today, skip_bad_rows=skip_bad_rows)
        return Given(rows, chats, today)
    today = today or _DEMO_DAY
    if len(waiting) == len(definitions):
        return Given((), chats, today)
    return Given(generate_orders(seed, _DEMO_CUSTOMERS, today, _DEMO_CURRENCY), chats, today)


def _conversations(output: Output, file: Path, *, skip_bad_rows: bool) -> ConversationsFile:
    try:
        read = read_conversations(file, skip_bad_rows=skip_bad_rows)
    except ConversationsFileError as error:
        raise Failure(*str(error).splitlines(), code=REFUSED) from error
    _note_bad(output, file, read.bad_rows, "lines")
    unreadable: list[str] = []

    def with_phone(one: _Line) -> _Line | None:
        try:
            return one.model_copy(update={"phone": parse_phone(one.phone, None)})
        except PhoneError as error:
            name = one.conversation if isinstance(one, Conversation) else one.checkout
            unreadable.append(f"{file}: {name}: {error}")
            return None

    # A number can be written in more than one way where a country has changed its plan; WhatsApp knows it by one.
    chats = tuple(filter(None, map(with_phone, read.conversations)))
    carts = tuple(filter(None, map(with_phone, read.carts)))
    if unreadable and not (skip_bad_rows and (chats or carts)):
        raise Failure(*unreadable, code=REFUSED)
    for line in unreadable:
        output.note(f"left out: {line}")
    return replace(read, conversations=chats, carts=carts)


def _orders(output: Output, file: Path, as_of: date | None, *, skip_bad_rows: bool) -> tuple[Sequence[OrderRow], date]:
    try:
        read = read_orders(file, skip_bad_rows=skip_bad_rows)
    except OrdersFileError as error:
        raise Failure(*str(error).splitlines(), code=REFUSED) from error
    _note_bad(output, file, read.bad_rows, "rows")
    if not read.rows:
        raise Failure(f"{file}: no row can be used", code=REFUSED)
    today = as_of or max(row.ordered_on for row in read.rows)
    if min(row.ordered_on for row in read.rows) > today:
        raise Failure(f"{file}: every order is later than {today}, so nobody is a customer yet", code=REFUSED)
    return read.rows, today


def _note_bad(output: Output, file: Path, bad: Sequence[BadRow], word: str) -> None:
    if bad:
        count = len({one.line for one in bad})
        output.note(f"{file}: {count} {word} were left out, the first in line {bad[0].line}")
