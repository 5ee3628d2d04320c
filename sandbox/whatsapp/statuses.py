"""The life of an accepted message as its status webhooks tell it; every draw comes from the message's id."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox.whatsapp.faults import DuplicateStatuses, FailLater, Fault, Hold, LoseStatuses, ReorderStatuses
from sandbox.whatsapp.graph_errors import status_error
from sandbox.whatsapp.requests import SendRequest

_DELIVERED_SECONDS = (2, 8)
_READ_SECONDS = (60, 3600)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """One status object and when it goes out."""

    due: datetime
    status: dict[str, Any]


def draw(key: str, low: int, high: int) -> int:
    """A number from `low` to `high`, the same for the same key on every machine."""
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    return low + int.from_bytes(digest) % (high - low + 1)


def schedule(
    wamid: str, request: SendRequest, at: datetime, faults: Iterable[Fault], *, read_percent: int
) -> list[Scheduled]:
    """The statuses of a message accepted at `at`: sent at once, delivered in seconds, read (by some) in minutes."""
    failure: FailLater | None = None
    lost = doubled = reversed_order = False
    for fault in faults:
        match fault:
            case FailLater():
                failure = fault
            case Hold():
                at += fault.release
            case LoseStatuses():
                lost = True
            case DuplicateStatuses():
                doubled = True
            case ReorderStatuses():
                reversed_order = True
            case _:
                pass
    if lost:
        return []
    if failure is not None:
        due = at + failure.after
        failed = _status(wamid, request, "failed", due)
        failed["errors"] = [status_error(failure.code)]
        steps = [Scheduled(due, failed)]
    else:
        steps = _success(wamid, request, at, read_percent)
    if reversed_order:
        steps = [Scheduled(early.due, late.status) for early, late in zip(steps, reversed(steps), strict=True)]
    return [step for step in steps for _ in range(2 if doubled else 1)]


def _success(wamid: str, request: SendRequest, at: datetime, read_percent: int) -> list[Scheduled]:
    delivered_at = at + timedelta(seconds=draw(f"{wamid}/delivered", *_DELIVERED_SECONDS))
    steps = [("sent", at), ("delivered", delivered_at)]
    if draw(f"{wamid}/read", 1, 100) <= read_percent:
        steps.append(("read", delivered_at + timedelta(seconds=draw(f"{wamid}/read at", *_READ_SECONDS))))
    statuses = [Scheduled(due, _status(wamid, request, word, due)) for word, due in steps]
    pricing = {
        "billable": request.category != "service",
        "pricing_model": "PMP",
        "type": "free_customer_service" if request.category == "service" else "regular",
        "category": request.category,
    }
    for step in statuses[:2]:
        step.status["pricing"] = pricing
    return statuses


def _status(wamid: str, request: SendRequest, word: str, at: datetime) -> dict[str, Any]:
    status: dict[str, Any] = {"id": wamid, "status": word, "timestamp": str(int(at.timestamp()))}
    if request.by_user_id:
        status["recipient_user_id"] = request.recipient
    else:
        status["recipient_id"] = request.recipient[1:]
    if request.callback_data is not None:
        status["biz_opaque_callback_data"] = request.callback_data
    return status
