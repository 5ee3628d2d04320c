"""Writes down every request that a sandbox service received, so that anybody can count again what a run reports.

One file per service, one JSON object per line: `seq` (over all services, in order of arrival; lines stand in order of
completion), `at` (the sandbox's clock, UTC), `method`, `path` (with its query), `headers`, `body`, `status` and
`response`. Bodies are JSON where they are JSON, else text, else null. A response that was broken off has its status
and a null `response`. Secrets never reach the file.
"""

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import parse_qsl, urlencode

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECRET_WORDS = ("authorization", "token", "secret", "api-key", "apikey", "cookie", "signature", "hmac", "password")
_BUFFER_BYTES = 1 << 20


class Recorder:
    """The recording of one run; wraps any number of ASGI apps.

    Args:
        directory: where the files go, created if needed, appended to if they exist; None records nothing and costs
            nothing.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._files: dict[str, IO[str]] = {}
        self._sequence = itertools.count(1)
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def wrap(self, app: ASGIApp, service: str, clock: Callable[[], datetime]) -> ASGIApp:
        """The same app, with its requests written to `<service>.jsonl`."""
        if self._directory is None:
            return app
        if service not in self._files:
            path = self._directory / f"{service}.jsonl"
            self._files[service] = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=_BUFFER_BYTES)
        return _Recorded(app, self, service, clock)

    def next_seq(self) -> int:
        """The number of the next request."""
        return next(self._sequence)

    def write(self, service: str, line: dict[str, Any]) -> None:
        """Append one line to the service's file; after `close` it is lost, as the process is ending."""
        file = self._files.get(service)
        if file is not None:
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")

    def flush(self) -> None:
        """Put what is buffered on disk."""
        for file in self._files.values():
            file.flush()

    def close(self) -> None:
        """Finish the files; safe to call twice."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Recorded:
    """The ASGI app around the service."""

    def __init__(self, app: ASGIApp, recorder: Recorder, service: str, clock: Callable[[], datetime]) -> None:
        self._app = app
        self._recorder = recorder
        self._service = service
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        line = {
            "seq": self._recorder.next_seq(),
            "at": _rfc3339(self._clock()),
            "method": scope["method"],
            "path": _path(scope),
            "headers": _headers(scope),
        }
        request, response = bytearray(), bytearray()
        status: int | None = None
        complete = False

        async def receive_and_keep() -> Message:
            message = await receive()
            if message["type"] == "http.request":
                request.extend(message.get("body", b""))
            return message

        async def keep_and_send(message: Message) -> None:
            nonlocal status, complete
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                response.extend(message.get("body", b""))
                complete = complete or not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive_and_keep, keep_and_send)
        finally:
            line["body"] = _content(bytes(request))
            line["status"] = status
            line["response"] = _content(bytes(response)) if complete else None
            self._recorder.write(self._service, line)


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _secret(name: str) -> bool:
    lowered = name.lower().replace("_", "-")
    return any(word in lowered for word in _SECRET_WORDS)


def _path(scope: Scope) -> str:
    query = scope.get("query_string", b"").decode("latin-1")
    if not query:
        return str(scope["path"])
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if not _secret(name)]
    return f"{scope['path']}?{urlencode(kept)}" if kept else str(scope["path"])


def _headers(scope: Scope) -> dict[str, str]:
    pairs = ((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
    return {name: value for name, value in pairs if not _secret(name)}


def _content(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
