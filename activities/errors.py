"""The one place where an outside error becomes a Temporal failure.

A failure's message and details stand in history, so they carry our own words and codes only: a provider's text can
quote a phone number or a name (promise 6). `models.failures` does the same for exceptions that nobody expected.
"""

from datetime import timedelta
from typing import assert_never

from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
)
from providers.shopify.transport import PARKED_CODES


def to_application_error(error: ProviderError) -> ApplicationError:
    """How Temporal should treat a provider's error for a call that is safe to repeat.

    Throttling and refused connections are expected weather (BENIGN: no error metric); a refused credential and a
    request that the service calls wrong are not repeated.
    """
    match error:
        case Throttled():
            return _retry(error, error.retry_after)
        case NotSent() | OutcomeUnknown() | BadAnswer():
            return _retry(error, None)
        case Rejected():
            if error.transient:
                return _retry(error, error.retry_after)
            return ApplicationError(str(error), type=error.name, non_retryable=True)
        case CredentialRefused():
            return ApplicationError(str(error), type=error.name, non_retryable=True)
        case ProviderError():
            return _retry(error, None)
        case _:
            assert_never(error)


def is_closed_door(error: ProviderError) -> bool:
    """Whether the shop refuses us altogether, until a person has done something: a token, a permission, a bill."""
    return isinstance(error, CredentialRefused) or (isinstance(error, Rejected) and error.code in PARKED_CODES)


def _retry(error: ProviderError, after: timedelta | None) -> ApplicationError:
    return ApplicationError(
        str(error), type=error.name, next_retry_delay=after, category=ApplicationErrorCategory.BENIGN
    )
