"""Signs of life of activities that may take minutes: when their worker dies, Temporal repeats them within a minute."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Final, ParamSpec, TypeVar

from temporalio import activity

_EVERY_S: Final = 20.0
"""A third of the minute that the workflows allow; what is done before sends none, and so costs no billable action."""

AskP = ParamSpec("AskP")
ResultT = TypeVar("ResultT")


def with_signs_of_life(work: Callable[AskP, Awaitable[ResultT]]) -> Callable[AskP, Awaitable[ResultT]]:
    """Let an activity tell that it lives for as long as it works; it stands below `activity.defn`."""

    @functools.wraps(work)
    async def working(*args: AskP.args, **kwargs: AskP.kwargs) -> ResultT:
        beating = asyncio.create_task(_beat())
        try:
            return await work(*args, **kwargs)
        finally:
            beating.cancel()

    return working


async def _beat() -> None:
    while True:
        await asyncio.sleep(_EVERY_S)
        activity.heartbeat()
