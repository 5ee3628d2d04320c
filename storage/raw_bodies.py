"""Raw webhooks that tell of a person: found by whatever names them, and emptied."""

import re
from collections.abc import Collection, Iterable
from typing import Final

import phonenumbers
from sqlalchemy import update
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import WebhookUpdate
from policies.phone_forms import same_line

_AT_ONCE: Final = 40
_EMPTY: Final = ""


def phone_traces(phone: str) -> set[str]:
    """The ways in which bodies write a phone: WhatsApp's bare digits, and what shops and people make of it."""
    found = set()
    for form in same_line(phone):
        found.add(form.removeprefix("+"))
        number = phonenumbers.parse(form, None)
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        found |= {
            phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL).removeprefix("+"),
            phonenumbers.national_significant_number(number),
            national,
            "".join(filter(str.isdigit, national)),
        }
    return found


async def empty_bodies(session: AsyncSession, store_id: int, traces: Iterable[str]) -> int:
    """Empty every raw update of the store that names one of the traces as a word of its own.

    A batch that tells of others as well is emptied whole: its effects were applied when it came.

    Returns:
        How many were emptied.
    """
    # Meta writes a slash in a message's id with a backslash before it.
    words = sorted({form for trace in traces if trace for form in (trace, trace.replace("/", r"\/"))})
    emptied = 0
    for start in range(0, len(words), _AT_ONCE):
        emptied += await _empty_some(session, store_id, words[start : start + _AT_ONCE])
    return emptied


async def _empty_some(session: AsyncSession, store_id: int, words: Collection[str]) -> int:
    # The database finds the letters; whether they are a whole word, and no part of a longer number, is told here.
    pattern = re.compile("|".join(rf"(?<![0-9A-Za-z]){re.escape(word)}(?![0-9A-Za-z])" for word in words))
    likely = await session.exec(
        select(WebhookUpdate.id, WebhookUpdate.body).where(
            or_(WebhookUpdate.store_id == store_id, col(WebhookUpdate.store_id).is_(None)),
            or_(*(col(WebhookUpdate.body).contains(word, autoescape=True) for word in words)),
        )
    )
    ids = [update_id for update_id, body in likely if update_id is not None and pattern.search(body)]
    for start in range(0, len(ids), 500):
        page = ids[start : start + 500]
        await session.exec(update(WebhookUpdate).where(col(WebhookUpdate.id).in_(page)).values(body=_EMPTY))
    return len(ids)


async def empty_all_bodies(session: AsyncSession, store_id: int) -> None:
    """Empty every raw update of a store."""
    await session.exec(update(WebhookUpdate).where(col(WebhookUpdate.store_id) == store_id).values(body=_EMPTY))


async def empty_body(session: AsyncSession, source: str, delivery_key: str) -> None:
    """Empty one raw update, which tells of somebody who was erased."""
    await session.exec(
        update(WebhookUpdate)
        .where(col(WebhookUpdate.source) == source, col(WebhookUpdate.delivery_key) == delivery_key)
        .values(body=_EMPTY)
    )
