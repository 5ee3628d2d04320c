"""Which accounts Meta does not let send, for how long, and with which refusal."""

from dataclasses import dataclass
from datetime import datetime

from sandbox.whatsapp.graph_errors import GraphRefusal

_POLICY, _LOCKED = 368, 131031
# What a restriction forbids: writing to people whose 24-hour window is open, or is not.
_FORBIDS = {
    "RESTRICTED_BIZ_INITIATED_MESSAGING": (False,),
    "RESTRICTED_CUSTOMER_INITIATED_MESSAGING": (True,),
}


@dataclass(frozen=True, slots=True)
class _Block:
    code: int
    until: datetime | None


class AccountBlocks:
    """The blocks of every WABA."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[str, bool], _Block] = {}

    def restrict(self, waba_id: str, kind: str, until: datetime | None) -> None:
        """Forbid what a restriction of this kind forbids; None is for good, and kinds beside messaging do nothing."""
        for window_open in _FORBIDS.get(kind, ()):
            self._blocks[waba_id, window_open] = _Block(_POLICY, until)

    def disable(self, waba_id: str) -> None:
        """Forbid everything."""
        for window_open in (True, False):
            self._blocks[waba_id, window_open] = _Block(_LOCKED, None)

    def lift(self, waba_id: str) -> None:
        """Allow everything again."""
        for window_open in (True, False):
            self._blocks.pop((waba_id, window_open), None)

    def check(self, waba_id: str, now: datetime, *, window_open: bool) -> None:
        """Refuse a message that the account may not send now.

        Raises:
            GraphRefusal: it may not.
        """
        block = self._blocks.get((waba_id, window_open))
        if block is not None and (block.until is None or now < block.until):
            raise GraphRefusal(block.code)
