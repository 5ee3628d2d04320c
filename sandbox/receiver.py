"""A system of a store's own, as its makers would write it: it takes webhooks and checks them with the library.

It may misbehave in all the ways in which such systems do, and answers the CRM's one question too.
It shares no code with what sends: a mistake in a signature must not be made twice alike.
"""

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; `genuine` is what the library says of its signature."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    genuine: bool

    @property
    def message_id(self) -> str:
        """By which repetitions are told."""
        return self.headers.get("webhook-id", "")


@dataclass(frozen=True, slots=True)
class Reply:
    """How the next request is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    after_s: float = 0.0


class Receiver:
    """An ASGI application on 127.0.0.1.

    Attributes:
        secrets: the secrets that it knows; whatever one of them has signed is genuine.
        at_any_time: whether the time in a signature is left unchecked, where the sender's clock is a virtual one.
        received: every request, in order.
        replies: how the next requests are answered, one each; then 200.
        always: how every request is answered when nothing is listed.
    """

    def __init__(self, *secrets: str, at_any_time: bool = False) -> None:
        self.secrets = list(secrets)
        self.at_any_time = at_any_time
        self.received: list[Received] = []
        self.replies: deque[Reply] = deque()
        self.always = Reply()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request."""
        assert scope["type"] == "http"  # noqa: S101 - it is served without a lifespan
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        genuine = any(self._is_genuine(secret, bytes(body), headers) for secret in self.secrets)
        self.received.append(Received(scope["path"], headers, json.loads(bytes(body)), genuine))
        reply = self.replies.popleft() if self.replies else self.always
        await asyncio.sleep(reply.after_s)
        told = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
        await send({"type": "http.response.start", "status": reply.status, "headers": told})
        await send({"type": "http.response.body", "body": reply.body})

    def _is_genuine(self, secret: str, body: bytes, headers: dict[str, str]) -> bool:
        webhook = Webhook(secret)
        if self.at_any_time:
            return _signed_then(webhook, body.decode(), headers)
        try:
            webhook.verify(body, headers)
        except WebhookVerificationError:
            return False
        return True

    def kinds(self) -> list[str]:
        """The types of the events, in order."""
        return [one.body["type"] for one in self.received]


def _signed_then(webhook: Webhook, body: str, headers: dict[str, str]) -> bool:
    """What `verify` does but for its look at the wall clock."""
    at = datetime.fromtimestamp(int(headers.get("webhook-timestamp", "0")), UTC)
    wanted = webhook.sign(headers.get("webhook-id", ""), at, body)
    return wanted in headers.get("webhook-signature", "").split(" ")
