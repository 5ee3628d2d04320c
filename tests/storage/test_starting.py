"""Who has entered and is to be started, page by page."""

from sqlalchemy import text

from models.enums import EnrollmentState
from storage.engine import Database
from storage.starting import count_starting, starting
from tests.worlds import World

PLAN = (
    "EXPLAIN QUERY PLAN SELECT id FROM enrollment WHERE journey_id = 1 AND state = 'starting' AND id > '' ORDER BY id"
)


async def test_those_who_start_are_read_by_id_beyond_the_last_one(world: World) -> None:
    """Each page goes on behind the one before, and whoever has reported is not among them."""
    states = [EnrollmentState.STARTING, EnrollmentState.WAITING, EnrollmentState.STARTING, EnrollmentState.STARTING]
    ids = [
        await world.enroll(await world.customer(f"+44770090012{number}"), state=state)
        for number, state in enumerate(states)
    ]
    async with world.database.read() as session:
        first = await starting(session, 1, after="", limit=2)
        second = await starting(session, 1, after=first[-1].enrollment_id, limit=2)
        assert await count_starting(session, 1) == 3
    assert [one.enrollment_id for one in (*first, *second)] == [ids[0], ids[2], ids[3]]


async def test_a_page_of_starts_does_not_sort_all_that_are_left(sqlite_database: Database) -> None:
    """The order is the index's own: with a hundred thousand entrants each page would else be a sort of them."""
    async with sqlite_database.read() as session:
        plan = [row[3] for row in (await (await session.connection()).execute(text(PLAN))).all()]
    assert len(plan) == 1
    assert "enrollment_starting" in plan[0]
