"""Request bodies, read no further than they may be long."""

from typing import Final

from starlette.requests import ClientDisconnect, Request

MAX_BODY: Final = 4 * 1024 * 1024
"""Longest webhook body, in bytes. Meta's and Shopify's largest stay below 3 MiB."""


class BodyTooLargeError(Exception):
    """The body is longer than allowed; it was not read to its end."""


class BodyCutOffError(Exception):
    """The sender went away before the body was complete."""


async def read_body(request: Request, limit: int) -> bytes:
    """The raw body, counted as it comes, because the length that a sender states may be missing or wrong.

    Raises:
        BodyTooLargeError: it is longer than the limit.
        BodyCutOffError: it ended early.
    """
    stated = request.headers.get("content-length", "")
    if stated.isascii() and stated.isdecimal() and (len(stated) > len(str(limit)) or int(stated) > limit):
        raise BodyTooLargeError
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise BodyTooLargeError
    except ClientDisconnect:
        raise BodyCutOffError from None
    return bytes(body)


def as_text(raw: bytes) -> str:
    """The body as any database can keep it."""
    return raw.decode("utf-8", "replace").replace("\x00", "\ufffd")
