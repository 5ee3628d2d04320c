"""The other ways in which WhatsApp writes a phone number, so that a reply finds the customer that we wrote to.

A WhatsApp id is not always the number that was dialled: accounts older than a country's last change of its numbering
plan keep the old digits. Mexico had a `1` after the country code for mobiles, Argentina has a `9` there that is left
out in national writing, and Brazil's mobiles have got a leading `9` that early accounts lack.

Source: Meta's notes on `wa_id` differing from `input` for Brazilian and Mexican numbers, and the numbering plans.
"""

import re

_FORMS = (
    (re.compile(r"\+521(\d{10})"), r"+52\1"),
    (re.compile(r"\+52(\d{10})"), r"+521\1"),
    (re.compile(r"\+549(\d{10})"), r"+54\1"),
    (re.compile(r"\+54(\d{10})"), r"+549\1"),
    (re.compile(r"\+55(\d\d)9([6-9]\d{7})"), r"+55\1\2"),
    (re.compile(r"\+55(\d\d)([6-9]\d{7})"), r"+55\g<1>9\2"),
)


def same_line(phone: str) -> tuple[str, ...]:
    """Every form of the E.164 number that means the same telephone line, itself first."""
    return (phone, *(pattern.sub(form, phone) for pattern, form in _FORMS if pattern.fullmatch(phone)))
