"""What support reads of a follow-up: the conversation that it is about, and why its delay began again."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from models.enums import EnrollmentState, EventKind, ExitReason, JourneyKind
from models.journey import FollowUp
from models.tables import Conversation
from reports.documents import EnrollmentView
from reports.passages import enrollment_view
from storage.customers import lock_customer
from storage.engine import Database
from storage.enrollments import RESTARTED, close_enrollment, enrollment_facts, note
from storage.events import record_event
from storage.lookup import passages
from storage.publishing import publish
from storage.stores import required_id
from tests.worlds import NOON, World, later, make_world

DEFINITION = FollowUp.model_validate(
    {
        "name": "silent-after-quote",
        "kind": "follow_up",
        "repeat": {"every": "2h", "times": 3},
        "message": {"text": "Still there?"},
    }
)


async def _follow_up(world: World) -> tuple[int, str]:
    """A customer in the second of three follow-ups, whose delay began again."""
    customer = await world.customer()
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, DEFINITION, now=NOON)
        conversation = Conversation(
            store_id=world.store_id, number_id=world.number_id, customer_id=customer, board_column="quoted",
            silent_since=later(hours=1),
        )  # fmt: skip
        session.add(conversation)
        await session.flush()
        ids = {"journey_id": journey.id, "version_id": version.id, "conversation_id": conversation.id}
    enrollment = await world.enroll(customer, stage=1, due_at=later(hours=3), **ids)
    async with world.database.write() as session:
        note(session, enrollment, what=RESTARTED, reason=None, stage=1, at=later(hours=2))
    return customer, enrollment


async def _view(world: World, customer: int) -> EnrollmentView:
    async with world.database.read() as session:
        (passage,) = await passages(session, customer)
    return enrollment_view(passage, {}, {}, ZoneInfo("Europe/London"))


async def test_a_follow_up_is_told_with_its_conversation_and_its_restarts(database: Database) -> None:
    """Column and silence, which follow-up of how many is next, and that our side's word put it off."""
    world = await make_world(database)
    customer, _ = await _follow_up(world)
    view = await _view(world, customer)
    assert view.kind is JourneyKind.FOLLOW_UP
    assert view.conversation is not None
    assert (view.conversation.column, view.conversation.is_open) == ("quoted", True)
    assert view.conversation.silent_since == later(hours=1)
    assert view.cart is None
    assert view.next_action is not None
    assert view.next_action.text == "follow-up 2 of 3 is due"
    assert [line.text for line in view.timeline if line.what == RESTARTED] == [
        "follow-up 2: the delay begins again, because our side has written"
    ]


async def test_a_moved_card_is_told_with_its_new_column(database: Database) -> None:
    """The event that ended it says where the card went."""
    world = await make_world(database)
    customer_id, enrollment_id = await _follow_up(world)
    async with world.database.write() as session:
        event = await record_event(
            session, await lock_customer(session, customer_id), kind=EventKind.CONVERSATION_CHANGED,
            exit_reason=ExitReason.MOVED_COLUMN, occurred_at=later(hours=2), received_at=later(hours=2), source="chat",
            dedupe_key="moved", detail="won",
        )  # fmt: skip
        assert event is not None
        facts = await enrollment_facts(session, enrollment_id)
        await close_enrollment(
            session, facts.enrollment, reason=ExitReason.MOVED_COLUMN, now=later(hours=2) + timedelta(seconds=1),
            event_id=required_id(event.id),
        )  # fmt: skip
    view = await _view(world, customer_id)
    assert view.state is EnrollmentState.CLOSED
    assert "the conversation was moved to another column: won" in [line.text for line in view.timeline]
