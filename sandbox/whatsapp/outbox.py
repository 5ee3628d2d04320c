"""The webhooks that are still to come: a heap by due time, batched into signed bodies as Meta batches them."""

import asyncio
import hashlib
import heapq
import hmac
import itertools
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Account:
    """Whom an update is about.

    Attributes:
        waba_id: the business account.
        phone_number_id: the business number.
        display_phone_number: its digits, without `+`.
    """

    waba_id: str
    phone_number_id: str
    display_phone_number: str


def envelope(waba_id: str, changes: list[dict[str, Any]], at: datetime) -> dict[str, Any]:
    """One entry of a webhook body."""
    return {"id": waba_id, "time": int(at.timestamp()), "changes": changes}


def to_body(*entries: dict[str, Any]) -> bytes:
    """The bytes of a webhook; Meta escapes what is not ASCII, and so does this."""
    return json.dumps({"object": "whatsapp_business_account", "entry": list(entries)}, separators=(",", ":")).encode()


def number_value(account: Account, **pieces: Any) -> dict[str, Any]:
    """The `value` of a change that is about a number."""
    metadata = {
        "display_phone_number": account.display_phone_number,
        "phone_number_id": account.phone_number_id,
    }
    return {"messaging_product": "whatsapp", "metadata": metadata, **pieces}


class Outbox:
    """Status updates and whole bodies by due time.

    Args:
        app_secret: signs every body.
    """

    def __init__(self, app_secret: str) -> None:
        self._secret = app_secret.encode()
        self._heap: list[tuple[datetime, int, tuple[Account, dict[str, Any]] | bytes]] = []
        self._order = itertools.count()
        self.changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> datetime | None:
        """When the next update is due, if any is left."""
        return self._heap[0][0] if self._heap else None

    def put(self, due: datetime, account: Account, status: dict[str, Any]) -> None:
        """Let a status go out at that time."""
        heapq.heappush(self._heap, (due, next(self._order), (account, status)))
        self.changed.set()

    def put_body(self, due: datetime, body: bytes) -> None:
        """Let a body go out at that time as it is."""
        heapq.heappush(self._heap, (due, next(self._order), body))
        self.changed.set()

    def due_webhooks(self, now: datetime, limit: int = 1000) -> list[bytes]:
        """Everything that is due, taken out, in as few bodies as `limit` updates a body allow; in order of due time.

        A whole body goes out before the statuses that are gathered around it.
        """
        bodies: list[bytes] = []
        while self._heap and self._heap[0][0] <= now:
            groups: dict[Account, list[dict[str, Any]]] = {}
            for _ in range(max(limit, 1)):
                if not (self._heap and self._heap[0][0] <= now):
                    break
                _, _, update = heapq.heappop(self._heap)
                if isinstance(update, bytes):
                    bodies.append(update)
                    continue
                account, status = update
                groups.setdefault(account, []).append(status)
            entries: dict[str, list[dict[str, Any]]] = {}
            for account, statuses in groups.items():
                change = {"field": "messages", "value": number_value(account, statuses=statuses)}
                entries.setdefault(account.waba_id, []).append(change)
            if entries:
                bodies.append(to_body(*(envelope(waba, changes, now) for waba, changes in entries.items())))
        return bodies

    def sign(self, body: bytes) -> str:
        """The `X-Hub-Signature-256` header for these bytes."""
        return "sha256=" + hmac.new(self._secret, body, hashlib.sha256).hexdigest()
