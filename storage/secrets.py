"""Secrets at rest: what a store trusts us with is ciphertext in the database and plain text only where it is used."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_SIGNING_PREFIX: Final = "whsec_"
_SIGNING_BYTES: Final = 32
_LEAST_SIGNING_BYTES: Final = 24
_MOST_SIGNING_BYTES: Final = 64


class SecretKeyError(Exception):
    """No key, a key that is none, or a secret that none of the keys opens."""


class Cipher:
    """Encrypts with the first key, decrypts with any: a new key in front rotates without downtime.

    Args:
        keys: Fernet keys (32 url-safe base64 bytes each), newest first.

    Raises:
        SecretKeyError: there is no key, or one is malformed.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            msg = "no secret key: set REKINDLE_SECRET_KEYS, or let `starter.py up` make one"
            raise SecretKeyError(msg)
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError as exc:
            msg = "REKINDLE_SECRET_KEYS holds something that is no Fernet key (32 url-safe base64 bytes)"
            raise SecretKeyError(msg) from exc

    def encrypt(self, plain: str) -> str:
        """The ciphertext to store."""
        return self._fernet.encrypt(plain.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """The secret itself.

        Raises:
            SecretKeyError: no configured key opens it.
        """
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken as exc:
            msg = "a stored secret cannot be opened with REKINDLE_SECRET_KEYS; was an old key dropped too early?"
            raise SecretKeyError(msg) from exc


def new_key() -> str:
    """A fresh Fernet key."""
    return Fernet.generate_key().decode()


def new_salt() -> str:
    """A fresh salt of a store, 32 random bytes in hex."""
    return secrets.token_hex(32)


def derive(salt: str, purpose: str) -> bytes:
    """A key of the store's for one purpose, so that a holdout draw says nothing about a suppression hash."""
    return hmac.new(bytes.fromhex(salt), purpose.encode(), hashlib.sha256).digest()


def new_signing_secret() -> str:
    """A fresh secret that signs what a store's own systems are sent, as Standard Webhooks writes them."""
    return _SIGNING_PREFIX + base64.b64encode(secrets.token_bytes(_SIGNING_BYTES)).decode("ascii")


def is_signing_secret(text: str) -> bool:
    """Whether it is one: 24 to 64 bytes in base64 behind `whsec_`."""
    try:
        key = base64.b64decode(text.removeprefix(_SIGNING_PREFIX), validate=True)
    except ValueError:
        return False
    return text.startswith(_SIGNING_PREFIX) and _LEAST_SIGNING_BYTES <= len(key) <= _MOST_SIGNING_BYTES
