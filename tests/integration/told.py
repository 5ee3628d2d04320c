"""Everything that Temporal was told since a test began, in plain words, to be searched for people.

What stands in a history is wrapped: payloads are bytes, their JSON may write a letter as an escape, a failure or an
update may hold payloads of its own. So every event is told four ways, and every payload is opened wherever it is.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowExecution

from models.tables import Enrollment
from tests.stack import Stack

_LOOK_S = 0.05
_LOOKS = 200


async def everything_told(stack: Stack, since: datetime) -> dict[str, str]:
    """The whole of every workflow that has begun since then, by its type: histories of all runs, and descriptions.

    Args:
        stack: whose server is read.
        since: nothing older is read; other tests share the server.
    """
    known = {*stack.started, *(one.id for one in await stack.rows(Enrollment) if one.exit_reason is not None)}
    found: dict[str, list[str]] = {}
    for execution in await _begun(stack.client, since, known):
        words = found.setdefault(execution.workflow_type, [])
        words += [execution.id, *in_words(execution.raw_info)]
        handle = stack.client.get_workflow_handle(execution.id, run_id=execution.run_id)
        words += in_words((await handle.describe()).raw_description)
        for event in (await handle.fetch_history()).events:
            words += in_words(event)
    return {kind: "\n".join(words) for kind, words in found.items()}


async def _begun(client: Client, since: datetime, known: Collection[str]) -> list[WorkflowExecution]:
    """All workflows that began since then; the server's list is a moment late, so those known are waited for."""
    missing: set[str] = set(known)
    for _ in range(_LOOKS):
        listed = [one async for one in client.list_workflows() if one.start_time >= since]
        missing = set(known) - {one.id for one in listed}
        if not missing:
            return listed
        await asyncio.sleep(_LOOK_S)
    raise AssertionError(f"the server does not list {sorted(missing)}")


def in_words(message: Message) -> list[str]:
    """A protobuf message as JSON, its bytes, and each payload in it opened."""
    raw = message.SerializeToString()
    words = [MessageToJson(message, ensure_ascii=False), raw.decode("latin-1"), raw.decode("utf-8", "replace")]
    for payload in _payloads(message):
        words.append(payload.data.decode("utf-8", "replace"))
        try:
            words.append(json.dumps(json.loads(payload.data), ensure_ascii=False))
        except ValueError:
            continue
    return words


def _payloads(message: Message) -> Iterator[Payload]:
    """Every payload in a message, however deep."""
    if isinstance(message, Payload):
        yield message
        return
    for _, value in message.ListFields():
        for inner in _parts(value):
            yield from _payloads(inner)


def _parts(value: Any) -> Iterator[Message]:
    if isinstance(value, Message):
        yield value
    elif hasattr(value, "values"):
        yield from (inner for inner in value.values() if isinstance(inner, Message))
    elif not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        yield from (inner for inner in value if isinstance(inner, Message))


def forms_of(phone: str) -> list[str]:
    """A British number, E.164, as people, WhatsApp's ids and programs write it."""
    digits = phone.removeprefix("+")
    national = "0" + digits.removeprefix("44")
    grouped = [
        f"{national[:5]} {national[5:]}",
        f"+44 {national[1:5]} {national[5:]}",
        f"{national[:5]}-{national[5:]}",
    ]
    return [phone, digits, national[1:], *grouped, *(_hidden(digits, shift) for shift in range(3))]


def _hidden(digits: str, shift: int) -> str:
    """Digits as base64 shows them behind so many other bytes, without what depends on their neighbours.

    WhatsApp's own message ids are made like that.
    """
    encoded = b64encode(b"\0" * shift + digits.encode()).decode()
    return encoded[4 if shift else 0 : -4 if encoded.endswith("=") else None]
