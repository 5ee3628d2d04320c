"""The model behind a real port, for tests, and what it is asked."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import httpx2
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from providers.llm.analysis_prompts import AnalysisBrief, build_analysis_messages
from providers.llm.client import LlmClient
from providers.llm.prompts import WritingBrief, build_messages
from providers.llm.results import WritingRequest
from providers.llm.turns import Turn
from providers.llm.verdicts import AnalysisRequest
from sandbox.llm.app import MODEL, LlmSandbox
from tests.serving import serve

KEY = "sk-sandbox-test"
BRIEF = WritingBrief(
    mode="goal", goal="Remind them what they liked", language="es", store_name="Sol", max_chars=500, first_name="Ana",
    last_order_date=date(2030, 1, 1),
)  # fmt: skip
REQUEST = WritingRequest(build_messages(BRIEF))
ANALYSIS_BRIEF = AnalysisBrief(
    store_name="Sol",
    max_chars=500,
    conversation=(
        Turn("customer", "Hi, how much is the blue scarf?"),
        Turn("agent", "It is 49.90 EUR"),
        Turn("customer", "That is too expensive for me, let me think about it."),
    ),
)
ANALYSIS = AnalysisRequest(build_analysis_messages(ANALYSIS_BRIEF))


@asynccontextmanager
async def client_of(app: ASGIApp, **arguments: Any) -> AsyncIterator[LlmClient]:
    """A client of the app behind a real port."""
    async with serve(app) as address, httpx2.AsyncClient() as http:
        given: dict[str, Any] = {
            "base_url": f"{address}/v1",
            "api_key": SecretStr(KEY),
            "model": MODEL,
            "timeout": 5.0,
        } | arguments
        yield LlmClient(http, **given)


def sandbox(**arguments: Any) -> LlmSandbox:
    """The stand-in with our key."""
    return LlmSandbox(api_keys=frozenset({KEY}), **arguments)


def answering(body: Any, status: int = 200, **headers: str) -> tuple[Starlette, list[Any]]:
    """A server that always says the same, and the bodies that it was asked with."""
    asked: list[Any] = []

    async def answer(request: Request) -> Response:
        asked.append(await request.json())
        content = body if isinstance(body, str) else json.dumps(body)
        sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(content, status_code=status, headers=sent)

    return Starlette(routes=[Route("/v1/chat/completions", answer, methods=["POST"])]), asked


def completion(content: str | None, **choice: Any) -> dict[str, Any]:
    """A minimal answer, as small servers give it."""
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"} | choice]}
