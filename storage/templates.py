"""Our mirror of Meta's templates, and who waits for what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, TemplateStatus
from models.tables import Enrollment, Template
from storage.template_states import lift_blocks, note_status


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
        await note_status(session, row, facts.status, at=now)
        row.category, row.category_at = facts.category, now
        if row.blocks and not _says(row, facts):
            # What Meta refused was another content.
            lift_blocks(session, row, now=now)
        row.named_variables = facts.named_variables
        row.variables = list(facts.variables)
        row.copy_code_index = facts.copy_code_index
        row.body = facts.body
        row.synced_at = now
    for gone in known.values():
        await note_status(session, gone, TemplateStatus.DELETED, at=now)
        gone.synced_at = now


def _says(row: Template, facts: TemplateFacts) -> bool:
    mirrored = (row.named_variables, row.variables, row.copy_code_index, row.body)
    return mirrored == (facts.named_variables, list(facts.variables), facts.copy_code_index, facts.body)


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
