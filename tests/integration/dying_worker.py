"""A worker that is killed at given moments of a launch: `python -m tests.integration.dying_worker STEP:CALL...`.

For each moment a child works until that call of the step has done what it does, and then kills itself before it can
answer; at last the process itself works on. Children are forked, since only the first start should take its time. Pages
are so small that a handful of customers has several.
"""

import quick_start  # noqa: F401 - for its effect

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partialmethod
from typing import Any
from unittest import mock

from temporalio.client import Client

from activities.entering import Entering
from activities.selection import Selection
from composition import cipher_from, connect, open_database, services_from
from providers.shopify.client import ShopifyClient
from settings import load_settings
from storage import launches
from worker import Fleet
from workflows.loading import share_code

_PAGE = 4
_STEPS: dict[str, tuple[Any, str]] = {
    "read": (Selection, "select_page"),
    "judge": (Selection, "judge_page"),
    "rank": (launches, "give_days"),
    "enroll": (Entering, "enroll_page"),
    "start": (Client, "start_workflow"),
}


def _killed_after(work: Callable[..., Awaitable[Any]], calls: int) -> Callable[..., Awaitable[Any]]:
    left = calls

    async def working(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        answer = await work(*args, **kwargs)
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    return working


async def _work(parent: int | None) -> None:
    settings = load_settings()
    client = await connect()
    async with (
        open_database(settings) as database,
        services_from(settings, database, cipher_from(settings), client) as services,
        Fleet(client, services, max_cached_workflows=0, limit_rates=False),
    ):
        while parent is None or os.getppid() == parent:  # noqa: ASYNC110 - nobody can set an event for us
            await asyncio.sleep(0.1)


def _child(moment: str) -> None:
    """Work, and be killed at the moment; the parent's end is the child's."""
    step, calls = moment.split(":")
    owner, name = _STEPS[step]
    parent = os.getpid()
    process_id = os.fork()
    if process_id == 0:
        with mock.patch.object(owner, name, _killed_after(getattr(owner, name), int(calls))):
            asyncio.run(_work(parent))
        os._exit(0)
    os.waitpid(process_id, 0)
    sys.stdout.write(f"killed at {moment}\n")
    sys.stdout.flush()


def main(moments: list[str]) -> None:
    """Be killed at each of the moments, then live on."""
    small = partialmethod(ShopifyClient.lapsed_customers, first=_PAGE)
    with (
        mock.patch.object(ShopifyClient, "lapsed_customers", small),
        mock.patch("activities.selection._JUDGED_AT_ONCE", _PAGE),
        mock.patch("activities.selection._RANKED_AT_ONCE", _PAGE),
        mock.patch("activities.entering._AT_ONCE", _PAGE),
        mock.patch("activities.audience._STARTED_AT_ONCE", _PAGE),
    ):
        share_code()  # once for all of them
        for moment in moments:
            _child(moment)
        asyncio.run(_work(None))


if __name__ == "__main__":
    main(sys.argv[1:])
