"""Two versions of one journey at a time: each customer hears the words, on the days, of the one they entered with."""

from models.orchestration import JourneyRef
from models.tables import Enrollment, JourneyVersion, Launch
from storage.daily_selections import keep_on
from storage.journeys import journey_of
from tests.stack import journey
from tests.workflows.conftest import MONDAY, OpenStack
from workflows.daily_selection import DailySelectionWorkflow


def _words(text: str) -> dict[str, object]:
    return {"template": "winback_hello", "language": "en", "variables": {"1": text}}


async def test_who_entered_before_an_edit_stays_on_the_old_version(open_stack: OpenStack) -> None:
    """The edit reaches those whom the next daily selection brings, and nobody else."""
    old = journey(("0d", _words("old one")), ("3d", _words("old two")))
    new = journey(("0d", _words("new one")), ("1d", _words("new two")))
    async with open_stack() as stack:
        await stack.person(days_ago=70)
        launch = await stack.launch(old)
        assert await stack.launched(launch) == {"entered": 1}
        await stack.accepted(1)
        journey_id = await stack.publish(new)
        async with stack.database.write() as session:
            row = await journey_of(session, journey_id)
            await keep_on(session, row, at="09:00", limit=None, only_new=False, now=MONDAY)
        await stack.person(days_ago=65)
        handle = await stack.client.start_workflow(
            DailySelectionWorkflow.run,
            JourneyRef(journey_id=journey_id),
            id="daily-1-1-at-monday",
            task_queue="rekindle",
        )
        begun = await handle.result()
        assert await stack.launched(begun.launch_ids[0]) == {"entered": 1, "re_entry": 1}
        await stack.accepted(2)
        await stack.advance(days=1, minutes=1)
        await stack.accepted(3)
        await stack.advance(days=2)
        await stack.accepted(4)
        said = [one.content["components"][0]["parameters"][0]["text"] for one in stack.received()]
        assert said == ["old one", "new one", "new two", "old two"]
        versions = {one.id: one.number for one in await stack.rows(JourneyVersion)}
        assert sorted(versions[one.version_id] for one in await stack.rows(Enrollment)) == [1, 2]
        assert [versions[one.version_id] for one in await stack.rows(Launch)] == [1, 2]
