"""Rekindle's programs as real processes, to be killed."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from sandbox.llm.app import MODEL
from tests.processes import plain_environment
from tests.stack import TOKEN, Stack

ROOT = Path(__file__).parents[2]


def environment(stack: Stack, key: str) -> dict[str, str]:
    """The environment of a program that works for the stack."""
    return plain_environment() | {
        "REKINDLE_DATABASE_URL": str(stack.database.engine.url.render_as_string(hide_password=False)),
        "REKINDLE_SECRET_KEYS": key,
        "REKINDLE_WHATSAPP_BASE_URL": stack.urls["whatsapp"],
        "REKINDLE_LLM_BASE_URL": f"{stack.urls['llm']}/v1",
        "REKINDLE_LLM_API_KEY": TOKEN,
        "REKINDLE_LLM_MODEL": MODEL,
        "REKINDLE_LOG_FORMAT": "json",
        "TEMPORAL_ADDRESS": stack.client.service_client.config.target_host,
    }


@asynccontextmanager
async def running(*arguments: str, env: Mapping[str, str], log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python program of ours, killed at the end if it still runs; its output goes to `log`."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, env=dict(env), stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def kill(process: asyncio.subprocess.Process) -> None:
    """`kill -9`, and nothing else."""
    process.kill()
    await process.wait()
