"""What can go wrong when we speak to a service, told apart by the only question that matters: did it happen?

Every provider raises these and nothing else, so that an activity decides by type and never by parsing a text.

    ProviderError
    ├── NotSent             provably no effect: the request never left
    ├── Rejected            the service answered that it did not do it
    ├── OutcomeUnknown      it may or may not have happened
    ├── Throttled           the service did not do it and says when to come back
    ├── CredentialRefused   the token, the permission or the addressed account is wrong
    └── BadAnswer           a 2xx that cannot be understood; the effect has happened or may have

Messages are for logs: they hold the service, the operation, statuses and codes, and never a body, a phone number, a
token or a URL.
"""

from datetime import timedelta
from typing import Literal

import httpx

Service = Literal["whatsapp", "shopify", "llm", "crm"]


class ProviderError(Exception):
    """Base of everything that a provider raises.

    Attributes:
        service: which outside service.
        operation: our own name of the call, such as `send` or `templates`; no ids in it.
        detail: codes and statuses in words, free of personal data.
    """

    def __init__(self, *, service: Service, operation: str, detail: str = "") -> None:
        self.service: Service = service
        self.operation = operation
        self.detail = detail
        super().__init__(f"{service} {operation}: {detail or type(self).__name__}")

    @property
    def name(self) -> str:
        """The error's class name, stable enough to be a Temporal failure type."""
        return type(self).__name__


class NotSent(ProviderError):  # noqa: N818 - names say what is known about the effect, not that it is an error
    """The request provably never reached the service (refused, no DNS, no free connection): repeating it is safe."""


class Rejected(ProviderError):  # noqa: N818 - see NotSent
    """The service answered, in its own error format, that it did not do what was asked.

    Attributes:
        status: HTTP status of the answer (errors inside a 200 keep the 200).
        code: the service's own error code: digits for WhatsApp ("131047"), a word elsewhere ("THROTTLED").
        subcode: a finer code where the service has one.
        transient: the service itself says that the same request may succeed later.
        retry_after: how long the service asks us to wait, if it says so.
    """

    def __init__(
        self,
        *,
        service: Service,
        operation: str,
        status: int,
        code: str,
        subcode: str | None = None,
        transient: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.subcode = subcode
        self.transient = transient
        self.retry_after = retry_after
        finer = f"/{subcode}" if subcode is not None else ""
        super().__init__(service=service, operation=operation, detail=f"rejected, HTTP {status}, code {code}{finer}")

    @property
    def code_number(self) -> int | None:
        """The code as a number, where the service numbers its codes."""
        return int(self.code) if self.code.isdecimal() else None


class OutcomeUnknown(ProviderError):  # noqa: N818 - see NotSent
    """It broke after the request may have left, or a 5xx came without the service's own error in it.

    Attributes:
        status: HTTP status if one arrived.
    """

    def __init__(self, *, service: Service, operation: str, detail: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(service=service, operation=operation, detail=detail)


class Throttled(ProviderError):  # noqa: N818 - see NotSent
    """The service did nothing because we ask too often.

    Attributes:
        retry_after: when to ask again, from the service where it says so, otherwise the caller's own default.
        status: HTTP status of the answer.
        code: the service's own code, if any.
    """

    def __init__(
        self,
        *,
        service: Service,
        operation: str,
        retry_after: timedelta,
        status: int | None = None,
        code: str | None = None,
    ) -> None:
        self.retry_after = retry_after
        self.status = status
        self.code = code
        known = [f"HTTP {status}" if status is not None else "", f"code {code}" if code is not None else ""]
        told = ", ".join(part for part in ("throttled", *known, f"retry in {retry_after.total_seconds():g} s") if part)
        super().__init__(service=service, operation=operation, detail=told)


class CredentialRefused(ProviderError):  # noqa: N818 - see NotSent
    """The token is wrong, expired or lacks a permission, or the addressed account is not ours: a person must act.

    Attributes:
        status: HTTP status of the answer; None where the credential is so malformed that it was not sent at all.
        code: the service's own code, if any.
        subcode: a finer code where the service has one.
    """

    def __init__(
        self,
        *,
        service: Service,
        operation: str,
        status: int | None,
        code: str | None = None,
        subcode: str | None = None,
    ) -> None:
        self.status = status
        self.code = code
        self.subcode = subcode
        told = f", code {code}" if code is not None else ""
        told += f"/{subcode}" if subcode is not None else ""
        where = "not sent" if status is None else f"HTTP {status}"
        super().__init__(service=service, operation=operation, detail=f"credential refused, {where}{told}")


class BadAnswer(ProviderError):  # noqa: N818 - see NotSent
    """A success status whose body cannot be understood; for a call with an effect, the effect may have happened.

    Attributes:
        status: HTTP status of the answer.
    """

    def __init__(self, *, service: Service, operation: str, detail: str = "", status: int | None = None) -> None:
        self.status = status
        super().__init__(service=service, operation=operation, detail=detail or "an answer that cannot be understood")


_NEVER_LEFT = (
    httpx.ConnectError,  # no DNS, refused, or the TLS handshake failed
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,  # a proxy refused the tunnel; of a request that it passes on it answers as a server does
    httpx.UnsupportedProtocol,
)


def classify_transport(exc: httpx.TransportError, *, service: Service, operation: str) -> ProviderError:
    """Tell a request that never left from one whose outcome nobody knows.

    From the first byte on nothing is known any more: a write that breaks off may have been the last one, and a
    connection that the service has closed while it was idle looks like one that it closed after reading. The client
    itself never repeats a request that it has begun to write (httpx's `retries` are of connecting, and are 0).

    Raise the result `from None` or from the original; httpx's own text is not copied, because it may name a host.
    """
    kind = type(exc).__name__
    if isinstance(exc, _NEVER_LEFT):
        return NotSent(service=service, operation=operation, detail=f"not sent ({kind})")
    return OutcomeUnknown(service=service, operation=operation, detail=f"outcome unknown ({kind})")
