"""Numbers of many people take SQLite as many steps as there are people, and not as many as there are pairs of them."""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Table, insert

from models.coupon import FixedCoupon
from models.enums import AttributedBy, EnrollmentState, MessageAuthor, SendState
from models.tables import ChatMessage, Conversation, Customer, Enrollment, Order, Send
from storage.engine import Database
from storage.holdout_arms import holdout_arms
from storage.publishing import publish
from storage.statistics.totals import totals
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, World, make_world

_FEW, _MANY = 150, 1200
_INSTRUCTIONS = 100
"""Between two looks of SQLite's at its progress handler."""


async def _enter(world: World, people: range) -> int:
    """So many customers, each with a message, an answer and an order; every fifth is held out. The journey's id."""
    audience = DEFINITION.audience.model_copy(update={"control_percent": 20})
    definition = DEFINITION.model_copy(update={"audience": audience, "coupon": FixedCoupon(code="BACK10")})
    async with world.database.write() as session:
        journey, version = await publish(session, world.store_id, definition, now=NOON)
        store = {"store_id": world.store_id}
        of_it = {**store, "journey_id": required_id(journey.id)}
        later = NOON + timedelta(hours=1)
        rows: dict[Any, list[dict[str, Any]]] = {
            Customer: [{**store, "id": n, "external_id": str(n)} for n in people],
            Enrollment: [
                {
                    **of_it,
                    "id": f"enr-{n}",
                    "version_id": version.id,
                    "customer_id": n,
                    "entry_key": str(n),
                    "priority": 50,
                    "control": n % 5 == 0,
                    "state": EnrollmentState.CONTROL if n % 5 == 0 else EnrollmentState.WATCHING,
                    "selected_at": NOON,
                    "entered_at": NOON,
                    "horizon_at": NOON + timedelta(days=8),
                }
                for n in people
            ],
            Send: [
                {
                    **of_it,
                    "id": n,
                    "enrollment_id": f"enr-{n}",
                    "customer_id": n,
                    "stage": 0,
                    "state": SendState.ACCEPTED,
                    "settled_at": NOON,
                }
                for n in people
            ],
            Conversation: [{**store, "id": n, "number_id": world.number_id, "customer_id": n} for n in people],
            ChatMessage: [
                {"conversation_id": n, "inbound": True, "author": MessageAuthor.CUSTOMER, "kind": "text", "at": later}
                for n in people
            ],
            Order: [
                {
                    **store,
                    "customer_id": n,
                    "external_id": str(n),
                    "ordered_at": later,
                    "updated_at": later,
                    "total_minor": 4000 + n,
                    "currency": "USD",
                    "discount_codes": ["BACK10"],
                    "attributed_by": AttributedBy.COUPON,
                    "attributed_journey_id": of_it["journey_id"],
                    "attributed_enrollment_id": f"enr-{n}",
                }
                for n in people
            ],
        }
        connection = await session.connection()
        for table, values in rows.items():
            await connection.execute(insert(cast("Table", table.__table__)), values)
        return of_it["journey_id"]


async def _steps(database: Database, journey_id: int, people: int) -> tuple[int, int]:
    """What SQLite goes through for a journey's numbers, and for its arms."""
    looks = 0

    def look() -> None:
        nonlocal looks
        looks += 1

    async with database.read() as session:
        raw: Any = (await (await session.connection()).get_raw_connection()).driver_connection
        await raw.set_progress_handler(look, _INSTRUCTIONS)
        found = await totals(session, journey_id)
        assert found.counts["messages:replied"] == people
        of_numbers, looks = looks, 0
        arms = await holdout_arms(session, journey_id, now=NOON + timedelta(days=30))
        assert arms.treated.compared + arms.control.compared == people
        await raw.set_progress_handler(None, 0)
    return of_numbers, looks


async def test_numbers_take_no_longer_than_there_are_people(sqlite_database: Database) -> None:
    """Eight times the people take some eight times the steps, and not the sixty-four of a table read for each row."""
    world = await make_world(sqlite_database)
    journey_id = await _enter(world, range(1, _FEW + 1))
    few = await _steps(sqlite_database, journey_id, _FEW)
    await _enter(world, range(_FEW + 1, _MANY + 1))
    many = await _steps(sqlite_database, journey_id, _MANY)
    times = _MANY / _FEW
    for before, after in zip(few, many, strict=True):
        assert after < 2 * times * before
