"""A store's own systems for tests: endpoints, what they are to be told, and tries that end."""

import json
from datetime import timedelta

import jsonschema

from models.enums import (
    ExitReason,
    OutgoingKind,
)
from models.outgoing import body_schema
from models.tables import (
    Enrollment,
)
from storage.customers import lock_customer
from storage.deliveries import (
    DueDelivery,
    heed_failure,
    note_not_delivered,
    take_delivery,
)
from storage.endpoints import (
    add_endpoint,
)
from storage.enrollments import close_enrollment
from storage.stores import required_id
from tests.worlds import World, later

URL = "https://hooks.example/in"


async def listens(world: World, *kinds: OutgoingKind, store_id: int | None = None) -> int:
    """An endpoint of the world's store."""
    async with world.database.write() as session:
        row, _ = await add_endpoint(
            session, store_id or world.store_id, url=URL, kinds=kinds, cipher=world.cipher, now=world.now
        )
        return required_id(row.id)


async def closes(world: World, enrollment_id: str, reason: ExitReason = ExitReason.COMPLETED) -> None:
    """The enrollment ends."""
    async with world.database.write() as session:
        row = await session.get_one(Enrollment, enrollment_id)
        await lock_customer(session, row.customer_id)
        await close_enrollment(session, row, reason=reason, now=later(hours=1))


async def taken(world: World, delivery_id: int = 1, **span: float) -> DueDelivery:
    """The delivery, taken for a try so long after noon."""
    async with world.database.write() as session:
        due = await take_delivery(session, delivery_id, now=later(**span))
        assert isinstance(due, DueDelivery), due
        body = json.loads(due.body)
        jsonschema.validate(body, body_schema(OutgoingKind(body["type"])), format_checker=jsonschema.FormatChecker())
        return due


async def failed(world: World, due: DueDelivery, **span: float) -> bool:
    """The try ends with a 500; whether a further one follows."""
    async with world.database.write() as session:
        again = await note_not_delivered(
            session, due, status=500, error=None, asked=None, is_final=False, now=later(**span)
        )
    async with world.database.write() as session:
        await heed_failure(session, due, gone=False, patience=timedelta(days=1), now=later(**span))
    return again is not None
