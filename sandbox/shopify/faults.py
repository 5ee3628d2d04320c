"""Trouble to order: how a test or a simulation makes the stand-in fail."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble.

    Attributes:
        status: HTTP status to answer with; 200 with a `code` is an error inside a GraphQL answer.
        code: `extensions.code` of that error, such as `THROTTLED` or `INTERNAL_SERVER_ERROR`.
        operation: only for requests whose document contains this root field; None for any.
        times: how many requests it hits.
        retry_after: seconds for the `Retry-After` header.
        delay: seconds to wait first; with neither status nor code the answer is then the right one.
        applied: whether the request takes effect before the trouble, as when an answer is lost on its way.
    """

    status: int = 200
    code: str | None = None
    operation: str | None = None
    times: int = 1
    retry_after: float | None = None
    delay: float = 0.0
    applied: bool = False


@dataclass(slots=True)
class Faults:
    """Faults waiting for their requests, first come first served."""

    _waiting: list[tuple[Fault, int]] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Have the next matching requests fail."""
        self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Be well again."""
        self._waiting.clear()

    def next_for(self, document: str) -> Fault | None:
        """The fault for this request, used up by one."""
        for at, (fault, left) in enumerate(self._waiting):
            if fault.operation is None or fault.operation in document:
                if left > 1:
                    self._waiting[at] = (fault, left - 1)
                else:
                    del self._waiting[at]
                return fault
        return None
