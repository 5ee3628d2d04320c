"""Why a number does not send, in plain words, and whom it leaves out."""

from datetime import datetime

from models.tables import Number
from policies.whatsapp_reactions import explain
from storage.senders import blocked_regions, pause_code


def pause_in_words(number: Number, now: datetime) -> str | None:
    """Why the number is paused, since what word of WhatsApp's, and what to do; None where it is not."""
    if number.paused_reason is None:
        return None
    code = pause_code(number)
    if code is not None:
        why = f"WhatsApp refused with code {code}. {explain(code)}"
    else:
        _, _, event = number.paused_reason.partition(":")
        why = f"Meta has stopped the account ({event or number.paused_reason}). Look at its account quality page."
    if number.paused_until is None:
        return f"sending is paused: {why}"
    if number.paused_until <= now:
        return f"sending was paused, and the next message finds out whether it still is: {why}"
    return f"sending is paused until {number.paused_until:%Y-%m-%d %H:%M} UTC, then one message finds out: {why}"


def countries_in_words(number: Number, now: datetime) -> list[str]:
    """Each country that is left out, and until when."""
    return [
        f"nobody in {region} is written to until {until:%Y-%m-%d}: the account may not (130497)"
        for region, until in blocked_regions(number, now).items()
    ]
