"""A CSV of customers, each row distrusted: every row that cannot be used is listed with its line."""

import csv
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from cli.customer_documents import BadLine
from cli.failures import USAGE, Failure
from models.enums import WITHDRAWN_CONSENT, ConsentState
from policies.phones import PhoneError, parse_phone
from storage.customers import ShopPerson

REQUIRED: Final = ("customer_id", "phone")
OPTIONAL: Final = ("first_name", "language", "consent", "consent_at")
SOURCE: Final = "import"

_LONGEST: Final = {"customer_id": 64, "language": 15, "first_name": 100}
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z]{2,4})?")
_CONSENT: Final = {
    "yes": ConsentState.SUBSCRIBED,
    "true": ConsentState.SUBSCRIBED,
    "1": ConsentState.SUBSCRIBED,
    "no": ConsentState.NEVER_SUBSCRIBED,
    "false": ConsentState.NEVER_SUBSCRIBED,
    "0": ConsentState.NEVER_SUBSCRIBED,
    "": ConsentState.NEVER_SUBSCRIBED,
} | {state.value: state for state in ConsentState}


@dataclass(slots=True)
class CustomersFile:
    """What a file holds, in its own order."""

    people: list[ShopPerson] = field(default_factory=list)
    bad_rows: list[BadLine] = field(default_factory=list)


class _Reader(Protocol):
    """What `csv.reader` gives; its own type has no public name."""

    @property
    def line_num(self) -> int: ...

    def __next__(self) -> list[str]: ...


class _BadRowError(Exception):
    """Carries a row's reason to the loop."""


def read_customers(path: Path, *, default_region: str | None, now: datetime) -> CustomersFile:
    """Reads a CSV file of customers: UTF-8, commas, a header line.

    Args:
        default_region: of numbers in national writing.
        now: when consent was withdrawn, where the file does not say; consent given without a time has none.

    Raises:
        Failure: the file as a whole cannot be used.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            return _read(csv.reader(lines, strict=True), path.name, default_region, now)
    except FileNotFoundError:
        raise Failure(f"{path}: there is no such file", code=USAGE) from None
    except OSError as error:
        raise Failure(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8; save it as CSV UTF-8") from None


def _read(reader: "_Reader", name: str, region: str | None, now: datetime) -> CustomersFile:
    try:
        header = [cell.strip().lower() for cell in next(reader)]
    except StopIteration:
        header = []
    except csv.Error as error:
        raise Failure(f"{name}: the header is no CSV ({error})") from None
    _check_header(header, name)
    found = CustomersFile()
    seen: dict[str, int] = {}
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            found.bad_rows.append(BadLine(line=line, reason=f"the quotes of the row are wrong ({error})"))
            continue
        if not any(cell.strip() for cell in cells):
            continue
        try:
            person = _person(header, cells, region, now)
            if (first := seen.setdefault(person.external_id, line)) != line:
                raise _BadRowError(f"customer_id stands in line {first} already")  # noqa: TRY301 - one place notes it
        except _BadRowError as bad:
            found.bad_rows.append(BadLine(line=line, reason=str(bad)))
        else:
            found.people.append(person)
    if not found.people and not found.bad_rows:
        raise Failure(f"{name} has a header, but no customers")
    return found


def _check_header(header: list[str], name: str) -> None:
    problems = []
    if missing := [column for column in REQUIRED if column not in header]:
        hint = "; its columns must be separated by commas" if len(header) <= 1 else ""
        problems.append(f"{name} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}{hint}")
    known = {*REQUIRED, *OPTIONAL}
    if unknown := [column for column in header if column not in known]:
        listed = ", ".join(sorted(known))
        problems.append(f"{name} has columns that are not known: {', '.join(unknown)}; known: {listed}")
    if twice := sorted({column for column in header if header.count(column) > 1}):
        problems.append(f"{name} has the column {twice[0]} twice")
    if problems:
        raise Failure(*problems)


def _person(header: list[str], cells: list[str], region: str | None, now: datetime) -> ShopPerson:
    if len(cells) != len(header):
        raise _BadRowError(f"the row has {len(cells)} fields and the header {len(header)}")
    row = {column: cell.strip() for column, cell in zip(header, cells, strict=True)}
    if not row["customer_id"]:
        raise _BadRowError("customer_id is empty")
    for column, cell in row.items():
        if len(cell) > _LONGEST.get(column, 200) or not cell.isprintable():
            raise _BadRowError(f"{column} is too long, or holds a character that cannot stand there")
    try:
        phone = parse_phone(row["phone"], region) if row["phone"] else None
    except PhoneError as error:
        raise _BadRowError(f"phone: {error}") from None
    consent = _CONSENT.get(row.get("consent", "").lower())
    if consent is None:
        raise _BadRowError(f"consent is none of yes, no, {', '.join(ConsentState)}")
    language = row.get("language", "")
    if language and _LANGUAGE.fullmatch(language) is None:
        raise _BadRowError("language is none, such as en or pt_BR")
    return ShopPerson(
        external_id=row["customer_id"],
        phone=phone,
        first_name=row.get("first_name") or None,
        language=language or None,
        consent=consent,
        consent_source=SOURCE,
        consent_at=_consent_at(row.get("consent_at", ""), consent, now),
    )


def _consent_at(text: str, consent: ConsentState, now: datetime) -> datetime | None:
    """When they said so: a "no" without a time counts from now, and a "yes" lifts nothing that they have said since."""
    if not text:
        return now if consent in WITHDRAWN_CONSENT else None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise _BadRowError("consent_at is no date or time, such as 2026-03-31 or 2026-03-31T09:00:00Z") from None
    at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    if at > now:
        raise _BadRowError("consent_at lies in the future")
    return at
