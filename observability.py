"""Logs that can be kept: one format for our lines and the libraries' lines, with people and secrets taken out.

Redaction is the last thing that happens before a line is written, so it covers every field, every nested value and
every traceback, whoever logged it. It is a net, not a licence: code logs ids and codes, never names, numbers or texts.
"""

import contextlib
import datetime as dt
import logging
import re
import socket
import sys
from collections.abc import Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from typing import Any

import structlog

_PHONE = "[phone]"
_SECRET = "[secret]"  # noqa: S105 - the replacement, not a secret
_PERSONAL = "[personal]"

# Field names whose whole value goes, whatever it looks like.
_SECRET_KEY = re.compile(
    r"(^|[_\-.])(authorization|token|secret|secret_keys?|password|api[_\-]?key|signature|cookie|hmac)$", re.IGNORECASE
)
_PHONE_KEYS = frozenset({"phone", "phone_number", "msisdn", "wa_id", "recipient", "recipient_id", "to", "from"})
_PERSONAL_KEYS = frozenset({"first_name", "last_name", "full_name", "customer_name", "email", "text", "body", "prompt"})
# Field names that hold ids by construction: long digits in them are Meta's or Shopify's numbering, not a telephone.
_ID_KEY = re.compile(r"(^|_)(id|key|queue)$")

_SECRETS_IN_TEXT = (
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=\-]{4,}", re.IGNORECASE), rf"\1 {_SECRET}"),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), rf"\1{_SECRET}@"),
    (
        re.compile(
            r"((?:token|secret|password|api[_\-]?key|signature|hmac)[\"']?\s*[=:]\s*[\"']?)(?!\[secret])[^\s\"'&,}\]]+",
            re.IGNORECASE,
        ),
        rf"\1{_SECRET}",
    ),
    # Keys by their own forms: our API's; OpenAI's, Shopify's, Meta's; then Fernet tokens and keys.
    (re.compile(r"\brk_[a-z0-9]{8}_[\w\-]{8,}"), _SECRET),
    (re.compile(r"\bsk-[\w\-]{8,}|\bshp[a-z]{2}_\w{8,}|\bEAA\w{20,}|\bgAAAA[\w\-]{20,}=*"), _SECRET),
    (re.compile(r"(?<![\w\-])[\w\-]{43}=(?!\w)"), _SECRET),
)

# Alternatives that are left alone come first: UUIDs, dates with a time, IPv4 addresses.
_NUMBER_IN_TEXT = re.compile(
    r"(?P<keep>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:[+\-]\d\d:?\d\d)?"
    r"|(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]))"
    r"|\+\d(?:[\s().\-\u2010-\u2015]{0,3}\d){6,}"
    r"|(?<!\d)\(?\d(?:[\s().\-\u2010-\u2015]{0,3}\d){8,}",
    re.IGNORECASE,
)
_SHORTEST_PHONE = 10**8

# Chatty at info: a line for each request, with the recipient's number in some URLs.
_QUIET_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "asyncio", "aiosqlite")


def redact_text(text: str) -> str:
    """The text with telephone numbers and secrets replaced by `[phone]` and `[secret]`."""
    return _NUMBER_IN_TEXT.sub(lambda match: match["keep"] or _PHONE, _redact_secrets(text))


def _redact_secrets(text: str) -> str:
    for pattern, replacement in _SECRETS_IN_TEXT:
        text = pattern.sub(replacement, text)
    return text


def redact(value: Any, key: str = "") -> Any:
    """The value as it may be logged under the key: texts, numbers and containers cleaned, other objects by repr."""
    if value is not None and (replacement := _replaced_whole(key)) is not None:
        return replacement
    match value:
        case Mapping():
            return {redact_text(str(k)): redact(v, str(k)) for k, v in value.items()}
        case list() | tuple() | AbstractSet():
            return [redact(item, key) for item in value]
        case _:
            return _redact_scalar(value, key)


def _redact_scalar(value: Any, key: str) -> Any:
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if abs(value) < _SHORTEST_PHONE or _ID_KEY.search(key) else _PHONE
        case str():
            return _redact_id(value) if _ID_KEY.search(key) else redact_text(value)
        case dt.datetime() | dt.date():
            return value.isoformat()
        case _:
            return redact_text(repr(value))


def _redact_id(value: str) -> str:
    # A form with a plus or with blanks is a telephone number wherever it stands.
    return redact_text(value) if "+" in value or re.search(r"\s", value) else _redact_secrets(value)


def _replaced_whole(key: str) -> str | None:
    if _SECRET_KEY.search(key):
        return _SECRET
    if key.lower() in _PHONE_KEYS:
        return _PHONE
    return _PERSONAL if key.lower() in _PERSONAL_KEYS else None


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # The time stamp, level and logger name are our own.
    return {
        key: value if key in {"timestamp", "level", "logger"} else redact(value, key) for key, value in event.items()
    }


def configure_logging(level: str, fmt: str) -> None:
    """Sends every log line of this process to stderr through one redacting chain; may be called again.

    Args:
        level: the least important level written: `debug`, `info`, `warning` or `error`.
        fmt: `console` for a person, `json` for a log store (one object per line).
    """
    before: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _redact_event,
                _renderer(fmt),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET_LIBRARIES:
        logging.getLogger(name).setLevel(logging.WARNING)
    # uvicorn brings handlers of its own, which would write beside the chain.
    for name in ("uvicorn", "uvicorn.access", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


def _renderer(fmt: str) -> structlog.typing.Processor:
    if fmt == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


_temporal_metrics: list[str] = []


def temporal_metrics_url() -> str | None:
    """Where the Temporal SDK of this process shows its figures; None if it does not."""
    return _temporal_metrics[-1] if _temporal_metrics else None


def free_loopback_address() -> str:
    """Host and port of this machine's loopback where nobody listens at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def route_temporal_logs(*, metrics_address: str | None = None) -> None:
    """Send what Temporal's native core says through Python's logging, and so through the same cleaning.

    By itself it writes to stdout, where a command's one JSON document must stand alone. Call it before the process's
    first client or worker; later calls change nothing.

    Args:
        metrics_address: host and port on which the core shows its own figures for Prometheus, if anywhere.
    """
    # Commands that only read the database must not wait for Temporal's libraries to load.
    from temporalio.runtime import (  # noqa: PLC0415
        LogForwardingConfig,
        LoggingConfig,
        PrometheusConfig,
        Runtime,
        TelemetryConfig,
        TelemetryFilter,
    )

    logging_config = LoggingConfig(
        filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(logger=logging.getLogger("temporalio.core")),
    )
    metrics = PrometheusConfig(bind_address=metrics_address) if metrics_address is not None else None
    with contextlib.suppress(RuntimeError):
        Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=logging_config, metrics=metrics)))
        if metrics_address is not None:
            _temporal_metrics.append(f"http://{metrics_address}/metrics")
