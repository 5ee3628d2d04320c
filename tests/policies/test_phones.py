"""Any way of writing a number in, E.164 or a safe error out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.phones import PhoneError, is_us_number, mask_phone, parse_phone, suppression_hash

UK = "+447700900123"
KEY = b"suppression key"


@pytest.mark.parametrize(
    ("text", "region"),
    [
        ("+447700900123", None),
        ("+44 7700 900123", None),
        ("+44 (0)7700 900-123", None),
        ("+44 (0) 7700.900.123", "DE"),
        ("0044 7700 900123", None),
        ("0044 7700 900123", "GB"),
        ("0044 7700 900123", "US"),
        ("00 44 (0) 7700 900123", None),
        ("+0044 7700 900123", None),
        ("011 44 7700 900123", "US"),
        ("0011 44 7700 900123", "AU"),
        ("tel:+44-7700-900123", None),
        ("whatsapp:+447700900123", None),
        ("https://wa.me/447700900123", None),
        ("447700900123", None),
        ("447700900123", "GB"),
        ("447700900123", "US"),
        ("447700900123.0", None),
        ("07700 900123", "GB"),
        ("7700 900123", "GB"),
        ("(07700) 900 123", "GB"),
        ("\uff0b\uff14\uff14 \uff17\uff17\uff10\uff10 \uff19\uff10\uff10\uff11\uff12\uff13", None),
        ("\u0660\u0667\u0667\u0660\u0660 \u0669\u0660\u0660\u0661\u0662\u0663", "GB"),
        ("\u06f4\u06f4\u06f7\u06f7\u06f0\u06f0\u06f9\u06f0\u06f0\u06f1\u06f2\u06f3", None),
        ("\u202a+44\u00a07700\u00a0900123\u202c", None),
        ("+44\u202c7700\u2066900\u200e123\u2069", None),
        ("'+447700900123", None),
        ("  Mobile: 07700 900123 ", "GB"),
    ],
)
def test_every_way_of_writing_is_understood(text: str, region: str | None) -> None:
    """Prefixes, spaces, brackets, scripts and regions all lead to the same number."""
    assert parse_phone(text, region) == UK


@pytest.mark.parametrize(
    ("text", "region", "expected"),
    [
        ("(202) 555-0123", "US", "+12025550123"),
        ("1 202 555 0123", "US", "+12025550123"),
        ("12025550123", None, "+12025550123"),
        ("12025550123", "GB", "+12025550123"),
        ("11 98765-4321", "BR", "+5511987654321"),
        ("5511987654321", "BR", "+5511987654321"),
        ("0151 12345678", "DE", "+4915112345678"),
        ("4915112345678", "GB", "+4915112345678"),
        ("447400123456", "DE", "+447400123456"),
        ("02 1234 5678", "IT", "+390212345678"),
        ("612 34 56 78", "ES", "+34612345678"),
    ],
)
def test_national_and_bare_international_numbers(text: str, region: str, expected: str) -> None:
    """A national number gets its country, and a country code without plus is seen where it is the better reading."""
    assert parse_phone(text, region) == expected


@pytest.mark.parametrize(
    ("text", "region", "why"),
    [
        ("", None, "no digits"),
        ("call me", "GB", "no digits"),
        ("07700 900123", None, "country is unknown"),
        ("900123", "US", "too few"),
        ("555-0123", "US", "too few"),
        ("+44 7700 900123 456", None, "too many"),
        ("07700 900123 / 07700 900456", "GB", "too many"),
        ("4.477009E+11", None, "scientific"),
        ("+999 7700 900123", None, "country code that exists"),
        ("+", None, "no digits"),
        ("000001", "DE", "no number of its country"),
        ("+62 00000000000000", None, "no number of its country"),
    ],
)
def test_what_is_no_number_is_refused_with_the_reason(text: str, region: str | None, why: str) -> None:
    """The error says what is wrong."""
    with pytest.raises(PhoneError, match=why):
        parse_phone(text, region)


@given(
    st.text(alphabet="0123456789+ ()-/.eE\u0660\uff15tel:", max_size=30),
    st.sampled_from([None, "GB", "US", "DE", "IT"]),
)
def test_any_text_gives_e164_or_an_error_without_the_number(text: str, region: str | None) -> None:
    """No input escapes as another error, none comes out in another form, and no error repeats its digits."""
    complaint, phone = "", None
    try:
        phone = parse_phone(text, region)
    except PhoneError as error:
        complaint = f"{error}{error.__cause__ or ''}"
    assert not any(character.isdigit() for character in complaint)
    if phone is not None:
        assert phone[0] == "+"
        assert len(phone) <= 16
        assert phone[1:].isdecimal()
        assert parse_phone(phone, None) == phone


def test_a_masked_number_shows_country_and_tail_only() -> None:
    """Staff recognise a number without reading it."""
    assert mask_phone(UK) == "+44 ******* 123"
    assert mask_phone("+12025550123") == "+1 ******* 123"
    assert mask_phone("nonsense") == "***"


@given(st.from_regex(r"\+[1-9][0-9]{5,14}", fullmatch=True))
def test_a_mask_never_shows_more_than_a_third(phone: str) -> None:
    """At most three digits of the subscriber's number are visible."""
    tail = mask_phone(phone).rpartition("*")[2].strip()
    assert len(tail) <= 3
    assert phone not in mask_phone(phone).replace(" ", "")


def test_the_suppression_hash_depends_on_number_and_key() -> None:
    """The same number under the same key is found again, and only then."""
    known = suppression_hash(UK, KEY)
    assert known == suppression_hash(UK, KEY)
    assert len(known) == 64
    assert known != suppression_hash("+447700900124", KEY)
    assert known != suppression_hash(UK, b"another key")
    with pytest.raises(ValueError, match="key"):
        suppression_hash(UK, b"")


@pytest.mark.parametrize("phone", ["+12025550123", "+13105550123", "+12120550123", "+18005550123"])
def test_us_area_codes_are_american(phone: str) -> None:
    """The area code decides, also for a number that no plan lists."""
    assert is_us_number(phone)


@pytest.mark.parametrize(
    "phone", ["+14165550123", "+16045550123", "+18765550123", "+12425550123", "+17875550123", UK, "", "12025550123"]
)
def test_others_under_plus_one_are_not_american(phone: str) -> None:
    """Canada, the Caribbean and the rest of the world are not the United States."""
    assert not is_us_number(phone)
