"""The sandbox over HTTP: the three calls of the Cloud API that Rekindle makes, and its door, as an ASGI app."""

import asyncio
import base64
import json
import re
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.whatsapp.cloud import Reply, SandboxNumber, WhatsAppSandbox, refused
from sandbox.whatsapp.door import DOOR_PATH, door
from sandbox.whatsapp.events import tier_word
from sandbox.whatsapp.graph_errors import GraphRefusal

_PATH = re.compile(r"/(v\d{1,3}\.\d{1,2})/(\d{1,20})(/messages|/message_templates)?")
_TEMPLATE_DEFAULTS = ("id", "name", "status", "category", "language", "components", "parameter_format")
_NUMBER_DEFAULTS = ("id", "verified_name", "display_phone_number", "quality_rating")
_PAGE, _LARGEST_PAGE = 25, 500
_PAGE_HTML = "<!DOCTYPE html><html><body><h1>Sorry, something went wrong.</h1></body></html>"


class DroppedConnection(httpx.ReadError):
    """Breaks an answer off in the middle.

    A real server closes the connection when the app raises; `httpx.ASGITransport` hands the exception to the caller,
    to whom it must look like any broken connection.
    """


class WhatsAppApp:
    """The ASGI app over a `WhatsAppSandbox`."""

    def __init__(self, sandbox: WhatsAppSandbox) -> None:
        self._sandbox = sandbox
        self._door = door(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["path"].startswith(f"{DOOR_PATH}/"):
            await self._door(scope, receive, send)
            return
        request = Request(scope, receive)
        raw = await request.body()
        try:
            reply = self._answer(request, raw)
        except GraphRefusal as refusal:
            reply = refused(refusal)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.broken:
            await send({"type": "http.response.start", "status": reply.status, "headers": [(b"content-length", b"1")]})
            raise DroppedConnection("the sandbox broke the connection")
        await _response(reply, request.url.path)(scope, receive, send)

    def _answer(self, request: Request, raw: bytes) -> Reply:
        found = _PATH.fullmatch(request.url.path)
        if found is None:
            raise GraphRefusal(2500, "unknown path")
        _, node, edge = found.groups()
        numbers = self._sandbox.numbers
        token = _token(request)
        if not any(token in number.tokens for number in numbers.values()):
            raise GraphRefusal(190)
        owner = numbers.get(node)
        if edge == "/message_templates":
            owner = next((number for number in numbers.values() if number.account.waba_id == node), None)
        wanted_method = "POST" if edge == "/messages" else "GET"
        if owner is None or token not in owner.tokens or request.method != wanted_method:
            raise GraphRefusal(100, "the object does not exist, or the token may not do this", subcode=33)
        if edge == "/messages":
            return self._sandbox.receive(owner, _json(raw))
        if edge == "/message_templates":
            return Reply(200, self._templates(request))
        return Reply(200, _selected(_number_node(owner, self._sandbox.tier), request, _NUMBER_DEFAULTS))

    def _templates(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        found = self._sandbox.templates.matching(query)
        limit = query.get("limit", str(_PAGE))
        if not (limit.isdecimal() and 1 <= int(limit) <= _LARGEST_PAGE):
            raise GraphRefusal(100, "limit must be from 1 to 500")
        start = _offset(query["after"]) if "after" in query else 0
        page = found[start : start + int(limit)]
        nodes = [_selected(template.node(), request, _TEMPLATE_DEFAULTS) for template in page]
        if not nodes:
            return {"data": []}
        end = start + len(nodes)
        paging: dict[str, Any] = {"cursors": {"before": _cursor(start), "after": _cursor(end)}}
        if end < len(found):
            paging["next"] = str(request.url.include_query_params(after=_cursor(end)))
        return {"data": nodes, "paging": paging}


def _token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme == "Bearer" else ""


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _number_node(number: SandboxNumber, tier: int | None) -> dict[str, Any]:
    return {
        "id": number.account.phone_number_id,
        "verified_name": number.verified_name,
        "display_phone_number": f"+{number.account.display_phone_number}",
        "quality_rating": "GREEN",
        "throughput": {"level": "STANDARD"},
        "name_status": "APPROVED",
        "status": "CONNECTED",
        "code_verification_status": "VERIFIED",
        "whatsapp_business_manager_messaging_limit": tier_word(tier),
        "health_status": {"can_send_message": "AVAILABLE" if number.may_send else "BLOCKED", "entities": []},
    }


def _selected(node: dict[str, Any], request: Request, defaults: tuple[str, ...]) -> dict[str, Any]:
    """The fields asked for; `id` always comes, and what Meta has no value for is left out."""
    fields = request.query_params.get("fields")
    wanted = fields.split(",") if fields else defaults
    for name in wanted:
        if name not in node:
            raise GraphRefusal(100, f"tried accessing nonexisting field ({name[:40]})")
    return {name: node[name] for name in dict.fromkeys([*wanted, "id"]) if node[name] is not None}


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode()


def _offset(cursor: str) -> int:
    try:
        position = base64.urlsafe_b64decode(cursor).decode().removeprefix("at:")
    except ValueError:
        position = ""
    if not (position.isascii() and position.isdecimal()):
        raise GraphRefusal(100, "after is no cursor")
    return int(position)


def _response(reply: Reply, path: str) -> Response:
    if reply.body is None:
        return HTMLResponse(_PAGE_HTML, status_code=reply.status)
    content = json.dumps(reply.body, separators=(",", ":")).encode()
    found = _PATH.fullmatch(path)
    headers = {"facebook-api-version": found[1], **reply.headers} if found else reply.headers
    return Response(content, reply.status, headers, media_type="application/json")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
