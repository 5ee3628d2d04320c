"""The one answer for reviews and for customers who turned out to be one, and what it costs to ask."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event

from models.enums import AnswerCode, AttemptStatus, LeftOut, ReviewOutcome, SendState, SkipReason
from models.tables import Send, SendAttempt
from policies.whatsapp_reactions import Reaction
from reports import entry_answers, fates, passage_answers
from reports.documents import JourneyAnswer, StatusDocument
from reports.dossiers import Asking
from reports.fates import fate_of
from reports.status import status_of
from reports.wording import EXITS, HOLDS
from storage.customers import lock_customer
from storage.engine import is_sqlite
from storage.launches import Decision, append_decisions
from storage.lookup import find_person
from storage.merging import merge_customers
from storage.stores import find_store, suppression_key
from tests.reviewing import Reviews, tracking
from tests.worlds import NOON, PHONE, World, make_world

HOUR = timedelta(hours=1)
LONDON = ZoneInfo("Europe/London")


@pytest.fixture
async def world(database: Any) -> World:
    """A world with one store."""
    return await make_world(database)


async def asked(world: World, *, statements: list[tuple[str, Any]] | None = None) -> StatusDocument:
    """What support is told about the one phone."""
    async with world.database.read() as session:
        parts = await find_store(session, None)
        customer = await find_person(session, world.store_id, PHONE)
        assert customer is not None

        def note(_c: Any, _k: Any, statement: str, values: Any, _x: Any, _m: bool) -> None:  # noqa: FBT001 - its caller's
            if statements is not None:
                statements.append((statement, values))

        engine = world.database.engine.sync_engine
        event.listen(engine, "before_cursor_execute", note)
        try:
            key = suppression_key(parts.store, world.cipher)
            return await status_of(session, Asking(parts, key, LONDON, world.now), customer)
        finally:
            event.remove(engine, "before_cursor_execute", note)


def one(found: StatusDocument) -> JourneyAnswer:
    """Its only answer."""
    [answer] = found.answers
    return answer


async def test_what_a_daily_review_came_to_is_the_answer(world: World) -> None:
    """Never read, left out before the model with the value, then read and not followed up; with the next review."""
    reviews = Reviews(world)
    await reviews.launch(tracking())
    who = await world.customer()
    assert one(await asked(world)).answer.code is AnswerCode.NEVER_CONSIDERED
    await reviews.say(who, NOON - HOUR, text=None)
    await reviews.consider("run-1", now=NOON)
    found = one(await asked(world)).answer
    assert (found.code, found.since) == (AnswerCode.LEFT_OUT, NOON)
    assert "wrote no words" in found.text
    assert found.until is not None
    await reviews.say(who, NOON + HOUR)
    world.now = NOON + 24 * HOUR
    run = await reviews.consider("run-2", now=world.now)
    await reviews.analyse(run, now=world.now, outcome=ReviewOutcome.NOT_DETECTED)
    found = one(await asked(world)).answer
    assert (found.code, "no open sale, or not enough intent" in found.text) == (AnswerCode.REVIEWED, True)
    assert "The next review is" in found.text


async def test_the_record_goes_over_when_two_customers_are_one(world: World) -> None:
    """Asked by the number of either, the answer is that of the one who remains."""
    await world.enroll(await world.customer("+447700900777"))
    gone = await world.customer("+447700900124", external_id="1")
    kept = await world.customer(external_id="2")
    async with world.database.write() as session:
        made = Decision(gone, LeftOut.NO_CONSENT.value, "never subscribed", "subscribed")
        await append_decisions(session, world.store_id, 1, 1, [made], now=NOON)
    async with world.database.write() as session:
        rows = [await lock_customer(session, key) for key in sorted((gone, kept))]
        by_id = {row.id: row for row in rows}
        await merge_customers(session, by_id[kept], by_id[gone], now=NOON + HOUR)
    world.now = NOON + 2 * HOUR
    answer = one(await asked(world)).answer
    assert (answer.code, answer.since) == (AnswerCode.LEFT_OUT, NOON)


async def test_who_is_in_it_is_so_whatever_a_merge_has_ended_since(world: World) -> None:
    """The passage of the one who was given up may be younger than the one that still runs."""
    kept = await world.customer(external_id="2")
    await world.enroll(kept)
    world.now = NOON + HOUR
    gone = await world.customer("+447700900124", external_id="1")
    await world.enroll(gone)
    async with world.database.write() as session:
        by_id = {key: await lock_customer(session, key) for key in sorted((gone, kept))}
        await merge_customers(session, by_id[kept], by_id[gone], now=NOON + 2 * HOUR)
    world.now = NOON + 3 * HOUR
    assert one(await asked(world)).answer.code is AnswerCode.ENTERED


async def test_asking_reads_through_no_table(world: World) -> None:
    """A hundred thousand customers make the answer no slower: every statement finds its rows by an index."""
    reviews = Reviews(world)
    await reviews.launch(tracking())
    await world.claim(await world.enroll(await world.customer()))
    statements: list[tuple[str, Any]] = []
    await asked(world, statements=statements)
    assert len(statements) < 80
    async with world.database.read() as session:
        if not is_sqlite(session):
            pytest.skip("a small table is read through on PostgreSQL, whatever its indexes")
        connection = await session.connection()
        for statement, values in dict(statements).items():
            plan = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            for *_, step in plan:
                few = ("SCAN store", "SCAN CONSTANT", "SCAN (", "SCAN journey", "SCAN anon")
                assert not step.startswith("SCAN") or step.startswith(few), (step, statement)


@pytest.mark.parametrize(
    ("state", "status", "received", "code", "expected"),
    [
        (SendState.SKIPPED, None, False, None, AnswerCode.SKIPPED),
        (SendState.FAILED, AttemptStatus.FAILED, False, 131026, AnswerCode.FAILED),
        (SendState.FAILED, AttemptStatus.FAILED, False, None, AnswerCode.FAILED),
        (SendState.ACCEPTED, AttemptStatus.READ, True, None, AnswerCode.SENT),
        (SendState.ACCEPTED, AttemptStatus.DELIVERED, True, None, AnswerCode.SENT),
        (SendState.ACCEPTED, AttemptStatus.ACCEPTED, False, None, AnswerCode.NOT_DELIVERED),
        (SendState.ACCEPTED, AttemptStatus.SENT, False, None, AnswerCode.NOT_DELIVERED),
        (SendState.ACCEPTED, AttemptStatus.HELD_BY_META, False, None, AnswerCode.NOT_DELIVERED),
        (SendState.ACCEPTED, AttemptStatus.FAILED, False, 131049, AnswerCode.FAILED),
        (SendState.ACCEPTED, None, False, None, AnswerCode.SENT),
        (SendState.UNKNOWN, AttemptStatus.UNKNOWN, False, None, AnswerCode.POSSIBLY_SENT),
        (SendState.PARKED, AttemptStatus.UNKNOWN, False, None, AnswerCode.POSSIBLY_SENT),
        (SendState.PARKED, AttemptStatus.UNKNOWN, True, None, AnswerCode.SENT),
        (SendState.IN_FLIGHT, AttemptStatus.CLAIMED, False, None, AnswerCode.ENTERED),
        (SendState.DRAFTED, None, False, None, AnswerCode.ENTERED),
    ],
    ids=str,
)
def test_every_state_of_a_message_has_its_fate(
    state: SendState,
    status: AttemptStatus | None,
    received: bool,  # noqa: FBT001 - pytest's own call
    code: int | None,
    expected: AnswerCode,
) -> None:
    """A parked message that somebody has seen arrive was sent; one that was taken and never arrived was not."""
    send = Send(
        store_id=1,
        journey_id=1,
        enrollment_id="enr",
        customer_id=1,
        stage=0,
        state=state,
        settled_at=NOON,
        drafted_at=NOON,
        received_at=NOON if received else None,
        skip_reason=SkipReason.META_DECLINED if state is SendState.SKIPPED else None,
    )
    attempts = []
    if status is not None:
        attempts = [
            SendAttempt(id="a", send_id=1, number_id=1, number=1, status=status, claimed_at=NOON, error_code=code)
        ]
    fate = fate_of(send, attempts, LONDON)
    assert fate.code is expected
    assert code is None or f"code {code}" in fate.text


def test_every_word_has_its_advice_or_none() -> None:
    """A word that is added to a vocabulary must say what support does about it."""
    assert set(fates._FAILURES) == set(Reaction)
    assert set(fates._SKIPPED) == set(SkipReason)
    assert set(passage_answers._HOLDS) == set(HOLDS)
    assert set(passage_answers._ENDS) == set(EXITS)
    assert set(entry_answers._LEFT_OUT) == set(LeftOut)
