"""Templates that stand for dead ones in running versions: recorded decisions of staff (promise 5)."""

from datetime import datetime

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import SENDABLE_TEMPLATE_STATUSES
from models.tables import Journey, Send, Store, Template, TemplateSubstitution
from policies.guards import DEAD_TEMPLATE_STATUSES
from storage.enrollments import EnrollmentFacts
from storage.events import add_broadcast
from storage.going_live import look_at_pending
from storage.sends import template_of
from storage.stores import required_id


class NotSubstitutableError(Exception):
    """One template cannot stand for the other; `problems` says all reasons."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


async def substitute(
    session: AsyncSession,
    store: Store,
    waba_id: str,
    *,
    old: str,
    new: str,
    language: str,
    journey_id: int | None,
    now: datetime,
) -> TemplateSubstitution:
    """Let one template stand for a dead one from now on, in one journey or in all; an older decision ends.

    Raises:
        NotSubstitutableError: the old one may come back, or the new one is not approved or takes other variables.
    """
    store_id = required_id(store.id)
    before = await template_of(session, waba_id, old, language)
    after = await template_of(session, waba_id, new, language)
    problems = _problems(old, before, new, after, language)
    if problems:
        raise NotSubstitutableError(problems)
    for row in await active(session, store_id):
        if (row.old_name, row.language, row.journey_id) == (old, language, journey_id):
            row.ended_at = now
    decision = TemplateSubstitution(
        store_id=store_id,
        journey_id=journey_id,
        waba_id=waba_id,
        old_name=old,
        new_name=new,
        language=language,
        made_at=now,
    )
    session.add(decision)
    store.substitutes = True
    session.add(store)
    add_broadcast(session, f"template:{waba_id}:{old}:{language}", now=now)
    await look_at_pending(session, waba_id, now=now)
    await session.flush()
    return decision


async def end_substitution(
    session: AsyncSession, store: Store, *, old: str, language: str | None, journey_id: int | None, now: datetime
) -> list[TemplateSubstitution]:
    """Nothing stands for the template any more; the decisions that end."""
    rows = await active(session, required_id(store.id))
    ended = [
        row
        for row in rows
        if row.old_name == old and language in (None, row.language) and journey_id in (None, row.journey_id)
    ]
    for row in ended:
        row.ended_at = now
    store.substitutes = len(ended) < len(rows)
    session.add(store)
    await session.flush()
    return ended


async def active(session: AsyncSession, store_id: int) -> list[TemplateSubstitution]:
    """The decisions that hold, newest first."""
    rows = await session.exec(
        select(TemplateSubstitution)
        .where(TemplateSubstitution.store_id == store_id, col(TemplateSubstitution.ended_at).is_(None))
        .order_by(col(TemplateSubstitution.id).desc())
    )
    return list(rows)


async def journey_names(session: AsyncSession, store_id: int) -> dict[int, str]:
    """The names of the store's journeys, by their id."""
    rows = await session.exec(select(Journey.id, Journey.name).where(Journey.store_id == store_id))
    return {required_id(journey_id): name for journey_id, name in rows}


async def stand_in(session: AsyncSession, facts: EnrollmentFacts, send: Send) -> bool:
    """Write into a draft the template that stands for its own, if one does; whether it changed.

    Costs nothing where the store has none.
    """
    if not facts.store.substitutes or send.template_name is None:
        return False
    named = send.substituted_for or send.template_name
    decision = (
        await session.exec(
            select(TemplateSubstitution)
            .where(
                TemplateSubstitution.store_id == required_id(facts.store.id),
                TemplateSubstitution.old_name == named,
                TemplateSubstitution.language == send.template_language,
                col(TemplateSubstitution.ended_at).is_(None),
                or_(
                    col(TemplateSubstitution.journey_id).is_(None),
                    TemplateSubstitution.journey_id == facts.journey.id,
                ),
            )
            # One of the journey's own comes before one for all.
            .order_by(func.coalesce(TemplateSubstitution.journey_id, 0).desc(), col(TemplateSubstitution.id).desc())
            .limit(1)
        )
    ).first()
    wanted = decision.new_name if decision is not None else named
    if wanted == send.template_name:
        return False
    send.template_name = wanted
    send.substituted_for = named if wanted != named else None
    return True


def _problems(old: str, before: Template | None, new: str, after: Template | None, language: str) -> list[str]:
    if before is None:
        return [f"the account has never had a template {old} in {language}"]
    problems = []
    if before.status not in DEAD_TEMPLATE_STATUSES:
        problems.append(f"{old} in {language} is {before.status.value}: only a template that is gone is substituted")
    if after is None:
        return [*problems, f"the account has no template {new} in {language}; `templates --sync` asks Meta"]
    if after.status not in SENDABLE_TEMPLATE_STATUSES:
        problems.append(f"{new} in {language} is {after.status.value}, not approved")
    if (before.named_variables, set(before.variables)) != (after.named_variables, set(after.variables)):
        problems.append(
            f"{new} takes the variables {_listed(after)}, {old} took {_listed(before)}: running versions fill those"
        )
    if (before.copy_code_index is None) != (after.copy_code_index is None):
        problems.append(f"of {old} and {new} only one has a button that copies a code")
    return problems


def _listed(template: Template) -> str:
    return ", ".join(template.variables) or "none"
