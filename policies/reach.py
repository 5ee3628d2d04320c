"""How far a sender's limits let a launch go: who waits for room, for how long, and whose wait ends before there is any.

Days are counted whole and first come is first served, which is what the turns of `policies.allowance` come to. A stage
that goes late makes the next one late as well; that is left out, so with several stages this is an estimate.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reach:
    """What becomes of a plan under a limit.

    Attributes:
        wanted: the most messages that the plan has on one day.
        room: how many may go on the first day on which more are wanted.
        waiting: messages that go on a later day than planned.
        lost: messages whose hold ends before there is room.
        days: how many days it takes until the last one has gone.
    """

    wanted: int
    room: int
    waiting: int
    lost: int
    days: int


def reach(wanted: Sequence[int], room: Callable[[int], int | None], hold_days: int) -> Reach | None:
    """Follow a plan day by day; None if there is room for all of it.

    Args:
        wanted: messages a day, from today on.
        room: how many may go on a day, counted from today; None for any number.
        hold_days: after how many days a message that waits is given up.
    """
    queue: deque[tuple[int, int]] = deque()
    waiting = lost = days = day = 0
    tight: int | None = None
    while day < len(wanted) or queue:
        if day < len(wanted) and wanted[day]:
            queue.append((day, wanted[day]))
        while queue and day - queue[0][0] > hold_days:
            lost += queue.popleft()[1]
        free = room(day)
        if tight is None and free is not None and sum(count for _, count in queue) > free:
            tight = free
        while queue and (free is None or free > 0):
            since, count = queue.popleft()
            gone = count if free is None else min(count, free)
            waiting += gone if since < day else 0
            days = day + 1
            free = None if free is None else free - gone
            if gone < count:
                queue.appendleft((since, count - gone))
        day += 1
    return Reach(max(wanted), tight, waiting, lost, days) if tight is not None else None
