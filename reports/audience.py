"""A launch's account: everybody considered has one outcome."""

from collections.abc import Mapping

from models.enums import LeftOut
from reports.documents import Audience
from storage.launches import CONTROL, ENTERED, PACED


def audience_of(by_outcome: Mapping[str, int]) -> Audience:
    """The account of a launch by the outcomes of its candidates."""
    return Audience(
        considered=sum(by_outcome.values()),
        entered=by_outcome.get(ENTERED, 0),
        control=by_outcome.get(CONTROL, 0),
        paced=by_outcome.get(PACED, 0),
        skipped=skipped(by_outcome),
    )


def skipped(by_outcome: Mapping[str, int]) -> dict[str, int]:
    """Every reason is there, in the order in which the vocabulary has them; pacing is no reason but a day."""
    return {reason.value: by_outcome.get(reason.value, 0) for reason in LeftOut if reason is not LeftOut.PACED}
