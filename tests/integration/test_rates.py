"""The server-side rate of a number's queue, as the sandbox sees it."""

import asyncio

from models.tables import Number
from tests.integration.conftest import OpenStack
from tests.stack import HELLO, journey
from worker import Fleet

_SLOW, _PEOPLE = 1, 4


async def test_a_numbers_rate_can_be_changed_while_workers_run(open_stack: OpenStack) -> None:
    """At one message a second four take their time; with the rate raised four more go at once, without a restart."""
    async with open_stack(fleet=False) as stack:
        number_id = stack.store.number.id
        enrollments: list[str] = []

        async def set_rate(per_second: int) -> None:
            async with stack.services.database.write() as session:
                (await session.get_one(Number, number_id)).messages_per_second = per_second

        async def took(already: int) -> float:
            people = [await stack.person() for _ in range(_PEOPLE)]
            enrollments.extend([await stack.enroll(journey(("0d", HELLO)), person) for person in people])
            await asyncio.gather(*(stack.start(one) for one in enrollments[already:]))
            await stack.accepted(already + _PEOPLE)
            moments = [message.at for message in stack.received()[already:]]
            return (max(moments) - min(moments)).total_seconds()

        await set_rate(_SLOW)
        async with Fleet(stack.client, stack.services) as fleet:
            slow = await took(0)
            await set_rate(1000)
            await fleet.serve_new_stores()
            fast = await took(_PEOPLE)
        assert slow > 1.5
        assert fast < slow / 2
