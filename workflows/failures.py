"""A failure converter that keeps what exceptions say out of Temporal (promise 6).

An exception that nobody foresaw can quote a row, a request or a person. What stands in history is therefore our own
text for our own failures (`ApplicationError`, written in `activities/errors.py`) and only the type of anything else;
the whole exception is in the worker's log, where it is redacted.
"""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, PayloadConverter
from temporalio.exceptions import FailureError


class PrivateFailureConverter(DefaultFailureConverter):
    """Replaces the message, and drops the stack trace, of exceptions that are not Temporal's own."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        """Convert, keeping only the type of an unforeseen exception and of its causes."""
        super().to_failure(exception, payload_converter, failure)
        _scrub(exception, failure)


def _scrub(exception: BaseException | None, failure: Failure) -> None:
    if exception is None:
        return
    if not isinstance(exception, FailureError):
        failure.message = type(exception).__name__
        failure.stack_trace = ""
    if failure.HasField("cause"):
        _scrub(exception.__cause__, failure.cause)
