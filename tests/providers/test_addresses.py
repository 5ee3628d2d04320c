"""Which addresses we go to when somebody else names them."""

import pytest

from providers.addresses import UnsafeUrlError, check_url, refused

PRIVATE = [
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "0.0.0.0",  # noqa: S104 - an address to refuse
    "198.18.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
    "2001::1",
    "3fff::1",
    "5f00::1",
    "64:ff9b:1::1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a00:1",
    "2002:a00:1::",
    "2002:a9fe:a9fe::1",
    "::10.0.0.1",
    "not an address",
    "",
]
LOOPBACK = ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"]


@pytest.mark.parametrize("address", [*PRIVATE, *LOOPBACK])
def test_what_is_not_the_public_internet_is_refused(address: str) -> None:
    """Private, link-local, special and metadata addresses, also inside those that lead on to IPv4."""
    assert refused(address) is not None


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"])
def test_the_public_internet_is_not(address: str) -> None:
    """Addresses that are anybody's to reach, in the forms that a resolver gives."""
    assert refused(address) is None


@pytest.mark.parametrize("address", PRIVATE)
def test_the_sandbox_reaches_this_machine_and_no_other_private_one(address: str) -> None:
    """The exception is for loopback alone."""
    assert refused(address, private=True) is not None


@pytest.mark.parametrize("address", LOOPBACK)
def test_the_sandbox_reaches_this_machine(address: str) -> None:
    """Loopback, in all its forms."""
    assert refused(address, private=True) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "ftp://hooks.example/",
        "hooks.example",
        "https:///path",
        "https://user:secret@hooks.example/",
        "https://@hooks.example/",
        "https://hooks.example/#part",
        "https://hooks.example:22/",
        "https://hooks.example:0/",
        "https://hooks.example:99999/",
        "https://hooks.example:x/",
        "https://localhost/",
        "https://door.localhost/",
        "https://metadata.google.internal/",
        "https://printer.local/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://169.254.169.254/latest/meta-data",
        "https://hooks.example\\@127.0.0.1/",
        "https://hooks.example/a b",
        "https://hooks.example/\n",
        "https://8.8.8.010/",
        "https://256.1.1.1/",
        "https://[2606:4700::1111]x/",
        "https://hooks[2606:4700::1111]/",
        "https://[v1.x]/",
        "https://höoks.example/",
        f"https://hooks.example/{'a' * 500}",
        "",
    ],
)
def test_a_url_that_cannot_be_right_is_refused_before_anybody_asks_for_its_host(url: str) -> None:
    """No TLS, credentials, other services' ports, names and addresses of private networks; the text repeats nothing."""
    with pytest.raises(UnsafeUrlError) as refusal:
        check_url(url)
    assert "secret" not in str(refusal.value)
    assert "hooks" not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example/",
        "https://hooks.example:8443/a?b=c",
        "https://93.184.216.34",
        "https://HOOKS.example:443/",
        "https://[2606:4700::1111]:8443/",
        "https://xn--hks-1na.example/",
    ],
)
def test_an_ordinary_url_is_taken(url: str) -> None:
    """With any path and query, on the port of https or a free one."""
    assert check_url(url).scheme == "https"


def test_the_sandbox_may_do_without_tls() -> None:
    """On this machine, whatever the port."""
    assert check_url("http://127.0.0.1:80/", private=True).port == 80
    with pytest.raises(UnsafeUrlError):
        check_url("http://10.0.0.1/", private=True)
