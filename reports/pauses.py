"""Why a journey is paused, in plain words, and what ends that."""

from typing import Final

from models.enums import PauseCause
from models.tables import Journey

_CAUSES: Final[dict[PauseCause, str]] = {
    PauseCause.STAFF: "by staff",
    PauseCause.STOP_LOSS: "by its stop-loss, because too many messages failed or led to an opt-out",
    PauseCause.SHOP_DISCONNECTED: "because the shop refuses us, or the merchant removed the app",
    PauseCause.CREDENTIAL_REFUSED: "because WhatsApp refuses the store's access token",
    PauseCause.PAYMENT_PROBLEM: "because there is a problem with paying Meta",
}
_ENDS: Final[dict[PauseCause, str]] = {
    PauseCause.STAFF: "when what is wrong is mended: `resume {journey}`",
    PauseCause.STOP_LOSS: "see what was lost (`sends list --state failed`), mend it, then `resume {journey}`",
    PauseCause.SHOP_DISCONNECTED: "install the app again and enter its token with `store add --replace`; it goes on by "
    "itself",
    PauseCause.CREDENTIAL_REFUSED: "enter a valid token with `store add --replace`; it goes on by itself",
    PauseCause.PAYMENT_PROBLEM: "correct the billing at Meta; it goes on by itself",
}


def paused_words(journey: Journey) -> str:
    """Why it is paused; what staff wrote stands as they wrote it."""
    cause, detail = _cause(journey)
    if cause is None:
        return journey.state_reason or "nobody said why"
    return f"{_CAUSES[cause]}{f' ({detail})' if detail else ''}"


def pause_advice(journey: Journey) -> str:
    """What ends the pause."""
    cause, _ = _cause(journey)
    return _ENDS[cause or PauseCause.STAFF].format(journey=journey.name)


def _cause(journey: Journey) -> tuple[PauseCause | None, str]:
    word, _, detail = (journey.state_reason or "").partition(": ")
    return (PauseCause(word), detail) if word in set(PauseCause) else (None, "")
