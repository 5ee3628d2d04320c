"""The Graph API's refusals: which code comes with which HTTP status, and the body around it.

Statuses are those seen in recorded exchanges and Meta's error reference; where Meta names none, 400.
"""

from typing import Any

_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _SERVER, _UNAVAILABLE = 401, 403, 404, 500, 503

_STATUS = {
    0: _UNAUTHORIZED, 190: _UNAUTHORIZED,
    10: _FORBIDDEN, 368: _FORBIDDEN, 130497: _FORBIDDEN, 131005: _FORBIDDEN, 131031: _FORBIDDEN,
    132001: _NOT_FOUND,
    3: _SERVER, 131000: _SERVER, 131016: _SERVER, 131045: _SERVER, 131057: _SERVER, 134102: _SERVER,
    2: _UNAVAILABLE, 133004: _UNAVAILABLE,
    **dict.fromkeys(range(200, 300), _FORBIDDEN),
}  # fmt: skip

TITLES = {
    0: "Auth exception",
    1: "API unknown error",
    2: "API service is down",
    4: "Application request limit reached",
    100: "Invalid parameter",
    190: "Access token is missing, expired or invalid",
    368: "Temporarily blocked for policy violations",
    80007: "Account rate limit reached",
    130429: "Rate limit hit",
    130472: "The recipient takes part in an experiment",
    131000: "Something went wrong",
    131008: "A required parameter is missing",
    131009: "A parameter value is not valid",
    131021: "The recipient cannot be the sender",
    131026: "Message undeliverable",
    131031: "The account has been locked",
    131042: "Payment issue of the business",
    131047: "Re-engagement message",
    131048: "Spam rate limit hit",
    131049: "Held back to keep engagement healthy",
    131050: "The recipient stopped marketing messages",
    131056: "Pair rate limit hit",
    132000: "The number of parameters does not match the template",
    132001: "The template does not exist in the translation",
    132005: "The filled-in text is too long",
    132012: "The parameter format does not match the template",
    132015: "Template is paused",
    132016: "Template is disabled",
    132018: "A template parameter is not valid",
}


class GraphRefusal(Exception):  # noqa: N818 - an answer of the service, not an error of ours
    """The sandbox refuses a request as the Graph API would.

    Attributes:
        code: Graph error code.
        subcode: `error_subcode`, where there is one.
        details: what stands in `error_data.details`.
        transient: `is_transient`.
        regain_minutes: estimated minutes until a throttle ends, for the usage header.
    """

    def __init__(
        self,
        code: int,
        details: str = "",
        *,
        subcode: int | None = None,
        transient: bool = False,
        regain_minutes: int | None = None,
    ) -> None:
        super().__init__(code, details)
        self.code = code
        self.details = details
        self.subcode = subcode
        self.transient = transient
        self.regain_minutes = regain_minutes

    @property
    def status(self) -> int:
        """The HTTP status that comes with the code."""
        return _STATUS.get(self.code, 400)

    def body(self, trace: str) -> dict[str, Any]:
        """The answer's JSON."""
        missing_object = (self.code, self.subcode) == (100, 33)
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {TITLES.get(self.code, 'Error')}",
            "type": "GraphMethodException" if missing_object else "OAuthException",
            "code": self.code,
            "fbtrace_id": trace,
        }
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        if self.details:
            error["error_data"] = {"messaging_product": "whatsapp", "details": self.details}
        return {"error": error}


def status_error(code: int) -> dict[str, Any]:
    """The error inside a `failed` status."""
    title = TITLES.get(code, "Error")
    return {"code": code, "title": title, "message": title, "error_data": {"details": title}}
