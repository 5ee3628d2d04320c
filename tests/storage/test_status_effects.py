"""What statuses do to others than their message, and that they ask for nothing where they do nothing."""

from sqlalchemy import event as sql_event
from sqlmodel import select

from models.enums import AttemptStatus, EnrollmentState, ExitReason, OutgoingKind, SendState
from models.tables import Customer, Enrollment, Number, OutgoingEvent, SendAttempt
from storage.customers import lock_customer
from storage.endpoints import add_endpoint
from storage.enrollments import close_enrollment
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.statuses import Report, StatusPiece
from tests.worlds import NOON, World, later


def piece(world: World, report: Report, attempt: str, *, code: int | None = None) -> StatusPiece:
    """A status as the gateway hands it in."""
    return StatusPiece(f"st:{attempt}:{report}", world.number_id, f"wamid.{attempt}", report, NOON, attempt, code)


async def take(world: World, *statuses: StatusPiece) -> None:
    """One request with these statuses."""
    world._made += 1
    delivery = Delivery("whatsapp", "whatsapp", f"key-{world._made}", "{}", world.now, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=statuses))


async def test_an_ordinary_batch_asks_nothing_of_others(world: World) -> None:
    """Pauses, unreachable customers and orders are looked for in the statement that reads the attempts, and no other.

    A batch of five costs as many statements as one of two.
    """
    attempts = [await world.claim(await world.enroll(await world.customer(f"+4477009001{n:02}"))) for n in range(7)]
    await take(world, *(piece(world, Report.SENT, attempt) for attempt in attempts))
    asked: list[str] = []
    sql_event.listen(
        world.database.engine.sync_engine,
        "before_cursor_execute",
        lambda _c, _cursor, statement, *_: asked.append(statement),
    )
    costs = []
    for some in (attempts[:2], attempts[2:]):
        asked.clear()
        await take(world, *(piece(world, Report.DELIVERED, attempt) for attempt in some))
        costs.append(len(asked))
        beyond = [one for one in asked if "paused_until" in one or "unreachable_code" in one or '"order"' in one]
        assert len(beyond) == 1, beyond
        assert "send_attempt" in beyond[0]
    assert costs[0] == costs[1]


async def test_a_message_that_goes_ends_a_pause_whose_time_was_over_when_it_was_claimed(world: World) -> None:
    """A status of a message claimed before the pause's time says nothing of it; one claimed after it ends it."""
    phones = ("+447700900101", "+447700900102")
    early, late = [await world.claim(await world.enroll(await world.customer(phone))) for phone in phones]
    async with world.database.write() as session:
        number = (await session.exec(select(Number))).one()
        number.paused_reason, number.paused_until = "refused:131031", later(minutes=-10)
        for attempt_id, minutes in ((early, -20), (late, -5)):
            attempt = await session.get_one(SendAttempt, attempt_id)
            attempt.claimed_at = later(minutes=minutes)
    for attempt_id, still in ((early, True), (late, False)):
        await take(world, piece(world, Report.SENT, attempt_id))
        [number] = await world.rows(Number)
        assert (number.paused_reason is not None) is still


async def test_a_message_that_arrives_beside_one_that_fails_tells_that_the_person_is_there(world: World) -> None:
    """Both in one batch, when nothing was said of the person before: they are not called unreachable."""
    customer = await world.customer()
    enrollment = await world.enroll(customer)
    first, second = await world.claim(enrollment), await world.claim(enrollment, stage=1)
    await take(world, piece(world, Report.FAILED, first, code=131026), piece(world, Report.DELIVERED, second))
    statuses = {row.id: row.status for row in await world.rows(SendAttempt)}
    assert statuses == {first: AttemptStatus.FAILED, second: AttemptStatus.DELIVERED}
    [person] = await world.rows(Customer)
    assert (person.unreachable_code, person.unreachable_until) == (None, None)


async def told(world: World) -> list[OutgoingKind]:
    """What the store's own systems are told, in order."""
    return [one.kind for one in await world.rows(OutgoingEvent)]


async def listens(world: World) -> None:
    """Somebody wants to hear of messages that failed."""
    async with world.database.write() as session:
        await add_endpoint(
            session,
            world.store_id,
            url="https://hooks.example/in",
            kinds=[OutgoingKind.MESSAGE_FAILED],
            cipher=world.cipher,
            now=NOON,
        )


async def test_a_failure_that_comes_after_the_journeys_end_is_told(world: World) -> None:
    """Nobody knew what became of the message when its customer left; no journey is there to try again."""
    await listens(world)
    enrollment = await world.enroll(await world.customer(), state=EnrollmentState.CLOSED)
    attempt = await world.claim(enrollment, state=SendState.UNKNOWN)
    await take(world, piece(world, Report.FAILED, attempt, code=131049))
    assert await told(world) == [OutgoingKind.MESSAGE_FAILED]


async def test_a_failure_that_its_journey_had_no_time_to_mend_is_told_at_its_end(world: World) -> None:
    """It was the journey's to try again, and the journey ended first; once, and nothing of messages that went."""
    await listens(world)
    enrollment = await world.enroll(await world.customer(), state=EnrollmentState.WATCHING, stage=2)
    first, second = await world.claim(enrollment), await world.claim(enrollment, stage=1)
    await take(world, piece(world, Report.DELIVERED, first), piece(world, Report.SENT, second))
    await take(world, piece(world, Report.FAILED, second, code=131049))
    assert (enrollment, "attempt_settled") in await world.intents()
    assert await told(world) == []
    for _ in range(2):
        async with world.database.write() as session:
            row = await session.get_one(Enrollment, enrollment)
            await lock_customer(session, row.customer_id)
            await close_enrollment(session, row, reason=ExitReason.CUSTOMER_REPLIED, now=later(minutes=1))
    assert await told(world) == [OutgoingKind.MESSAGE_FAILED]
    (event,) = await world.rows(OutgoingEvent)
    assert event.detail == {"code": 131049}
