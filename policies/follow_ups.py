"""When a follow-up's delay starts again: our side has written by itself since the delay began.

An agent who is at the conversation anyway must not be talked over by the journey. What they write is no follow-up; the
customer gets the whole delay to answer it.
"""

from datetime import datetime

from models.journey import FollowUp
from policies.calendar import add_span, next_opening
from policies.schedule import Whereabouts, sending_hours, zone_at


def restarted_due(
    definition: FollowUp, stage: int, spoke_at: datetime, where: Whereabouts, *, now: datetime
) -> datetime | None:
    """When stage number `stage` is due, reckoned from a message of our side's; None if that time has passed by `now`.

    The first stage's delay is the silence that comes before entry.
    """
    delay = definition.delay_of(stage) if stage > 0 else definition.entry_delay
    due = add_span(spoke_at, delay, zone_at(definition, where, spoke_at))
    if due <= now:
        return None
    return next_opening(due, sending_hours(definition.sending), zone_at(definition, where, due))
