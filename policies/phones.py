"""Phone numbers: any way of writing in, E.164 out, and nothing but E.164 anywhere behind this door.

A number without its `+` is dangerous beyond here: WhatsApp puts the business number's own country code before it and
the message reaches a stranger. So reading is generous and the result is strict. No error repeats the number, because
error texts end up in logs.
"""

import hashlib
import hmac
import re
import unicodedata

import phonenumbers
from phonenumbers import CountryCodeSource, NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

_SCIENTIFIC = re.compile(r"\d[.,]?\d*e\+?\d+", re.IGNORECASE)
_FLOAT_TAIL = re.compile(r"(?<=\d{7})\.0+$")
_CHATTY = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_NANP = 1
_SHOWN = 3
_E164_LENGTH = 16  # the + and fifteen digits (ITU-T E.164); the library would let some countries have more
_SHORTEST, _LONGEST = 4, 17  # digits: E.164 allows 15, and people write a prefix before them


class PhoneError(ValueError):
    """The text is no phone number that can be used; the message says why without repeating it."""


def parse_phone(text: str, default_region: str | None) -> str:
    """Read a phone number as a person or a spreadsheet writes it.

    Spaces and punctuation, `tel:` and `whatsapp:` prefixes, `00` or a region's own international prefix instead of
    `+`, a bracketed `(0)`, digits of any script, a missing `+`, and national writing for `default_region` are
    understood. Without a `+` a text can have two readings (a national number, or one that starts with a country
    code): a mobile number wins over another valid one, that over a merely possible one, and the national reading
    over the other.

    Numbers count when their length is possible for their country, even in a range that no plan lists (yet).

    Args:
        text: what was written.
        default_region: ISO 3166 country, upper case, for numbers in national writing; None when unknown.

    Returns:
        The number in E.164.

    Raises:
        PhoneError: no number, or not a whole one.
    """
    written = _clean(text)
    if not any(character.isdigit() for character in written):
        raise PhoneError("there are no digits in it")
    if _SCIENTIFIC.search(written):
        raise PhoneError("a spreadsheet has rounded this number to scientific notation; its digits are lost")
    readings = [number for number in _readings(written, default_region) if _is_whole(number)]
    if not readings:
        raise PhoneError(_complaint(written, default_region))
    # max() keeps the first of equals, so the order of the readings decides a tie.
    return _e164(max(readings, key=_plausibility))


def mask_phone(e164: str) -> str:
    """The number for a list on a screen: country code and last digits, `+44 ******* 123`."""
    try:
        number = phonenumbers.parse(e164, None)
    except NumberParseException:
        return "*" * _SHOWN
    national = phonenumbers.national_significant_number(number)
    shown = min(_SHOWN, len(national) // _SHOWN)
    return f"+{number.country_code} {'*' * (len(national) - shown)} {national[len(national) - shown :]}".rstrip()


def suppression_hash(phone: str, key: bytes) -> str:
    """What stays of an erased customer's number on the suppression list: keyed HMAC-SHA256 of the E.164, in hex.

    Keyed, because the numbers of a whole country can be hashed in minutes.

    Raises:
        ValueError: the key is empty.
    """
    if not key:
        raise ValueError("a suppression hash needs a key")
    return hmac.new(key, phone.encode(), hashlib.sha256).hexdigest()


def is_us_number(phone: str) -> bool:
    """Whether a number has a United States area code, to which WhatsApp delivers no marketing templates.

    Canada, the Caribbean and the US territories with a plan region of their own share `+1` and are not meant. Where
    the number as a whole is in no listed range the area code alone decides.
    """
    try:
        number = phonenumbers.parse(phone, None)
    except NumberParseException:
        return False
    if number.country_code != _NANP:
        return False
    region = phonenumbers.region_code_for_number(number)
    if region is None:
        area = phonenumbers.national_significant_number(number)[:3]
        region = phonenumbers.region_code_for_number(phonenumbers.parse(f"+1{area}2345678", None))
    return region == "US"


def region_of(phone: str) -> str | None:
    """The country that a number belongs to (ISO 3166), None where its numbering plan does not say.

    Where several countries share a code and the number is in no listed range, the plan's main country stands.
    """
    try:
        number = phonenumbers.parse(phone, None)
    except NumberParseException:
        return None
    region = phonenumbers.region_code_for_number(number)
    if region is None:
        region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return region if region.isalpha() and region != "ZZ" else None


def _clean(text: str) -> str:
    """Ordinary digits and signs, without the invisible marks that contact lists put around numbers."""
    plain = unicodedata.normalize("NFKC", text)
    visible = "".join(character for character in plain if unicodedata.category(character) not in {"Cf", "Cc"})
    digits = "".join(str(unicodedata.digit(c)) if c.isdigit() else c for c in visible)
    return _FLOAT_TAIL.sub("", digits.strip())


def _readings(written: str, region: str | None) -> list[PhoneNumber]:
    """The numbers that the text can mean, likeliest first."""
    start = re.search(r"[+\d]", written)
    tail = written[start.start() :] if start else ""
    if tail.startswith("+"):
        # People also write the international prefix twice: "+0044 ...".
        return _parsed(re.sub(r"^\+\s*00\s*", "+", tail), None)
    national = _parsed(tail, region) if region else []
    if national and national[0].country_code_source == CountryCodeSource.FROM_NUMBER_WITH_IDD:
        return national
    if re.match(r"0[\s().-]*0", tail):
        return _parsed(re.sub(r"^0[\s().-]*0", "+", tail), None) + national
    if tail.startswith("0"):
        return national
    return national + _parsed(f"+{tail}", None)


def _parsed(text: str, region: str | None) -> list[PhoneNumber]:
    try:
        return [phonenumbers.parse(text, region, keep_raw_input=True)]
    except NumberParseException:
        return []


def _is_whole(number: PhoneNumber) -> bool:
    """Whether the length fits the country and the E.164 form reads back as itself.

    A local number without its area code does not count, nor one with stray zeros in front, which would be read
    differently by whoever gets it.
    """
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return False
    written = _e164(number)
    if len(written) > _E164_LENGTH:
        return False
    return [_e164(again) for again in _parsed(written, None)] == [written]


def _plausibility(number: PhoneNumber) -> int:
    if not phonenumbers.is_valid_number(number):
        return 0
    return 2 if phonenumbers.number_type(number) in _CHATTY else 1


def _e164(number: PhoneNumber) -> str:
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _complaint(written: str, region: str | None) -> str:
    if region is None and "+" not in written:
        return "the country is unknown; write the number with + and its country code"
    readings = _readings(written, region)
    if not readings:
        # The parser gives up before it looks at the country when there is no sensible number of digits.
        length = sum(character.isdigit() for character in written)
        if length > _LONGEST:
            return "it has too many digits for one number"
        return "it does not start with a country code that exists" if length > _SHORTEST else "it has too few digits"
    match phonenumbers.is_possible_number_with_reason(readings[0]):
        case ValidationResult.TOO_SHORT | ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            return "it has too few digits for its country"
        case ValidationResult.TOO_LONG:
            return "it has too many digits for its country"
        case _:
            return "its digits make no number of its country"
