"""When the runs of a simulated tracking journey begin, and whose messages the simulated people approve."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from cli.simulation.options import Options
from cli.simulation.reviews import moments_of
from models.journey import JourneyDefinition, Tracking, WinBack

ZONE = ZoneInfo("Europe/Berlin")
OPENING = datetime(2030, 3, 29, 9, tzinfo=ZONE).astimezone(UTC)
DAILY = Tracking.model_validate({"name": "daily", "kind": "tracking"})
LAPSED = WinBack.model_validate(
    {
        "name": "lapsed",
        "kind": "win_back",
        "audience": {"inactive_days": 60},
        "stages": [{"after": "0d", "message": {"template": "hello", "language": "en"}}],
    }
)


def test_the_first_run_of_a_journey_launched_at_its_time_is_on_the_next_day() -> None:
    """Runs keep their local time over the change of the clocks, and one at the very end is not begun any more."""
    runs = moments_of(DAILY, ZONE, OPENING, days=4)
    assert [f"{at.astimezone(ZONE):%m-%d %H:%M}" for at in runs] == [
        "03-30 09:00", "03-31 09:00", "04-01 09:00", "04-02 09:00",
    ]  # fmt: skip
    assert moments_of(DAILY, ZONE, datetime(2030, 6, 3, 7, tzinfo=UTC), days=1) == ()


@pytest.mark.parametrize(
    ("definition", "asked", "approves"),
    [
        (DAILY, None, True),
        (DAILY, False, False),
        (LAPSED, None, False),
        (LAPSED, True, True),
    ],
)
def test_people_approve_what_a_tracking_journey_suggests_and_the_rest_on_demand(
    definition: JourneyDefinition, *, asked: bool | None, approves: bool
) -> None:
    """Without a word only tracking journeys' messages are approved; `--approve` and `--no-approve` mean all of them."""
    options = Options(definitions=(definition,), orders=(), as_of=date(2026, 3, 27), approve=asked)
    assert options.approves(definition) is approves
