"""The changes of number that are kept for a month: written down, known to be somebody's, forgotten with a person."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import NumberMove
from policies.phone_forms import same_line
from storage.whereabouts import Address, Step


def keep_step(session: AsyncSession, step: Step, *, customer_id: int | None = None) -> None:
    """Write a change down, with the customer who is known to have made it."""
    session.add(
        NumberMove(
            store_id=step.old.store_id,
            customer_id=customer_id,
            old_phone=step.old.phone,
            old_user_id=step.old.wa_user_id,
            new_phone=step.new.phone,
            new_user_id=step.new.wa_user_id,
            at=step.at,
        )
    )


async def claim_steps(session: AsyncSession, step_ids: Iterable[int | None], customer_id: int) -> None:
    """These steps are known to be the customer's."""
    ids = [one for one in step_ids if one is not None]
    if ids:
        steps = update(NumberMove).where(col(NumberMove.id).in_(ids), col(NumberMove.customer_id).is_(None))
        await _in_bulk(session, steps.values(customer_id=customer_id))


async def steps_of(session: AsyncSession, customer_id: int, *, since: datetime) -> list[Step]:
    """What the customer is known to have taken from that moment on."""
    rows = await session.exec(
        select(NumberMove).where(NumberMove.customer_id == customer_id, col(NumberMove.at) >= since)
    )
    return [_step(row) for row in rows]


async def forget_steps(
    session: AsyncSession, store_id: int, *, customer_id: int | None, phones: Collection[str], users: Collection[str]
) -> set[Address]:
    """Delete every change that names the person, also those before and after it; the addresses that they named.

    A change that is known to be another customer's is left alone.
    """
    ours = or_(col(NumberMove.customer_id).is_(None), NumberMove.customer_id == customer_id)
    lines, names = {form for phone in phones for form in same_line(phone)}, set(users)
    gone: dict[int | None, NumberMove] = {}
    while True:
        naming = [
            *(col(column).in_(sorted(lines)) for column in (NumberMove.old_phone, NumberMove.new_phone)),
            *(col(column).in_(sorted(names)) for column in (NumberMove.old_user_id, NumberMove.new_user_id)),
        ]
        theirs = NumberMove.customer_id == customer_id if customer_id is not None else None
        found = await session.exec(
            select(NumberMove).where(
                NumberMove.store_id == store_id, ours, or_(*naming, *([theirs] if theirs is not None else []))
            )
        )
        new = {row.id: row for row in found if row.id not in gone}
        if not new:
            break
        gone |= new
        for row in new.values():
            lines |= {form for one in (row.old_phone, row.new_phone) if one is not None for form in same_line(one)}
            names |= {one for one in (row.old_user_id, row.new_user_id) if one is not None}
    pairs = [
        pair for row in gone.values() for pair in ((row.old_phone, row.old_user_id), (row.new_phone, row.new_user_id))
    ]
    await _in_bulk(session, delete(NumberMove).where(col(NumberMove.id).in_(list(gone))))
    return {Address(store_id, phone, user) for phone, user in pairs}


def _step(row: NumberMove) -> Step:
    old = Address(row.store_id, row.old_phone, row.old_user_id)
    return Step(old, Address(row.store_id, row.new_phone, row.new_user_id), row.at, row.id, row.customer_id)


async def _in_bulk(session: AsyncSession, statement: Any) -> None:
    await session.exec(statement.execution_options(synchronize_session=False))
