"""No line that reaches stderr holds a telephone number, a secret or a customer's words."""

import json
import logging
import logging.config
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
import uvicorn.config
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from observability import configure_logging, redact, redact_text

LOCAL = "7700900123"
SECRETS = {
    "bearer": ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
    "openai": ("key sk-proj-0123456789abcdef refused", "sk-proj-0123456789abcdef"),
    "shopify": ("token shpat_0123456789abcdef", "shpat_0123456789abcdef"),
    "meta": ("using EAAGm0PX4ZCpsBAKZCjYx1Yz2", "EAAGm0PX4ZCpsBAKZCjYx1Yz2"),
    "url": ("postgresql+asyncpg://rekindle:hunter2@db:5432/x", "hunter2"),
    "query": ("GET /x?access_token=hunter2&a=b", "hunter2"),
    "json": ('{"password": "hunter2"}', "hunter2"),
    "fernet key": (f"key {Fernet.generate_key().decode()}", "="),
}


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "written",
    [
        "+447700900123",
        "447700900123",
        "07700900123",
        "+44 7700 900123",
        "+44 (0)7700 900-123",
        "(07700) 900 123",
        "07700.900.123",
        "+44\u00a07700\u2011900\u2013123",
        "tel:+447700900123",
        "customer447700900123x",
        "/staff/customers/%2B447700900123",
        "whatsapp-447700900123",
    ],
)
def test_a_telephone_number_is_replaced_in_every_common_form(written: str) -> None:
    """However a person or a program writes a number, its subscriber digits do not survive."""
    cleaned = redact_text(f"before {written} after")
    assert "[phone]" in cleaned
    assert "900" not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")


@given(
    digits=st.text("0123456789", min_size=9, max_size=15),
    separator=st.sampled_from(["", " ", "-", ".", " - ", ") "]),
    prefix=st.sampled_from(["", "+", "("]),
)
def test_any_nine_digits_with_separators_are_replaced(digits: str, separator: str, prefix: str) -> None:
    """Grouping and separators do not matter: nine or more digits in a row are a telephone number."""
    grouped = separator.join(digits[i : i + 4] for i in range(0, len(digits), 4))
    assert not any(character.isdigit() for character in redact_text(f"to {prefix}{grouped}!"))


@pytest.mark.parametrize(
    "harmless",
    [
        "enr-0b7c2f5e-1234-5123-8123-123456789012 closed",
        "at 2030-11-22T05:08:11.123456+00:00",
        "at 2030-11-22 05:08:11",
        "listening on 192.168.100.200:8080",
        "order of 1234.50 EUR, 12 tokens",
    ],
)
def test_what_support_needs_stays_readable(harmless: str) -> None:
    """Workflow ids, times, addresses and amounts are not mistaken for telephone numbers."""
    assert redact_text(harmless) == harmless


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_inside_a_text_is_replaced(text: str, secret: str) -> None:
    """Tokens, keys and passwords go even where they stand in the middle of a sentence or URL."""
    cleaned = redact_text(text)
    assert secret not in cleaned
    assert "[secret]" in cleaned


@pytest.mark.parametrize("key", ["access_token", "Authorization", "app_secret", "password", "api_key", "secret_keys"])
def test_a_field_named_as_a_secret_is_replaced_whole(key: str) -> None:
    """A value under a secret's name goes, whatever it looks like and however deep it is."""
    assert redact({"deep": [{key: "plain"}]}) == {"deep": [{key: "[secret]"}]}


def test_ids_keep_their_digits_but_never_a_number_with_a_plus() -> None:
    """Vendors' long numeric ids stay searchable under `..._id`; an international number is caught even there."""
    assert redact({"order_id": 6203948573920, "phone_number_id": "109876543210987"}) == {
        "order_id": 6203948573920,
        "phone_number_id": "109876543210987",
    }
    assert redact({"order_id": "+447700900123"}) == {"order_id": "[phone]"}
    assert redact({"recipient_id": "447700900123", "wa_id": 447700900123}) == {
        "recipient_id": "[phone]",
        "wa_id": "[phone]",
    }


def test_numbers_in_keys_integers_sets_and_objects_are_replaced() -> None:
    """Dictionary keys, bare integers, sets and the reprs of objects are no way around the net."""

    @dataclass
    class Person:
        phone: str

    values: dict[str, Any] = {
        "+447700900123": 1,
        "n": 447700900123,
        "s": {"+447700900123"},
        "o": Person("447700900123"),
    }
    assert LOCAL not in json.dumps(redact(values))


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_our_lines_and_their_tracebacks_are_clean(capsys: pytest.CaptureFixture[str], fmt: str) -> None:
    """An event's text, its fields, bound context and the exception's own text pass through the same net."""
    configure_logging("info", fmt)
    log = structlog.get_logger("rekindle.test").bind(bound="+447700900123")
    structlog.contextvars.bind_contextvars(ctx="07700 900123")
    try:
        message = "cannot reach +447700900123 with Bearer abcdefgh"
        raise LookupError(message)  # noqa: TRY301 - the traceback is the subject
    except LookupError:
        log.exception("failed for 447700900123", phone="447700900123", text="Hi Ana", nested={"to": ["447700900123"]})
    finally:
        structlog.contextvars.clear_contextvars()
    written = capsys.readouterr().err
    assert "LookupError" in written
    assert "900123" not in written
    assert "abcdefgh" not in written
    assert "Ana" not in written


def test_libraries_lines_go_through_the_same_chain(capsys: pytest.CaptureFixture[str]) -> None:
    """A stdlib logger's arguments and exceptions come out redacted, as one JSON object per line."""
    configure_logging("info", "json")
    try:
        message = "row of 447700900123"
        raise KeyError(message)  # noqa: TRY301 - the traceback is the subject
    except KeyError:
        logging.getLogger("temporalio.activity").warning("for %s", "+447700900123", exc_info=True)
    written = capsys.readouterr().err
    line = json.loads(written)
    assert line["event"] == "for [phone]"
    assert line["logger"] == "temporalio.activity"
    assert "KeyError" in line["exception"]
    assert "900123" not in written


def test_uvicorns_own_handlers_are_replaced(capsys: pytest.CaptureFixture[str]) -> None:
    """Access lines, which hold paths with telephone numbers, do not bypass the chain after uvicorn set itself up."""
    logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    configure_logging("info", "json")
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:5000", "GET", "/staff/customers/+447700900123", "1.1", 200
    )
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == '127.0.0.1:5000 - "GET /staff/customers/[phone] HTTP/1.1" 200'


def test_the_level_is_kept_and_clients_stay_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines below the level are not written, nor are the request lines of HTTP clients at info."""
    configure_logging("info", "json")
    structlog.get_logger("rekindle.test").debug("detail")
    logging.getLogger("httpx").info("HTTP Request: POST")
    structlog.get_logger("rekindle.test").info("kept")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "kept"
