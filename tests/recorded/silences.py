"""Histories of follow-ups, carts and the watches that find them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from unittest import mock

from composition import system_clock
from models.enums import ExitReason, SkipReason
from models.tables import Conversation, Enrollment, Journey
from storage.conversations import move
from storage.customers import lock_customer
from storage.stopping import close_entry
from storage.watches import watch_workflow_id
from tests.quiet_chats import HELLO as GREETING
from tests.quiet_chats import begin, cart, conversation_of, enter, follow_up, left_cart, our_side_says, quiet
from tests.recorded.pace import SOON, hurried
from tests.silences import follow_up as waiting_follow_up
from tests.stack import Person, Stack
from tests.watching import handle as watch_handle
from tests.watching import looked, silent, watch

_STILL_THERE = {"text": "Are you still there?"}


async def _follow_up(stack: Stack, times: int = 2, **conversation: Any) -> tuple[Person, str]:
    """A customer who asked and was answered, followed up for their silence."""
    person = await stack.person()
    await quiet(stack, person, **conversation)
    definition = follow_up(repeat={"every": "2h", "times": times}, message=_STILL_THERE)
    return person, await begin(stack, definition, person)


async def _follow_up_completed(stack: Stack) -> str:
    with mock.patch("activities.outcomes.due_after", hurried):
        _, enrollment = await _follow_up(stack)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    return enrollment


async def _follow_up_replied(stack: Stack) -> str:
    person, enrollment = await _follow_up(stack)
    await stack.waits(enrollment, 1)
    await stack.write(person, "Yes, sorry!")
    assert await stack.ends(enrollment) is ExitReason.CUSTOMER_REPLIED
    return enrollment


async def _follow_up_restarted(stack: Stack) -> str:
    soon = mock.patch("activities.subjects.restarted_due", _due_soon())
    with mock.patch("activities.outcomes.due_after", hurried), soon:
        person = await stack.person()
        await quiet(stack, person)
        enrollment = await enter(stack, follow_up(("2h", _STILL_THERE), ("2h", _STILL_THERE)), person)
        await our_side_says(stack, person, "We also have it in green.")
        await stack.start(enrollment)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    assert ("restarted", None) in await stack.story(enrollment)
    return enrollment


def _due_soon() -> Callable[..., datetime | None]:
    """The delay that began again is over in a second; asked once more, it is over."""
    asked: list[datetime] = []

    def due(*_: Any, now: datetime) -> datetime | None:
        asked.append(now)
        return now + SOON if len(asked) == 1 else None

    return due


async def _follow_up_window_closed(stack: Stack) -> str:
    person = await stack.person()
    await quiet(stack, person)
    async with stack.database.write() as session:
        (await lock_customer(session, person.id)).last_inbound_at = system_clock() - timedelta(days=2)
    with mock.patch("activities.outcomes.due_after", hurried):
        enrollment = await begin(stack, follow_up(("2h", _STILL_THERE)), person)
        assert await stack.ends(enrollment) is ExitReason.COMPLETED
    assert (await stack.send(enrollment)).skip_reason is SkipReason.WINDOW_CLOSED
    return enrollment


async def _follow_up_moved(stack: Stack) -> str:
    person, enrollment = await _follow_up(stack)
    await stack.waits(enrollment, 1)
    now = system_clock()
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        row = await session.get(Conversation, (await conversation_of(stack, person)).id)
        assert row is not None
        assert await move(session, customer, row, "won", at=now, now=now)
    assert await stack.ends(enrollment) is ExitReason.MOVED_COLUMN
    return enrollment


async def _cart_purchased(stack: Stack) -> str:
    person = await stack.person()
    definition = cart(("0m", {"template": GREETING}), ("24h", {"template": GREETING}))
    enrollment = await begin(stack, definition, person, checkout_id=await left_cart(stack, person))
    await stack.waits(enrollment, 1)
    await asyncio.sleep(1)  # the shop's times have no fractions, and this order comes after the selection
    await stack.buy(person)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    return enrollment


async def _watch(stack: Stack) -> str:
    """Woken for what becomes due later, for what is due already, and for its end."""
    journey_id = await watch(stack, waiting_follow_up())
    await silent(stack, await stack.person())
    await looked(stack, journey_id)
    await silent(stack, await stack.person(), ago=timedelta(hours=3))
    await stack.until(lambda: _has_entered(stack, 1))
    await looked(stack, journey_id)
    async with stack.database.write() as session:
        row = await session.get_one(Journey, journey_id)
        await close_entry(session, row, reason="recorded", now=system_clock())
    await stack.until(lambda: _is_over(stack, journey_id))
    return watch_workflow_id(stack.store.id, journey_id)


async def _watch_noticed(stack: Stack) -> str:
    """Its own timer finds a silence that is long enough, here after a second."""
    with (
        mock.patch("storage.watch_queue.latest_start", lambda _, now: now),
        mock.patch("storage.watch_queue.earliest_due", lambda _, since: since + SOON),
        mock.patch("storage.watch_queue.entry_moment", _brief),
        mock.patch("storage.watch_facts.entry_moment", _brief),
        mock.patch("activities.watching.spacing", return_value=SOON),
    ):
        journey_id = await watch(stack, waiting_follow_up())
        await silent(stack, await stack.person())
        await stack.until(lambda: _has_entered(stack, 1))
        await looked(stack, journey_id)
    return watch_workflow_id(stack.store.id, journey_id)


def _brief(*asked: Any, not_before: datetime) -> datetime:
    since: datetime = asked[1]
    return max(since + SOON, not_before)


async def _has_entered(stack: Stack, count: int) -> bool:
    return len(await stack.rows(Enrollment)) == count


async def _is_over(stack: Stack, journey_id: int) -> bool:
    return (await watch_handle(stack, journey_id).describe()).close_time is not None


PATHS: dict[str, Callable[[Stack], Awaitable[str]]] = {
    "follow-up-completed": _follow_up_completed,
    "follow-up-replied": _follow_up_replied,
    "follow-up-restarted": _follow_up_restarted,
    "follow-up-window-closed": _follow_up_window_closed,
    "follow-up-moved": _follow_up_moved,
    "cart-purchased": _cart_purchased,
    "watch": _watch,
    "watch-noticed": _watch_noticed,
}
"""By the name of the file that keeps the history."""
