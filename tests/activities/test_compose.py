"""Writing a message for a journey that is paused, on both databases."""

import json
from dataclasses import replace
from datetime import datetime

import pytest
from temporalio.testing import ActivityEnvironment

from activities.compose import ComposeActivities
from models.enums import JourneyState, PauseCause
from models.journey import parse_definition_json
from models.orchestration import StageRef, StageStep
from models.tables import Journey
from storage.engine import Database
from storage.pausing import pause_by_itself
from storage.publishing import publish
from storage.senders import pause_sender
from storage.stores import required_id
from tests.refusing import Sending
from tests.worlds import DEFINITION, NOON, later, make_world

_WRITTEN = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


async def writes(sending: Sending, enrollment: str, at: datetime) -> StageStep:
    """What the activity says."""
    environment = ActivityEnvironment()
    environment.info = replace(environment.info, started_time=at)
    activity = ComposeActivities(sending.services).compose_stage
    return (await environment.run(activity, StageRef(enrollment_id=enrollment, stage=0))).step


@pytest.mark.parametrize(
    ("cause", "said"), [(None, StageStep.READY), (PauseCause.STOP_LOSS, StageStep.STALE)], ids=["bill", "another"]
)
async def test_what_finds_out_whether_a_bill_is_paid_is_written(
    database: Database, cause: PauseCause | None, said: StageStep
) -> None:
    """Called stale, the stage would be prepared again at once and for ever; of any other pause the text waits."""
    world = await make_world(database)
    sending = Sending(world)
    await sending.open("winback_note", "winback_hello")
    data = DEFINITION.model_dump(mode="json", by_alias=True) | {"name": "written"}
    data["stages"][0]["message"] = _WRITTEN
    async with database.write() as session:
        journey, version = await publish(session, world.store_id, parse_definition_json(json.dumps(data)), now=NOON)
        journey.state = JourneyState.ACTIVE
        journey_id, version_id = required_id(journey.id), required_id(version.id)
    enrollment = await world.enroll(await world.customer(external_id="1"), journey_id=journey_id, version_id=version_id)
    async with database.write() as session:
        number = await pause_sender(session, world.number_id, 131042, now=NOON)
        if cause is not None:
            await pause_by_itself(session, world.store_id, cause, now=NOON)
    assert number is not None
    assert number.paused_until is not None
    assert (await world.one(Journey, journey_id)).state is JourneyState.PAUSED
    assert await writes(sending, enrollment, later(minutes=1)) is StageStep.STALE
    assert await writes(sending, enrollment, number.paused_until) is said
