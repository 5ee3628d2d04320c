"""Every number opened: the rows that it counts, with whom each is about."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Date, Integer, and_, func, literal, null, tuple_
from sqlmodel.ext.asyncio.session import AsyncSession

from models.money import Money
from storage.statistics.facts import Fact, Source
from storage.statistics.messages import FAILED, OPTED_OUT, failure_code, message_key, messages, parse_number
from storage.statistics.orders import orders
from storage.statistics.outside import left_out, paced
from storage.statistics.passages import passages
from storage.statistics.period import EVER, Period
from storage.statistics.scope import Scope, fetch, scope_of
from storage.statistics.tables import CUSTOMERS, VERSIONS, pick

_SUBJECTS: Final = (passages, paced, left_out, orders)
_ANY_CODE: Final = f"{FAILED}:CODE"


_SHOWN: Final = (
    "enrollment_id",
    "stage",
    "state",
    "reason",
    "code",
    "seen",
    "threshold",
    "order_id",
    "minor",
    "currency",
    "attributed_by",
)


class UnknownKeyError(ValueError):
    """No number of the journey has that key; `keys` are those that there are."""

    def __init__(self, key: str, keys: list[str]) -> None:
        super().__init__(f"there is no number {key!r}; the keys are: {', '.join(keys)}")
        self.keys = keys


@dataclass(frozen=True, slots=True)
class Listed:
    """One row behind a number; what does not belong to its subject is None.

    Attributes:
        id: names the row among those of its number.
        at: when it counts; None for who waits for a day.
        day: the local day that somebody waits for.
        customer_id: the shop's own number of the customer.
        phone: in E.164; whoever shows it masks it.
        first_name: the customer's.
        enrollment_id: the passage.
        version: the number of its version.
        stage: from 0.
        state: of the passage or the message.
        reason: why it ended, is held, was passed over or left out.
        code: WhatsApp's, of a failed message; -1 where there was none.
        seen: what the rule saw that left the customer out.
        threshold: what it asks.
        order_id: the shop's own number of the order.
        total: what is left of the order.
        attributed_by: the window or the coupon.
    """

    id: str
    at: datetime | None
    day: date | None
    customer_id: str | None
    phone: str | None
    first_name: str | None
    enrollment_id: str | None
    version: int
    stage: int | None
    state: str | None
    reason: str | None
    code: int | None
    seen: str | None
    threshold: str | None
    order_id: str | None
    total: Money | None
    attributed_by: str | None


async def list_rows(
    session: AsyncSession,
    journey_id: int,
    key: str,
    period: Period = EVER,
    *,
    after: str | None = None,
    limit: int,
) -> list[Listed]:
    """The rows that a number counts, oldest first, behind the row `after` (nothing where it is none of them).

    Raises:
        UnknownKeyError: no number has that key.
    """
    scope = await scope_of(session, journey_id, period)
    source, fact = _find(scope, key)
    order = (fact.at, source.rows.c.id)
    conditions = [fact.where]
    if after is not None:
        row_id = _id_of(source.rows, after)
        last = await fetch(session, pick(*order).where(source.rows.c.id == row_id)) if row_id is not None else []
        if not last:
            return []
        conditions.append(tuple_(*order) > tuple_(literal(last[0][0], fact.at.type), last[0][1]))
    moment = "day" if isinstance(fact.at.type, Date) else "at"
    columns = {name: source.shown.get(name, null()) for name in _SHOWN} | {"id": source.rows.c.id, moment: fact.at}
    first, kept = CUSTOMERS.alias("first"), CUSTOMERS.alias("kept")
    statement = (
        pick(
            *columns.values(),
            VERSIONS.c.number.label("version"),
            kept.c.external_id.label("customer_id"),
            kept.c.phone,
            kept.c.first_name,
        )
        .select_from(source.rows)
        .join(VERSIONS, VERSIONS.c.id == source.rows.c.version_id)
        .join(first, first.c.id == source.rows.c.customer_id)
        .join(kept, kept.c.id == func.coalesce(first.c.merged_into_id, first.c.id))
        .where(*conditions)
        .order_by(*order)
        .limit(limit)
    )
    names = [*columns, "version", "customer_id", "phone", "first_name"]
    return [_listed(dict(zip(names, row, strict=True))) for row in await fetch(session, statement)]


async def keys_of(session: AsyncSession, journey_id: int) -> list[str]:
    """The keys of a journey's numbers; for WhatsApp's codes, of which there are many, stands `failed:CODE`."""
    return _keys(await scope_of(session, journey_id, EVER))


def _keys(scope: Scope) -> list[str]:
    words = [word for word in messages(scope).facts if word != OPTED_OUT]
    words.insert(words.index(FAILED) + 1, _ANY_CODE)
    return [
        *(key for source in _others(scope) for key in source.facts),
        OPTED_OUT,
        *(message_key(word) for word in words),
        *(message_key(word, stage) for stage in range(scope.stages) for word in [*words, OPTED_OUT]),
    ]


def _others(scope: Scope) -> Iterator[Source]:
    yield from (source(scope) for source in _SUBJECTS)


def _find(scope: Scope, key: str) -> tuple[Source, Fact]:
    subject = key.partition(":")[0]
    if subject in {"stage", "messages", OPTED_OUT}:
        source = messages(scope)
        fact = _of_messages(scope, source, key)
        if fact is not None:
            return source, fact
    else:
        source = {"orders": orders, "paced": paced, "left_out": left_out}.get(subject, passages)(scope)
        if key in source.facts:
            return source, source.facts[key]
    raise UnknownKeyError(key, _keys(scope))


def _of_messages(scope: Scope, source: Source, key: str) -> Fact | None:
    row = source.rows.c
    for stage in (None, *range(scope.stages)):
        of_stage: list[ColumnElement[bool]] = [] if stage is None else [row.stage == stage]
        for word, fact in source.facts.items():
            if key == message_key(word, stage):
                return Fact(and_(*of_stage, fact.where), fact.at)
        start = message_key(f"{FAILED}:", stage)
        code = failure_code(key.removeprefix(start)) if key.startswith(start) else None
        if code is not None:
            return Fact(and_(*of_stage, row.code == code), row.at)
    return None


def _id_of(rows: CTE, text: str) -> Any:
    """The id as the rows have it; None if it cannot be one."""
    if isinstance(rows.c.id.type, Integer):
        return parse_number(text)
    return text if text.isprintable() else None  # a zero byte, or half a character, no database takes


def _listed(row: dict[str, Any]) -> Listed:
    minor, currency = row["minor"], row["currency"]
    return Listed(
        id=str(row["id"]),
        at=row.get("at"),
        day=row.get("day"),
        customer_id=row["customer_id"],
        phone=row["phone"],
        first_name=row["first_name"],
        enrollment_id=row["enrollment_id"],
        version=row["version"],
        stage=row["stage"],
        state=row["state"],
        reason=row["reason"],
        code=row["code"],
        seen=row["seen"],
        threshold=row["threshold"],
        order_id=row["order_id"],
        total=Money(minor, currency) if minor is not None else None,
        attributed_by=row["attributed_by"],
    )
