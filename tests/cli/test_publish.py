"""Publishing a new version: who will see what, what differs, what is refused."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlmodel import select

from cli.validate import read_definition
from models.enums import EnrollmentState, JourneyState, TemplateStatus
from models.tables import Customer, Enrollment, Journey, JourneyVersion, Template
from storage.publishing import publish
from storage.stores import required_id
from tests.cli.conftest import WABA, Scene, edit
from tests.worlds import NOON


@pytest.fixture
async def running(world: Scene, journey_file: Path) -> Scene:
    """The file's journey is active with three customers in its first version, and its templates are mirrored."""
    async with world.database.write() as session:
        journey, version = await publish(session, 1, read_definition(journey_file), now=NOON)
        journey.state = JourneyState.ACTIVE
        for number, (state, stage) in enumerate(
            [(EnrollmentState.WAITING, 0), (EnrollmentState.HOLDING, 1), (EnrollmentState.WATCHING, 2)]
        ):
            customer = Customer(store_id=1)
            session.add(customer)
            await session.flush()
            session.add(
                Enrollment(
                    id=f"enr-{number}",
                    store_id=1,
                    journey_id=required_id(journey.id),
                    version_id=required_id(version.id),
                    customer_id=required_id(customer.id),
                    entry_key=str(number),
                    priority=50,
                    state=state,
                    stage=stage,
                    selected_at=NOON,
                    entered_at=NOON,
                )
            )
        for name, status in (
            ("winback_hello", TemplateStatus.APPROVED),
            ("winback_pending", TemplateStatus.PENDING),
        ):
            session.add(
                Template(waba_id=WABA, name=name, language="en", status=status, variables=["1"], synced_at=NOON)
            )
    return world


async def test_a_new_version_is_for_new_entrants_and_says_who_stays(running: Scene, journey_file: Path) -> None:
    """The counts per version and stage, and the fields that differ, are shown; those in it stay where they are."""
    edit(journey_file, ("after: 3d", "after: 2d"))
    answer = await running.run("publish", str(journey_file), "--yes", "--json")
    assert answer.code == 0, answer.err
    told = json.loads(answer.out)
    assert (told["version"], told["previous"], told["changed"]) == (2, 1, True)
    assert told["running"] == [
        {"version": 1, "stage": 1, "customers": 1},
        {"version": 1, "stage": 2, "customers": 1},
        {"version": 1, "stage": None, "customers": 1},
    ]
    assert told["changes"] == [{"field": "stages[2].after", "before": "3d", "after": "2d"}]
    async with running.database.read() as session:
        assert len((await session.exec(select(JourneyVersion))).all()) == 2
        assert {one.version_id for one in await session.exec(select(Enrollment))} == {1}
    again = json.loads((await running.run("publish", str(journey_file), "--yes", "--json")).out)
    assert (again["version"], again["changed"], again["changes"]) == (2, False, [])
    listed = json.loads((await running.run("journeys", "--json")).out)["journeys"]
    assert listed[0]["versions"] == {"1": 3, "2": 0}
    assert listed[0]["running"] == told["running"]


async def test_what_cannot_be_published_is_refused(running: Scene, journey_file: Path) -> None:
    """An unknown name points at `launch`; another kind, a missing and an unapproved template are named."""
    edit(journey_file, ("template: winback_hello", "template: no_such"))
    refused = await running.run("publish", str(journey_file), "--yes")
    assert (refused.code, "no_such (en) does not exist" in refused.err) == (1, True)
    edit(journey_file, ("template: no_such", "template: winback_pending"))
    refused = await running.run("publish", str(journey_file), "--yes")
    assert (refused.code, "winback_pending (en) is not approved" in refused.err) == (1, True)
    edit(journey_file, ("template: winback_pending", "template: winback_hello"), ("name: quiet", "name: other"))
    unknown = await running.run("publish", str(journey_file), "--yes")
    assert (unknown.code, "`launch FILE` starts one" in unknown.err) == (3, True)
    async with running.database.read() as session:
        assert len((await session.exec(select(JourneyVersion))).all()) == 1
        assert len((await session.exec(select(Journey))).all()) == 1


async def test_a_journey_that_goes_live_while_somebody_reads_takes_no_unapproved_template(
    running: Scene, journey_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What may wait in a pending journey may not in one that runs by the time the answer is given."""
    await _put(running, JourneyState.PENDING)
    edit(journey_file, ("template: winback_hello", "template: winback_pending"))
    monkeypatch.setattr("cli.publish.require_terminal", lambda **_: None)

    def go_live(*_: object) -> bool:
        with ThreadPoolExecutor() as pool:
            pool.submit(asyncio.run, _put(running, JourneyState.ACTIVE)).result()
        return True

    monkeypatch.setattr("cli.run.Run.confirm", go_live)
    answer = await running.run("publish", str(journey_file))
    assert (answer.code, "is active by now" in answer.err) == (1, True), answer.err
    async with running.database.read() as session:
        assert len((await session.exec(select(JourneyVersion))).all()) == 1


async def _put(scene: Scene, state: JourneyState) -> None:
    async with scene.database.write() as session:
        (await session.get_one(Journey, 1)).state = state
