"""What a test or a demonstration may let go wrong, scripted per recipient or per callback data."""

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with this Graph error and accept nothing; `regain_minutes` goes into the usage header of a throttle."""

    code: int
    subcode: int | None = None
    transient: bool = False
    regain_minutes: int | None = None


@dataclass(frozen=True, slots=True)
class FailLater:
    """Accept, then report `failed` with this code in place of the delivery."""

    code: int
    after: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class DropResponse:
    """Break the connection instead of answering: the caller cannot know whether it was accepted."""

    accepted: bool = True


@dataclass(frozen=True, slots=True)
class ServerError:
    """Answer 500 with an HTML page, as a gateway in front of the API does."""

    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer late, by real time (also under a virtual clock)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hold:
    """Accept as `held_for_quality_assessment`; the statuses come that much later."""

    release: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class DuplicateStatuses:
    """Send every status of the message twice."""


@dataclass(frozen=True, slots=True)
class ReorderStatuses:
    """Send the statuses of the message in reverse."""


@dataclass(frozen=True, slots=True)
class LoseStatuses:
    """Send no status of the message at all."""


Fault = (
    Refuse | FailLater | DropResponse | ServerError | Delay | Hold | DuplicateStatuses | ReorderStatuses | LoseStatuses
)


class FaultScript:
    """Which request meets which faults; each scripted step is used up by one request, in order.

    A step for a recipient meets any request to it; a step for callback data meets requests whose callback data begins
    with the given parts (`12:0:0` meets every attempt of that send, `12` every message of that enrollment).
    """

    def __init__(self) -> None:
        self._by_recipient: defaultdict[str, deque[tuple[Fault, ...]]] = defaultdict(deque)
        self._by_callback: dict[str, deque[tuple[Fault, ...]]] = {}

    def for_recipient(self, recipient: str, *faults: Fault, times: int = 1) -> None:
        """The next `times` requests to the recipient (beyond those already scripted) meet all of these faults."""
        self._by_recipient[recipient].extend([faults] * times)

    def for_callback(self, prefix: str, *faults: Fault, times: int = 1) -> None:
        """The next `times` requests with such callback data meet all of these faults."""
        self._by_callback.setdefault(prefix, deque()).extend([faults] * times)

    def take(self, recipient: str, callback_data: str | None) -> tuple[Fault, ...]:
        """The faults of this request, used up by asking."""
        if not self._by_recipient and not self._by_callback:
            return ()
        return tuple(self._take(recipient, callback_data or ""))

    def _take(self, recipient: str, callback_data: str) -> Iterator[Fault]:
        if steps := self._by_recipient.get(recipient):
            yield from steps.popleft()
        for prefix, queue in self._by_callback.items():
            if queue and (callback_data == prefix or callback_data.startswith(f"{prefix}:")):
                yield from queue.popleft()
