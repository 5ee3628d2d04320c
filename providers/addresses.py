"""Which addresses on the internet we go to when somebody else names them: a store's endpoint, its CRM.

Whoever may enter a URL must not be able to make us speak to what only we can reach: our own machine, the network around
it, a cloud's metadata. So a host's every address is looked at after its name was resolved, in whatever spelling it was
written; IANA's special-purpose registries (RFC 6890 and its successors) say which are anybody's own.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

LONGEST_URL: Final = 500
_HTTPS_PORT: Final = 443
_FIRST_FREE_PORT: Final = 1024

_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out to the public internet."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_SPECIAL: Final = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carriers' own; a cloud's metadata is there too
        "168.63.129.16/32",  # a public address that is a cloud's own door to its machines
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "240.0.0.0/4",
        "2001::/23",  # protocols' own, Teredo among them
        "2001:db8::/32",
        "3fff::/20",
    )
)

_DOTTED: Final = re.compile(r"\d+\.\d+\.\d+\.\d+")

_IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


class UnsafeUrlError(ValueError):
    """We do not go to that URL; the text says why, and repeats no part of it."""


def check_url(url: str, *, private: bool = False) -> SplitResult:
    """The parts of a URL that we may be sent to, as far as can be said before its host is resolved.

    Ports below 1024 other than 443 belong to other services, which could be made to take a request for one of theirs.

    Args:
        url: what somebody entered.
        private: whether this machine's own addresses, and plain http, are allowed: in the sandbox.

    Raises:
        UnsafeUrlError: we do not go there.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise UnsafeUrlError("a URL has no spaces, backslashes or characters beyond ASCII; write a host's as xn--")
    if len(url) > LONGEST_URL:
        raise UnsafeUrlError(f"the URL is longer than {LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise UnsafeUrlError("it is no URL") from None
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise UnsafeUrlError("the URL must start with https://")
    if "@" in parts.netloc:
        raise UnsafeUrlError("the URL must hold no user and no password")
    if not host or "%" in host or not _is_whole(parts.netloc, host, port):
        raise UnsafeUrlError("the URL names no host that can be reached")
    if "#" in url:
        raise UnsafeUrlError("the URL must have no #")
    if not private and port not in (None, _HTTPS_PORT) and (port or 0) < _FIRST_FREE_PORT:
        raise UnsafeUrlError(f"the port must be {_HTTPS_PORT}, or {_FIRST_FREE_PORT} and above")
    if (address := _literal(host)) is not None and (why := refused(str(address), private=private)) is not None:
        raise UnsafeUrlError(why)
    if not private and (host == "localhost" or host.endswith((".localhost", ".local", ".internal"))):
        raise UnsafeUrlError("the URL leads to a private network")
    return parts


def refused(address: str, *, private: bool = False) -> str | None:
    """Why we do not connect to an address; None if we may.

    Args:
        address: as the resolver wrote it.
        private: whether this machine's own addresses are allowed, and no others that are private.
    """
    if "%" in address:
        return "the address belongs to one network link"
    found = _literal(address)
    if found is None:
        return "it is no address"
    while (within := _embedded(found)) is not None:
        found = within
    if found.is_loopback:
        return None if private else "the address is this machine's own"
    if isinstance(found, ipaddress.IPv6Address) and found not in _GLOBAL_V6:
        return "the address is not on the public internet"
    special = any(found in network for network in _SPECIAL if network.version == found.version)
    if special or not found.is_global or found.is_multicast or found.is_reserved:
        return "the address is not on the public internet"
    return None


def _is_whole(netloc: str, host: str, port: int | None) -> bool:
    """Whether host and port are all that stands there, and numbers that look like an address are one.

    Others read on where `urlsplit` leaves off (`[2001:db8::1]x`), and refuse what a resolver guesses at (`8.8.8.010`).
    """
    bracketed = f"[{host}]" if ":" in host else host
    if netloc.lower() not in (bracketed, f"{bracketed}:", f"{bracketed}:{port}"):
        return False
    return _DOTTED.fullmatch(host) is None or _literal(host) is not None


def _literal(host: str) -> _IPAddress | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _embedded(address: _IPAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address to which packets for an IPv6 one go on."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return None
