"""The sandbox's model inside this process, for whoever has no model configured and wants to see the command work."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
from pydantic import SecretStr

from providers.llm.client import LlmClient
from sandbox.llm.app import MODEL, LlmSandbox

_KEY = "stand-in"


@contextlib.asynccontextmanager
async def stand_in() -> AsyncIterator[LlmClient]:
    """A client of it, over no network."""
    server = LlmSandbox(api_keys=frozenset({_KEY}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=server)) as http:
        yield LlmClient(http, base_url="http://stand-in.invalid/v1", api_key=SecretStr(_KEY), model=MODEL)
