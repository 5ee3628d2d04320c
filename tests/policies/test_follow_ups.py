"""When a delay that began again is over."""

from datetime import UTC, datetime, timedelta

from models.journey import FollowUp
from policies.follow_ups import restarted_due
from policies.schedule import Whereabouts

LONDON = Whereabouts(None, None, "Europe/London")
NINE = datetime(2030, 1, 7, 9, tzinfo=UTC)


def _definition(hours: str = "00:00-24:00") -> FollowUp:
    message = {"text": "Still there?"}
    stages = [{"after": "2h", "message": message}, {"after": "1d", "message": message}]
    sending = {"hours": hours}
    return FollowUp.model_validate({"name": "quiet", "kind": "follow_up", "stages": stages, "sending": sending})


def test_the_first_delay_is_the_silence_and_later_ones_their_own() -> None:
    """Two hours after our word for the first message, a day after it for the second."""
    now = NINE + timedelta(hours=1)
    assert restarted_due(_definition(), 0, NINE, LONDON, now=now) == NINE + timedelta(hours=2)
    assert restarted_due(_definition(), 1, NINE, LONDON, now=now) == NINE + timedelta(days=1)


def test_a_delay_that_has_passed_restarts_nothing() -> None:
    """At the very moment the message may go."""
    assert restarted_due(_definition(), 0, NINE, LONDON, now=NINE + timedelta(hours=2)) is None
    assert restarted_due(_definition(), 0, NINE, LONDON, now=NINE + timedelta(hours=2, microseconds=-1)) is not None


def test_the_new_time_falls_into_the_hours() -> None:
    """A word in the evening is followed up in the morning."""
    evening = NINE + timedelta(hours=11)
    due = restarted_due(_definition("08:00-20:00"), 0, evening, LONDON, now=evening)
    assert due == NINE + timedelta(hours=23)
