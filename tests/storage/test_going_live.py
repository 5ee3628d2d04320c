"""When a pending journey goes live, and who is asked to look, on both databases."""

from models.enums import JourneyState, LaunchState, StoreEventKind, TemplateStatus
from models.journey import JourneyDefinition
from models.tables import Journey, Launch, StoreEvent, Template
from storage.engine import Database
from storage.going_live import go_live, unserved, wait_for_templates, waits_for
from storage.ingest_accounts import TemplatePiece, note_templates
from storage.launches import open_launch
from storage.publishing import publish
from storage.stores import required_id, store_parts
from storage.substitutions import substitute
from tests.worlds import DEFINITION, NOON, WABA, World, later


async def pending(world: World, definition: JourneyDefinition = DEFINITION) -> None:
    """The journey waits for its template, with a launch."""
    async with world.database.write() as session:
        session.add(_template("winback_hello", TemplateStatus.PENDING))
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, definition, now=NOON)
        await wait_for_templates(session, journey, await waits_for(session, world.store_id, definition), now=NOON)
        await open_launch(
            session,
            store_id=world.store_id,
            journey_id=required_id(journey.id),
            version_id=required_id(version.id),
            limit=None,
            now=NOON,
            state=LaunchState.WAITING,
        )


def _template(name: str, status: TemplateStatus) -> Template:
    return Template(waba_id=WABA, name=name, language="en", status=status, variables=["1"], synced_at=NOON)


async def approve(world: World, status: TemplateStatus = TemplateStatus.APPROVED) -> None:
    """Meta tells of the template."""
    piece = TemplatePiece("t", WABA, "winback_hello", "en", status, later(minutes=1))
    async with world.database.write() as session:
        await note_templates(session, [piece], now=later(minutes=1))


async def lives(world: World) -> bool:
    """Whether it goes live when it is looked at."""
    async with world.database.write() as session:
        return await go_live(session, 1, now=later(minutes=2))


async def test_it_goes_live_once_when_its_template_is_approved(database: Database, world: World) -> None:
    """Until then its reason says what it waits for; the launch then waits for its AudienceWorkflow alone."""
    assert database is world.database
    await pending(world)
    assert not await lives(world)
    assert (await world.one(Journey, 1)).state_reason == "template winback_hello (en): PENDING"
    async with world.database.read() as session:
        assert await unserved(session, world.store_id) == []
    checks = (await world.intents()).count((f"health-{world.store_id}", "check_now"))
    await approve(world)
    assert (await world.intents()).count((f"health-{world.store_id}", "check_now")) == checks + 1
    assert [await lives(world), await lives(world)] == [True, False]
    journey = await world.one(Journey, 1)
    assert (journey.state, journey.state_reason, journey.resumed_at) == (JourneyState.ACTIVE, None, later(minutes=2))
    async with world.database.read() as session:
        (found,) = await unserved(session, world.store_id)
    assert (found.journey_id, found.launches) == (1, (1,))
    kinds = [event.kind for event in await world.rows(StoreEvent)]
    assert kinds.count(StoreEventKind.JOURNEY_LIVE) == 1


async def test_a_rejected_template_keeps_it_pending_until_another_stands_in(world: World) -> None:
    """Its reason says so; staff's substitution makes it ready and has it looked at."""
    await pending(world)
    await approve(world, TemplateStatus.REJECTED)
    assert not await lives(world)
    assert (await world.one(Journey, 1)).state_reason == "template winback_hello (en): REJECTED"
    async with world.database.write() as session:
        session.add(_template("winback_other", TemplateStatus.APPROVED))
        parts = await store_parts(session, world.store_id)
        await session.flush()
        await substitute(
            session,
            parts.store,
            WABA,
            old="winback_hello",
            new="winback_other",
            language="en",
            journey_id=None,
            now=NOON,
        )
    assert await lives(world)


async def test_what_was_published_while_it_waited_is_what_goes_live(world: World) -> None:
    """The launch is carried out with the newest version, whose templates are the ones that count."""
    await pending(world)
    newer = DEFINITION.model_copy(update={"attribution_days": 4})
    async with world.database.write() as session:
        _, version = await publish(session, world.store_id, newer, now=later(minutes=1))
    await approve(world)
    assert await lives(world)
    (launch,) = await world.rows(Launch)
    assert (launch.version_id, launch.state) == (version.id, LaunchState.WAITING)
