"""What Meta's account updates mean for the numbers of a business account: nothing sent, or sending again.

Only what forbids us to write to customers first stops the numbers; everything else is for people to read. An update
that does not mention a restriction lifts none.

Source: Meta's webhook reference of `account_update` (events, `restriction_info`, `ban_info`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

_NO_FIRST_WORD = "RESTRICTED_BIZ_INITIATED_MESSAGING"
_ENDS = frozenset({"ACCOUNT_DELETED", "ACCOUNT_OFFBOARDED"})
_BEGINS_AGAIN = frozenset({"ACCOUNT_RECONNECTED"})
_WORRYING = frozenset({"ACCOUNT_VIOLATION", "ACCOUNT_RESTRICTION", "DISABLED_UPDATE"})


@dataclass(frozen=True, slots=True)
class Stop:
    """No number of the account may send, until the moment or, without one, until Meta says otherwise."""

    until: datetime | None


@dataclass(frozen=True, slots=True)
class GoOn:
    """What Meta had forbidden the account is allowed again."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Nothing changes for what is sent. `alert` asks somebody to look at it."""

    alert: bool


Effect = Stop | GoOn | Remark


def effect_of(event: str, ban_state: str | None, restrictions: Iterable[tuple[str, datetime | None]]) -> Effect:
    """What an account update does.

    Args:
        event: Meta's word in upper case.
        ban_state: of a `DISABLED_UPDATE`, in upper case.
        restrictions: type and end of each, of an `ACCOUNT_RESTRICTION`.
    """
    ends = [end for kind, end in restrictions if kind == _NO_FIRST_WORD]
    if event in _ENDS or (event == "DISABLED_UPDATE" and ban_state == "DISABLE"):
        return Stop(None)
    if event == "ACCOUNT_RESTRICTION" and ends:
        known = [end for end in ends if end is not None]
        return Stop(max(known) if len(known) == len(ends) else None)
    if event in _BEGINS_AGAIN or (event == "DISABLED_UPDATE" and ban_state == "REINSTATE"):
        return GoOn()
    return Remark(alert=event in _WORRYING)
