"""The secrets that webhooks are checked against, kept open in memory for a few seconds.

Opening a secret costs more than checking a signature with it, so they are read together and kept for a short time; a
signature that nothing explains makes the gateway look again, because a store may have been added a moment ago.
"""

import asyncio
import hmac
import logging
import time
from dataclasses import dataclass, field
from functools import cached_property

from sqlmodel import select

from models.tables import Number, Shop, Store
from storage.engine import Database
from storage.secrets import Cipher, SecretKeyError
from storage.stores import required_id, suppression_key_from

_log = logging.getLogger(__name__)

_LOOK_AGAIN_AFTER = 1.0


@dataclass(frozen=True, slots=True)
class NumberCredentials:
    """A WhatsApp number and what its webhooks are signed with."""

    id: int
    store_id: int
    phone_number_id: str
    waba_id: str
    app_secret: str = field(repr=False)
    verify_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ShopCredentials:
    """A shop and what its webhooks are signed with, newest first, and the key under which it forgets people."""

    store_id: int
    domain: str
    default_region: str | None
    secrets: tuple[str, ...] = field(repr=False)
    suppression_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Known:
    """All numbers and shops at one moment."""

    numbers: tuple[NumberCredentials, ...] = ()
    shops: dict[str, ShopCredentials] = field(default_factory=dict)

    @cached_property
    def app_secrets(self) -> dict[str, list[NumberCredentials]]:
        """The distinct app secrets, each with the numbers that it may speak for."""
        found: dict[str, list[NumberCredentials]] = {}
        for number in self.numbers:
            if number.app_secret:
                found.setdefault(number.app_secret, []).append(number)
        return found

    def has_verify_token(self, token: str) -> bool:
        """Whether one of the numbers has this verify token; the time it takes tells nothing about any of them."""
        given = token.encode("utf-8", "replace")
        genuine = False
        for number in self.numbers:
            genuine |= bool(number.verify_token) and hmac.compare_digest(number.verify_token.encode(), given)
        return genuine


class Credentials:
    """The cache.

    Args:
        database: where the stores are.
        cipher: opens their secrets.
        keep_for: how long what was read counts, in seconds of the machine's own clock: a security matter, not a
            matter of the domain's time.
    """

    def __init__(self, database: Database, cipher: Cipher, *, keep_for: float = 5.0) -> None:
        self._database = database
        self._cipher = cipher
        self._keep_for = keep_for
        self._known = Known()
        self._read_at = float("-inf")
        self._opened: dict[str, str] = {}
        self._reading = asyncio.Lock()

    async def known(self, *, look_again: bool = False) -> Known:
        """Every number and shop; `look_again` accepts only what was read within the last second.

        Raises:
            DatabaseUnavailableError: the database cannot be reached.
        """
        oldest = _LOOK_AGAIN_AFTER if look_again else self._keep_for
        if time.monotonic() - self._read_at < oldest:
            return self._known
        async with self._reading:
            if time.monotonic() - self._read_at >= oldest:
                self._known = await self._read()
                self._read_at = time.monotonic()
        return self._known

    async def _read(self) -> Known:
        async with self._database.read() as session:
            numbers = (await session.exec(select(Number))).all()
            shops = (await session.exec(select(Shop, Store).where(Shop.store_id == Store.id))).all()
        before, self._opened = self._opened, {}
        opened_numbers = []
        for number in numbers:
            secrets = self._open(number.store_id, [number.app_secret, number.verify_token_secret], before)
            if secrets is not None:
                opened_numbers.append(
                    NumberCredentials(
                        required_id(number.id), number.store_id, number.phone_number_id, number.waba_id, *secrets
                    )
                )
        opened_shops = {}
        for shop, store in shops:
            opened = self._open(shop.store_id, [*shop.webhook_secrets, store.salt_secret], before)
            if opened is not None:
                *secrets, salt = opened
                domain = shop.domain.lower()
                opened_shops[domain] = ShopCredentials(
                    shop.store_id, domain, store.default_region, tuple(secrets), suppression_key_from(salt)
                )
        return Known(tuple(opened_numbers), opened_shops)

    def _open(self, store_id: int, stored: list[str], before: dict[str, str]) -> list[str] | None:
        try:
            for ciphertext in stored:
                self._opened[ciphertext] = before.get(ciphertext) or self._cipher.decrypt(ciphertext)
        except SecretKeyError as exc:
            # One store's lost key must not stop the others' webhooks.
            _log.error("gateway: secrets of store %d cannot be opened: %s", store_id, exc)
            return None
        return [self._opened[ciphertext] for ciphertext in stored]
