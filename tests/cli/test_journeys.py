"""One journey with all of it, and the archive, on the command line."""

import json
from datetime import timedelta

from models.enums import JourneyState, LaunchState
from models.journey import WinBack
from models.tables import Launch
from storage.daily_selections import keep_on
from storage.journeys import journey_of
from storage.launches import CONTROL, ENTERED, Decision, add_candidates, open_launch, record_decisions
from storage.publishing import publish
from storage.stores import required_id
from tests.cli.conftest import Scene
from tests.cli.recorded import NOW, START, check, seeded
from tests.worlds import DEFINITION

__all__ = ["seeded"]

NAME = DEFINITION.name


async def test_one_journey_with_its_versions_launches_and_schedule(seeded: Scene) -> None:
    """Who is in which version and what changed, the launches' accounts, when it selects next, since when it runs."""
    second = DEFINITION.model_dump(mode="json") | {"coupon": {"preset": "gentle"}, "audience": {"inactive_days": 90}}
    second["stages"][1]["message"]["template"]["variables"] = {"1": "friend"}
    async with seeded.database.write() as session:
        journey, version = await publish(session, 1, WinBack.model_validate(second), now=START + timedelta(hours=2))
        journey.state_since = START
        await keep_on(session, journey, at="09:30", limit=50, only_new=False, now=START)
        for number, state in enumerate((LaunchState.DONE, LaunchState.FAILED)):
            launch = await open_launch(
                session,
                store_id=1,
                journey_id=1,
                version_id=required_id(version.id),
                limit=50,
                now=START + timedelta(hours=3 + number),
            )
            launch.state, launch.finished_at = state, START + timedelta(hours=4)
        launch.error = "declined"
        done = await session.get_one(Launch, 1)
        done.day = START.date()
        await add_candidates(session, 1, [1, 3, 4])
        decided = [Decision(1, ENTERED), Decision(3, CONTROL), Decision(4, "no_consent")]
        await record_decisions(session, done, decided, now=START)
    found = check("journey", await seeded.run("journeys", NAME, "--json"))
    first, newest = found["versions"]
    assert (first["running"], first["closed"], first["control"]) == (1, 1, 1)
    assert newest["changes"] == [
        {"field": "coupon.preset", "before": None, "after": "gentle"},
        {"field": "stages[2].message.template.variables.1", "before": "you", "after": "friend"},
        {"field": "audience.inactive_days", "before": "60", "after": "90"},
    ]
    assert [one["error"] for one in found["launches"]] == ["declined", None]
    shown = (await seeded.run("journeys", NAME)).out
    for text in (
        "active since Mon 2026-03-02 at 09:00",
        "audience  90 or more days without an order",
        "5% off with a code of each customer's own",
        "selection on Tue 2026-03-03 at 09:30 (every day at 09:30, at most 50 customers, since Mon 2026-03-02",
        "daily, at most 50, done",
        "no_consent 1",
    ):
        assert text in shown
    assert (await seeded.run("journeys", "nothing")).code == 3


async def test_the_archive(seeded: Scene) -> None:
    """A journey that is over leaves the list and its numbers stay; `resume` says how to get it back."""
    refused = await seeded.run("archive", NAME)
    assert (refused.code, f"{NAME} has 1 customers in it; `stop {NAME}` first" in refused.err) == (1, True)
    async with seeded.database.write() as session:
        journey, _ = await publish(
            session, 1, WinBack.model_validate(DEFINITION.model_dump() | {"name": "old"}), now=NOW
        )
        journey.state = JourneyState.STOPPED
    check("archive", await seeded.run("archive", "old", "--json"))
    assert "old is archived already" in (await seeded.run("archive", "old")).out
    names = [one["name"] for one in json.loads((await seeded.run("journeys", "--json")).out)["journeys"]]
    assert names == [NAME]
    listed = await seeded.run("journeys")
    assert "1 more in the archive" in listed.out
    assert "old" in (await seeded.run("journeys", "--all")).out
    assert json.loads((await seeded.run("journeys", "old", "--json")).out)["journey"]["state"] == "archived"
    resumed = await seeded.run("resume", "old")
    assert (resumed.code, "`archive old --undo` takes it out" in resumed.err) == (1, True)
    assert (await seeded.run("stop", "old", "--yes")).code == 1
    assert "out of the archive, and stopped" in (await seeded.run("archive", "old", "--undo")).out
    async with seeded.database.read() as session:
        assert (await journey_of(session, 2)).state is JourneyState.STOPPED
    assert "is not in the archive" in (await seeded.run("archive", "old", "--undo")).out
