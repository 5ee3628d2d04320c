"""The gateway's OpenAPI description: every address with what it takes, what it answers and how it refuses.

`python -m gateway.api.openapi` writes it to `docs/openapi.json`; a test sees that the file is current.
"""

import json
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.api.problems import PROBLEM_JSON, Problem
from models.enums import StaffRole

FILE: Final = Path(__file__).parents[2] / "docs" / "openapi.json"
PREFIX: Final = "/api"
_VERSION: Final = "1.0.0"
_ABOUT: Final = """What the gateway of Rekindle takes.

**Keys.** Every address under `/api` needs `Authorization: Bearer rk_...`, made by `starter.py keys create NAME --role
support|marketer`. A key belongs to one store and sees nothing of any other. `support` may look customers up, read
journeys, take a customer out of a journey or of all marketing, and see the messages that wait; `marketer` may do
everything.

**Refusals** are `application/problem+json` (RFC 9457) with one sentence for a person. They never repeat what was sent.

**Repetition** is safe everywhere: what was done already is answered, not done again.

The webhooks' own forms are Meta's and Shopify's; here stand only their addresses and how they answer.
"""
_TAGS: Final = [
    {"name": "customers", "description": "What support works with."},
    {"name": "journeys", "description": "Which there are, how they do, pausing and stopping them."},
    {"name": "approvals", "description": "Messages that a person has to read before they go."},
    {"name": "sends", "description": "Messages by what became of them, above all those of which nobody knows."},
    {"name": "credits", "description": "What may still be spent, and what was charged."},
    {"name": "conversations", "description": "What the store's chat tool tells of its conversations."},
    {"name": "external journeys", "description": "Other automations report whom they write to."},
    {"name": "outgoing webhooks", "description": "The store's own systems that are told of events."},
    {"name": "webhooks", "description": "Signed webhooks in."},
    {"name": "operations", "description": "Whether the process works, and how much."},
]
WEBHOOK_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Stored with everything that follows from it; a repetition changes nothing."},
    400: {"description": "It is genuine and no JSON object, or an impossible one."},
    401: {"description": "The signature is nobody's. Nothing more is said."},
    413: {"description": "The body is longer than 4 MiB."},
    503: {"description": "The database is away; the sender tries again."},
}
_HANDSHAKE: Final[dict[str, Any]] = {
    "parameters": [
        {"name": name, "in": "query", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in (
            ("hub.mode", "`subscribe`."),
            ("hub.verify_token", "The verify token of one of our numbers."),
            ("hub.challenge", "What the answer repeats."),
        )
    ],
    "responses": {
        "200": {"description": "The challenge.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        "403": {"description": "The verify token is nobody's."},
        "503": {"description": "The database is away."},
    },
}
_EVERYWHERE: Final = {
    "400": "The body is no JSON.",
    "401": "There is no key, or none that is good. Nothing more is said.",
    "413": "The body is too long.",
    "422": "The request is not what this address takes; `problems` lists everything that is wrong.",
    "503": "The database is away; try again after the seconds in `Retry-After`.",
}
_SIGNED: Final = {
    "/webhooks/whatsapp": ("X-Hub-Signature-256", "Meta"),
    "/webhooks/shopify": ("X-Shopify-Hmac-Sha256", "Shopify"),
}
_WITHOUT_BODY: Final = frozenset({"400"})
_ONLY_MARKETERS: Final = "The key's role is `support`, and this needs `marketer`."


def describe(doors: FastAPI, api: FastAPI) -> dict[str, Any]:
    """The description of both applications in one document.

    Args:
        doors: webhooks, health and metrics.
        api: the staff API, without its prefix.
    """
    found = get_openapi(title="Rekindle gateway", version=_VERSION, description=_ABOUT, routes=doors.routes, tags=_TAGS)
    inner = get_openapi(title="Rekindle", version=_VERSION, routes=api.routes)
    for path, item in found["paths"].items():
        for method, operation in item.items():
            operation["responses"].pop("422", None)
            if path in _SIGNED and method == "post":
                operation.update(_signed(*_SIGNED[path]))
            elif path in _SIGNED:
                operation.update(_HANDSHAKE)
    for path, item in inner["paths"].items():
        for operation in item.values():
            _refuse_like_us(operation)
        found["paths"][PREFIX + path] = item
    schemas = {**found.get("components", {}).get("schemas", {}), **inner["components"]["schemas"]}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    definitions = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= definitions.pop("$defs", {})
    schemas["Problem"] = definitions
    found["components"] = {
        "schemas": dict(sorted(schemas.items())),
        "securitySchemes": inner["components"]["securitySchemes"],
    }
    return found


def _signed(header: str, whose: str) -> dict[str, Any]:
    """What a webhook's address takes: any JSON object, signed."""
    return {
        "parameters": [
            {
                "name": header,
                "in": "header",
                "required": True,
                "description": f"The signature over the raw body, as {whose} writes it.",
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "description": f"{whose}'s own form.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        },
    }


def _refuse_like_us(operation: dict[str, Any]) -> None:
    """Every refusal is a problem document; which there are depends on the operation."""
    responses = operation["responses"]
    responses.pop("422", None)
    told = dict(_EVERYWHERE)
    if "requestBody" not in operation:
        for status in _WITHOUT_BODY:
            del told[status]
        if not operation.get("parameters"):
            del told["422"]
    if any(StaffRole.MARKETER in roles for scheme in operation["security"] for roles in scheme.values()):
        told["403"] = _ONLY_MARKETERS
    for status, text in told.items():
        responses.setdefault(status, {"description": text})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"] = dict(sorted(responses.items()))


def _write() -> None:
    from gateway.api.app import routes  # noqa: PLC0415 - that module imports this one
    from gateway.app import doors  # noqa: PLC0415 - as above

    FILE.write_text(as_text(describe(doors(), routes())), encoding="utf-8")


def as_text(description: dict[str, Any]) -> str:
    """The document as the file holds it."""
    return json.dumps(description, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    _write()
