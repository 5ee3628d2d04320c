"""Trouble to order: how a test or a demonstration makes the stand-in fail or write something unusable."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimited:
    """Answer 429; `retry_after` goes into the header as it stands: seconds or an HTTP date, None for none."""

    retry_after: str | None = "2"


@dataclass(frozen=True, slots=True)
class QuotaExhausted:
    """Answer 429 with `insufficient_quota`, which no waiting helps."""


@dataclass(frozen=True, slots=True)
class ServerFailure:
    """Answer 5xx: in OpenAI's form, or with `html` as something in front of the server does."""

    status: int = 500
    html: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with a refusal in place of a text."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Stop for the content filter."""


@dataclass(frozen=True, slots=True)
class CutShort:
    """Stop in the middle for the token limit."""


@dataclass(frozen=True, slots=True)
class InvalidJson:
    """Answer with something that is not JSON."""


@dataclass(frozen=True, slots=True)
class WrongSchema:
    """Answer with JSON of another shape."""


@dataclass(frozen=True, slots=True)
class WrongCoupon:
    """Write a coupon code that nobody gave out."""

    code: str = "SAVE50NOW"


@dataclass(frozen=True, slots=True)
class WrongLanguage:
    """Write in a language that was not asked for: this one, or the next that the stand-in knows."""

    language: str | None = None


@dataclass(frozen=True, slots=True)
class UnfilledPlaceholder:
    """Leave a placeholder in the text."""

    placeholder: str = "[name]"


@dataclass(frozen=True, slots=True)
class Obey:
    """Answer what somebody in the conversation wants: these fields in place of the stand-in's own."""

    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Hang:
    """Do not answer for that long (real time, also under a virtual clock) or until the caller gives up."""

    seconds: float = 30.0


Fault = (
    RateLimited
    | QuotaExhausted
    | ServerFailure
    | Refuse
    | Filter
    | CutShort
    | InvalidJson
    | WrongSchema
    | WrongCoupon
    | WrongLanguage
    | UnfilledPlaceholder
    | Obey
    | Hang
)


@dataclass(slots=True)
class _Waiting:
    fault: Fault
    containing: str
    left: int


class FaultScript:
    """Faults waiting for their requests, first come first served; each request meets one at most."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def add(self, fault: Fault, *, times: int = 1, containing: str = "") -> None:
        """The next `times` requests whose prompt contains the text meet the fault."""
        self._waiting.append(_Waiting(fault, containing, times))

    def clear(self) -> None:
        """Be well again."""
        self._waiting.clear()

    def take(self, prompt: str) -> Fault | None:
        """The fault of this request, used up by asking."""
        for waiting in self._waiting:
            if waiting.containing in prompt:
                waiting.left -= 1
                if not waiting.left:
                    self._waiting.remove(waiting)
                return waiting.fault
        return None
