"""Signatures of what we send to others' addresses, in the scheme of Standard Webhooks (standardwebhooks.com).

The receiver checks them with the library of that name in its own language; the secret is `whsec_` and base64.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks.webhooks import Webhook

_ID_BYTES: Final = 10
USER_AGENT: Final = "Rekindle"


def new_message_id() -> str:
    """A fresh id of a message; repetitions of one have the same."""
    return f"msg_{secrets.token_hex(_ID_BYTES)}"


def signed(message_id: str, body: str, *, keys: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers that go with a body.

    Args:
        message_id: the same in every repetition, by which the receiver tells them.
        body: exactly as it is sent.
        keys: the secrets, of which the receiver has one; two while one takes over from the other.
        at: the time of this try; receivers refuse what is more than some minutes off.
    """
    return {
        "Content-Type": "application/json",
        "User-Agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(key).sign(message_id, at.astimezone(UTC), body) for key in keys),
    }
