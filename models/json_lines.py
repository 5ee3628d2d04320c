"""Files with one JSON object a line: what is wrong with a line, told with its number and without its values."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from models.orders_file import BadRow
from models.suggestions import closest

_LISTED: Final = 20


class BadLineError(Exception):
    """Carries a line's problems to whoever reads the file."""

    def __init__(self, *reasons: str) -> None:
        super().__init__(*reasons)
        self.reasons = reasons


def numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, with their numbers from 1.

    Raises:
        OSError: it cannot be read.
    """
    lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def json_object(line: bytes) -> dict[str, Any]:
    """The line's object.

    Raises:
        BadLineError: it is none.
    """
    try:
        data = json.loads(line.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise BadLineError("the line is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise BadLineError(f"the line is no JSON ({error.msg}, character {error.colno})") from None
    except (ValueError, RecursionError):
        raise BadLineError("the line is no JSON that can be used") from None
    if not isinstance(data, dict):
        raise BadLineError("the line is no JSON object")
    return data


def reasons(
    error: ValidationError,
    form: type[BaseModel],
    *,
    inner: Mapping[str, type[BaseModel]],
    shapes: Mapping[str, str],
) -> list[str]:
    """Each problem of a line in plain words.

    Args:
        error: what pydantic says of it.
        form: what the line should have been.
        inner: what stands below some of its keys, for suggesting a key that was meant.
        shapes: by key, what a text must look like.
    """

    def keys(loc: Sequence[int | str]) -> Collection[str]:
        model = form if len(loc) == 1 else inner.get(str(loc[0]), form)
        return [field.alias or name for name, field in model.model_fields.items()]

    return [_reason(one["loc"], one["type"], one, keys, shapes) for one in error.errors()]


def told(name: str, bad_rows: Sequence[BadRow]) -> str:
    """All that is wrong with a file, a line for each of the first problems."""
    lines = len({bad.line for bad in bad_rows})
    head = f"{name}: {lines} line{'s' * (lines > 1)} cannot be used"
    listed = [f"  line {bad.line}: {bad.reason}" for bad in bad_rows[:_LISTED]]
    more = [f"  and {len(bad_rows) - _LISTED} more"] if len(bad_rows) > _LISTED else []
    return "\n".join([head, *listed, *more])


def _refuse_constant(word: str) -> None:
    raise ValueError(word)


def _reason(
    loc: tuple[int | str, ...],
    kind: str,
    error: Any,
    keys: Callable[[Sequence[int | str]], Collection[str]],
    shapes: Mapping[str, str],
) -> str:
    """One problem in plain words, without the value that it is about."""
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in loc)
    match kind:
        case "missing":
            return f"{where} is missing"
        case "extra_forbidden":
            return f"{where} is unknown{closest(str(loc[-1]), keys(loc))}"
        case "string_pattern_mismatch":
            return f"{where}: {shapes[str(loc[-1])]}"
        case "value_error":
            text = str(error["ctx"]["error"])
            return f"{where}: {text}" if where else text
        case "enum" | "literal_error":
            return f"{where} must be {error['ctx']['expected']}"
        case "too_short":
            return f"{where}: it needs at least {error['ctx']['min_length']}"
        case _ if kind.startswith(("datetime", "timezone")):
            return f"{where} is no moment with its offset, such as 2026-03-02T10:15:00+01:00"
        case _:
            return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}"
