"""What numbers are asked of: a journey with the parts of its versions that they depend on."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Executable, case, false, null
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.coupon import FixedCoupon, PersonalCoupon
from models.enums import JourneyKind
from models.tables import Journey, JourneyVersion
from storage.engine import is_sqlite
from storage.journeys import parse_definition
from storage.statistics.period import Period
from storage.stores import required_id


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """One version: its number, how many messages it has at most, and its coupon."""

    id: int
    number: int
    stages: int
    coupon: FixedCoupon | PersonalCoupon | None

    @property
    def coupon_label(self) -> str | None:
        """The coupon in a word: the code that everybody has, or what a personal one is worth."""
        if self.coupon is None:
            return None
        if isinstance(self.coupon, FixedCoupon):
            return self.coupon.code
        return f"personal {self.coupon.percent}%" if self.coupon.percent else f"personal {self.coupon.amount}"


@dataclass(frozen=True, slots=True)
class Scope:
    """A journey, its versions in order, and the period; `is_sqlite` says which database is asked.

    `watches` tells a journey that waits for silences or carts, and puts those off for whom a day has no room.
    """

    journey_id: int
    watches: bool
    versions: tuple[VersionFacts, ...]
    period: Period
    is_sqlite: bool

    @property
    def stages(self) -> int:
        """The most messages that a version has."""
        return max((version.stages for version in self.versions), default=0)

    def last_stage(self, version_id: ColumnElement[Any], stage: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a stage (from 0) is the last one of a version."""
        return _any(version_id.in_(ids) & (stage == stages - 1) for stages, ids in self._by_stages().items())

    def has_stage(self, version_id: ColumnElement[Any], stage: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a version has a stage (from 0); with none left only the watch is."""
        return _any(version_id.in_(ids) & (stage < stages) for stages, ids in self._by_stages().items())

    def _by_stages(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for version in self.versions:
            found.setdefault(version.stages, []).append(version.id)
        return found

    def fixed_code(self, version_id: ColumnElement[Any]) -> ColumnElement[Any]:
        """The code that everybody of a version has, in lower case; null where there is none."""
        codes = {one.id: one.coupon.code.lower() for one in self.versions if isinstance(one.coupon, FixedCoupon)}
        return case(codes, value=version_id, else_=null()) if codes else null()


async def scope_of(session: AsyncSession, journey_id: int, period: Period) -> Scope:
    """Read those of a journey's versions that anybody can have entered with."""
    rows = await session.exec(
        select(JourneyVersion)
        .where(JourneyVersion.journey_id == journey_id, col(JourneyVersion.published_at).is_not(None))
        .order_by(col(JourneyVersion.number))
    )
    versions = []
    for row in rows:
        definition = parse_definition(row.definition)
        versions.append(
            VersionFacts(required_id(row.id), row.number, definition.message_count, definition.resolved_coupon())
        )
    kind = (await session.exec(select(Journey.kind).where(Journey.id == journey_id))).one()
    watches = kind in {JourneyKind.FOLLOW_UP, JourneyKind.ABANDONED_CART}
    return Scope(journey_id, watches, tuple(versions), period, is_sqlite(session))


async def fetch(session: AsyncSession, statement: Executable) -> list[Sequence[Any]]:
    """The rows of a statement of any width; SQLModel's own `select` ends at four columns."""
    found = await session.exec(statement)  # type: ignore[call-overload]
    return list(found.all())


def _any(conditions: Iterable[ColumnElement[bool]]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = false()
    for one in conditions:
        found = found | one
    return found
