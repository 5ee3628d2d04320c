"""An invented day of a busy chat: who writes when, in so many conversations, with so many messages in all."""

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

_WRITES_ON = 0.25
"""How often whoever wrote last writes once more before the other answers."""
_THINKS_LONG = 0.04
"""How often the customer takes hours to answer; about half of those are silences that a follow-up answers."""
_THANKS = 0.5
"""How often the customer has the last word in a conversation that would have ended with ours."""


@dataclass(frozen=True, slots=True, order=True)
class Line:
    """One message: when in the day, in which conversation, its place there, and whether the customer wrote it."""

    after: timedelta
    conversation: int
    place: int
    by_customer: bool


def day_of(*, conversations: int, messages: int, open_for: timedelta, seed: int = 1) -> list[Line]:
    """The day's messages by their time. Everybody writes at least once, and the customer writes first.

    Args:
        conversations: how many there are.
        messages: how many in all of them, at least one each.
        open_for: the conversations happen within so long from the day's beginning.
        seed: the same seed gives the same day.
    """
    chance = random.Random(seed)  # noqa: S311 - reproducible play data, no secret
    more = Counter(chance.choices(range(conversations), k=messages - conversations))
    lines: list[Line] = []
    for number in range(conversations):
        talk = list(_talk(chance, 1 + more[number]))
        room = open_for - talk[-1][0]
        start = max(room, timedelta(0)) * chance.random()
        lines += [Line(start + after, number, place, mine) for place, (after, mine) in enumerate(talk)]
    return sorted(lines)


def _talk(chance: random.Random, messages: int) -> Iterator[tuple[timedelta, bool]]:
    """When after its beginning each message of a conversation is written, and whether by the customer."""
    after, by_customer = timedelta(0), True
    for place in range(messages):
        yield after, by_customer
        is_next_the_last = place == messages - 2
        before = by_customer
        if chance.random() > _WRITES_ON:
            by_customer = not by_customer
        if is_next_the_last and not by_customer and chance.random() < _THANKS:
            by_customer = True
        after += _pause(chance, again=by_customer is before, by_customer=by_customer)


def _pause(chance: random.Random, *, again: bool, by_customer: bool) -> timedelta:
    """Before a message: seconds for one more, minutes for an answer, now and then hours for a customer's."""
    if again:
        return timedelta(seconds=chance.uniform(5, 60))
    if by_customer and chance.random() < _THINKS_LONG:
        return timedelta(hours=chance.uniform(0.5, 4))
    return timedelta(minutes=chance.lognormvariate(1.2, 0.8))
