"""Our mirror of Meta's templates, and who waits for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, TemplateStatus
from models.tables import Enrollment, Template


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """A template as Meta lists it."""

    name: str
    language: str
    status: TemplateStatus
    category: str | None
    named_variables: bool
    variables: tuple[str, ...]
    copy_code_index: int | None
    body: str


async def mirror(session: AsyncSession, waba_id: str, found: Sequence[TemplateFacts], *, now: datetime) -> None:
    """Make the mirror equal to Meta's list; a template that is gone there counts as deleted."""
    known = {
        (one.name, one.language): one for one in await session.exec(select(Template).where(Template.waba_id == waba_id))
    }
    for facts in found:
        row = known.pop((facts.name, facts.language), None)
        if row is None:
            row = Template(
                waba_id=waba_id, name=facts.name, language=facts.language, status=facts.status, synced_at=now
            )
            session.add(row)
        row.status = facts.status
        row.category, row.category_at = facts.category, now
        row.named_variables = facts.named_variables
        row.variables = list(facts.variables)
        row.copy_code_index = facts.copy_code_index
        row.body = facts.body
        row.synced_at = now
    for gone in known.values():
        gone.status = TemplateStatus.DELETED
        gone.synced_at = now


async def templates_of(session: AsyncSession, waba_id: str) -> list[Template]:
    """The mirror, by name and language."""
    rows = await session.exec(
        select(Template).where(Template.waba_id == waba_id).order_by(col(Template.name), col(Template.language))
    )
    return list(rows)


async def held_keys(session: AsyncSession, store_id: int) -> set[str]:
    """What the store's held enrollments wait for."""
    rows = await session.exec(
        select(Enrollment.hold_key)
        .where(
            Enrollment.store_id == store_id,
            Enrollment.state == EnrollmentState.HOLDING,
            col(Enrollment.hold_key).is_not(None),
        )
        .distinct()
    )
    return {key for key in rows if key is not None}
