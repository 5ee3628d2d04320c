"""Keys of the staff API: made once, kept as a hash, found by the part that may be seen.

A key is `rk_<8 letters and digits>_<43 characters>`. Its secret part has 256 bits of chance, so nobody can guess it
from the hash and a slow hash would only slow every request down; SHA-256 is enough (it would not be for a password).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import StaffRole
from models.tables import ApiKey

_KEY: Final = re.compile(r"(rk_[a-z0-9]{8})_[A-Za-z0-9_-]{43}")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_PREFIX_LENGTH: Final = 8
_SECRET_BYTES: Final = 32
_NOTE_USE_EVERY: Final = timedelta(minutes=1)


class UnknownKeyError(LookupError):
    """The store has no key with that prefix."""


async def create_key(
    session: AsyncSession, store_id: int, *, name: str, role: StaffRole, now: datetime
) -> tuple[ApiKey, str]:
    """A new key: its row, and the key itself, which nobody can read again."""
    prefix = f"rk_{''.join(secrets.choice(_LETTERS) for _ in range(_PREFIX_LENGTH))}"
    key = f"{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    row = ApiKey(store_id=store_id, name=name, role=role, prefix=prefix, key_hash=_hash(key), created_at=now)
    session.add(row)
    await session.flush()
    return row, key


async def find_key(session: AsyncSession, key: str) -> ApiKey | None:
    """The row of a genuine key that is not revoked."""
    form = _KEY.fullmatch(key)
    if form is None:
        return None
    row = (await session.exec(select(ApiKey).where(ApiKey.prefix == form[1]))).first()
    if row is None or not hmac.compare_digest(row.key_hash, _hash(key)) or row.revoked_at is not None:
        return None
    return row


def is_use_noted(row: ApiKey, *, now: datetime) -> bool:
    """Whether the row says already that the key was used just now."""
    return row.last_used_at is not None and now - row.last_used_at < _NOTE_USE_EVERY


async def note_use(session: AsyncSession, key_id: int, *, now: datetime) -> None:
    """Write down that the key was used, at most once a minute: a read must not become a write each time."""
    await session.exec(
        update(ApiKey)
        .where(
            col(ApiKey.id) == key_id,
            or_(col(ApiKey.last_used_at).is_(None), col(ApiKey.last_used_at) <= now - _NOTE_USE_EVERY),
        )
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )


async def list_keys(session: AsyncSession, store_id: int) -> Sequence[ApiKey]:
    """Every key that the store ever had, oldest first."""
    return (await session.exec(select(ApiKey).where(ApiKey.store_id == store_id).order_by(col(ApiKey.id)))).all()


async def revoke_key(session: AsyncSession, store_id: int, prefix: str, *, now: datetime) -> ApiKey:
    """Make a key useless from now on; a key that is revoked already stays so from its own time on.

    Raises:
        UnknownKeyError: the store has no such key.
    """
    found = (
        await session.exec(select(ApiKey).where(ApiKey.store_id == store_id, ApiKey.prefix == prefix).with_for_update())
    ).first()
    if found is None:
        raise UnknownKeyError("the store has no key with that prefix; `keys list` shows them")
    if found.revoked_at is None:
        found.revoked_at = now
        session.add(found)
        await session.flush()
    return found


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
