"""The sending activity alone, on both databases, with the network's edge in the test's hand."""

import asyncio
import json
import zlib
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlmodel import select
from temporalio.exceptions import ApplicationError

from gateway.app import GatewaySettings, create_app
from models.enums import (
    AttemptStatus,
    EnrollmentState,
    ExitReason,
    HoldReason,
    SendState,
)
from models.orchestration import StageStep
from models.tables import Enrollment, Number, Send, SendAttempt, Shop
from storage import status_effects
from storage.engine import Database
from storage.enrollments import enrollment_facts, set_holding
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.settling import settle_by_staff
from storage.statuses import Report, StatusPiece
from tests.sending import (
    ACCEPTED,
    BROKEN,
    REFUSED,
    TAKEN,
    Answer,
    LateWorker,
    SlowLine,
    ready_sends,
    run_send,
    send_activities,
    settle_unknown,
)
from tests.worlds import (
    NOON,
    World,
    make_world,
    status,
    statuses_body,
    text_message,
    whatsapp_body,
    whatsapp_headers,
)


@pytest.fixture
async def world(database: Database) -> World:
    """A store on each kind of database."""
    return await make_world(database)


async def test_an_activity_that_died_during_its_post_posts_nothing_when_repeated(world: World) -> None:
    """The claim stands without a record: whoever repeats the activity finds the outcome unknown."""
    posted: list[str] = []

    def die(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content)["biz_opaque_callback_data"])
        raise asyncio.CancelledError

    (enrollment,) = await ready_sends(world)
    activities = send_activities(world, die)
    with pytest.raises(asyncio.CancelledError):
        await run_send(activities, enrollment)
    for attempt in (2, 3):
        assert (await run_send(activities, enrollment, attempt=attempt)).step is StageStep.UNKNOWN
    assert posted == [f"{enrollment}:1:1:1"]
    (row,) = await world.rows(SendAttempt)
    (send,) = await world.rows(Send)
    assert (row.status, send.state) == (AttemptStatus.UNKNOWN, SendState.UNKNOWN)


async def test_an_activity_that_is_repeated_after_it_sent_answers_the_same(world: World) -> None:
    """Its answer to Temporal was lost: the message is not sent again, and the stage ends as it did."""
    posted: list[bytes] = []

    def accept(request: httpx.Request) -> httpx.Response:
        posted.append(request.content)
        return httpx.Response(200, json=ACCEPTED)

    (enrollment,) = await ready_sends(world)
    activities = send_activities(world, accept)
    first = await run_send(activities, enrollment)
    assert first.step is StageStep.ACCEPTED
    assert await run_send(activities, enrollment, attempt=2) == first
    assert len(posted) == 1


async def test_two_workers_at_once_post_once(world: World) -> None:
    """A late worker beside its successor: one of them has the claim."""
    posted: list[bytes] = []

    def accept(request: httpx.Request) -> httpx.Response:
        posted.append(request.content)
        return httpx.Response(200, json=ACCEPTED)

    (enrollment,) = await ready_sends(world)
    results = await asyncio.gather(*(run_send(send_activities(world, accept), enrollment) for _ in range(4)))
    assert len(posted) == 1
    assert len(await world.rows(SendAttempt)) == 1
    assert StageStep.ACCEPTED in {one.step for one in results}


async def test_nothing_is_claimed_once_an_exit_event_is_stored(world: World) -> None:
    """Replies race sends: when the gateway has answered 200, the customer's attempts are final (promise 2)."""
    numbers = iter(range(1000))

    def accept(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"messages": [{"id": f"wamid.{next(numbers)}"}]})

    enrollments = await ready_sends(world, 16)
    activities = send_activities(world, accept)
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    at_answer: dict[str, int] = {}

    async def attempts(enrollment: str) -> int:
        return sum(one.id.startswith(f"{enrollment}:") for one in await world.rows(SendAttempt))

    async def reply(number: int, client: httpx.AsyncClient) -> None:
        raw = whatsapp_body(messages=[text_message("Hello?", f"wamid.in{number}", phone=f"+{447700900100 + number}")])
        answer = await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
        assert answer.status_code == 200
        at_answer[enrollments[number]] = await attempts(enrollments[number])

    async def late(number: int) -> None:
        # Each starts some turns of the loop later than the one before, so that both may come first.
        for _ in range(number * 10):
            await asyncio.sleep(0)
        await run_send(activities, enrollments[number])

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        for number in range(4):
            await reply(number, client)
            assert (await run_send(activities, enrollments[number])).step is StageStep.EXIT
        await asyncio.gather(*(reply(number, client) for number in range(4, 16)), *map(late, range(4, 16)))
    for enrollment in enrollments:
        result = await run_send(activities, enrollment, attempt=2)
        sent = at_answer[enrollment] == 1
        assert result.step is (StageStep.ACCEPTED if sent else StageStep.EXIT)
        if result.exit is not None:
            assert result.exit.reason is ExitReason.CUSTOMER_REPLIED
        assert await attempts(enrollment) == at_answer[enrollment]
    assert len(await world.rows(Enrollment)) == 16
    assert len(await world.rows(Shop)) == 1


async def _report(world: World, attempt: str, word: str, *, wamid: str, code: int | None = None) -> None:
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    raw = statuses_body([status(word, wamid, attempt=attempt, code=code)])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        answer = await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
    assert answer.status_code == 200


@pytest.mark.parametrize("answer", [TAKEN, REFUSED, BROKEN])
@pytest.mark.parametrize(
    ("second", "step"),
    [
        ((200, {"messages": [{"id": "wamid.2"}]}), StageStep.ACCEPTED),
        ((400, {"error": {"code": 131049}}), StageStep.HOLD),
        (BROKEN, StageStep.UNKNOWN),
    ],
)
async def test_a_worker_that_comes_back_late_spoils_nothing(
    world: World, answer: Answer, second: Answer, step: StageStep
) -> None:
    """Given up, its attempt reported as failed and another one made: what it brings changes its own row at most."""
    late = await LateWorker.given_up(world, answer, second)
    enrollment, activities = late.enrollment, late.activities
    await _report(world, f"{enrollment}:1:1:1", "failed", wamid="wamid.1", code=131000)
    assert (await settle_unknown(activities, enrollment, after=timedelta(minutes=1))).step is StageStep.HOLD
    done = await run_send(activities, enrollment)
    assert done.step is step
    before = await world.attempt(f"{enrollment}:1:1:2")
    where = (await world.one(Enrollment, enrollment)).model_dump()
    await late.comes_back()
    assert [one.model_dump() for one in await world.attempt(f"{enrollment}:1:1:2")] == [
        one.model_dump() for one in before
    ]
    assert (await world.one(Enrollment, enrollment)).model_dump() == where
    assert (await world.attempt(f"{enrollment}:1:1:1"))[0].status is AttemptStatus.FAILED
    assert late.posted == [f"{enrollment}:1:1:1", f"{enrollment}:1:1:2"]


@pytest.mark.parametrize(
    ("answer", "parked", "ends"),
    [
        (TAKEN, False, SendState.ACCEPTED),
        (REFUSED, False, SendState.FAILED),
        (BROKEN, False, SendState.UNKNOWN),
        (TAKEN, True, SendState.ACCEPTED),
        (REFUSED, True, SendState.FAILED),
        (BROKEN, True, SendState.PARKED),
    ],
)
async def test_a_late_answer_settles_what_nobody_knew(
    world: World, answer: Answer, *, parked: bool, ends: SendState
) -> None:
    """The journey that waits is woken by it; one that has gone on is not, and its stage stays over."""
    late = await LateWorker.given_up(world, answer, answer)
    enrollment, activities = late.enrollment, late.activities
    if parked:
        assert (await settle_unknown(activities, enrollment, after=timedelta(minutes=10))).step is StageStep.PARKED
    await late.comes_back()
    _, send = await world.attempt(f"{enrollment}:1:1:1")
    assert (send.state, send.settled_at) == (ends, NOON + timedelta(minutes=10) if parked else send.settled_at)
    woken = (enrollment, "attempt_settled") in await world.intents()
    assert woken is (not parked and ends is not SendState.UNKNOWN)
    assert len(late.posted) == 1


@pytest.mark.parametrize("code", [None, 131049])
@pytest.mark.parametrize("answer", [TAKEN, REFUSED, BROKEN])
async def test_a_late_answer_leaves_the_hold_of_the_next_stage_alone(
    world: World, answer: Answer, code: int | None
) -> None:
    """Parked long ago, and perhaps told as failed since; the release of what the next stage waits for must find it."""
    late = await LateWorker.given_up(world, answer, answer)
    enrollment, activities = late.enrollment, late.activities
    assert (await settle_unknown(activities, enrollment, after=timedelta(minutes=10))).step is StageStep.PARKED
    async with world.database.write() as session:
        facts = await enrollment_facts(session, enrollment)
        held = HoldReason.TEMPLATE_HELD
        set_holding(session, facts.enrollment, reason=held, key="template:x", until=None, now=NOON)
    if code is not None:
        await _report(world, f"{enrollment}:1:1:1", "failed", wamid="wamid.1", code=code)
    await late.comes_back()
    row = await world.one(Enrollment, enrollment)
    assert (row.stage, row.state, row.hold_key) == (1, EnrollmentState.HOLDING, "template:x")


async def test_an_unknown_message_is_not_parked_before_its_time(world: World) -> None:
    """A journey woken by the word of an older attempt asks too early: it is told to ask again when the time is over."""
    line = SlowLine(BROKEN, BROKEN)
    line.go_on.set()
    (enrollment,) = await ready_sends(world)
    activities = send_activities(world, line)
    assert (await run_send(activities, enrollment)).step is StageStep.UNKNOWN
    with pytest.raises(ApplicationError) as early:
        await settle_unknown(activities, enrollment, after=timedelta(minutes=4))
    assert early.value.next_retry_delay == timedelta(minutes=6)
    assert not early.value.non_retryable
    assert (await settle_unknown(activities, enrollment, after=timedelta(minutes=10))).step is StageStep.PARKED


async def test_after_a_persons_not_sent_another_attempt_follows_at_once(world: World) -> None:
    """The stage is checked again and posted again; after "sent" it is over."""
    line = SlowLine(BROKEN, TAKEN)
    line.go_on.set()
    first, second = await ready_sends(world, 2)
    activities = send_activities(world, line)
    assert (await run_send(activities, first)).step is StageStep.UNKNOWN
    async with world.database.write() as session:
        await settle_by_staff(session, world.store_id, f"{first}:1:1:1", sent=False, by="ada", now=NOON)
    assert (await settle_unknown(activities, first, after=timedelta(0))).step is StageStep.STALE
    assert (await run_send(activities, first)).step is StageStep.ACCEPTED
    assert line.posted == [f"{first}:1:1:1", f"{first}:1:1:2"]
    line = SlowLine(BROKEN, BROKEN)
    line.go_on.set()
    broken = send_activities(world, line)
    assert (await run_send(broken, second)).step is StageStep.UNKNOWN
    async with world.database.write() as session:
        await settle_by_staff(session, world.store_id, f"{second}:1:1:1", sent=True, by="ada", now=NOON)
    assert (await settle_unknown(broken, second, after=timedelta(0))).step is StageStep.ACCEPTED


async def test_a_kept_text_may_be_old_at_the_claim_and_its_check_may_not(world: World) -> None:
    """What is kept is sent as it was written, however long ago, once the purchases were checked just now."""
    posted: list[str] = []

    def take(request: httpx.Request) -> httpx.Response:
        posted.append(json.loads(request.content)["biz_opaque_callback_data"])
        return httpx.Response(200, json=ACCEPTED)

    (enrollment,) = await ready_sends(world)
    async with world.database.write() as session:
        send = await session.get_one(Send, 1)
        send.drafted_at = NOON - timedelta(hours=1)
    activities = send_activities(world, take)
    assert (await run_send(activities, enrollment)).step is StageStep.STALE
    async with world.database.write() as session:
        (await session.get_one(Send, 1)).checked_at = NOON - timedelta(hours=1)
    assert (await run_send(activities, enrollment, keep_text=True)).step is StageStep.STALE
    async with world.database.write() as session:
        (await session.get_one(Send, 1)).checked_at = NOON
    assert posted == []
    assert (await run_send(activities, enrollment, keep_text=True)).step is StageStep.ACCEPTED
    assert len(posted) == 1


async def test_only_the_approved_revision_is_claimed(world: World) -> None:
    """A text that was written anew since the yes is not posted, in the very transaction that would claim it."""

    def take(_: httpx.Request) -> httpx.Response:
        raise AssertionError("posted")

    (enrollment,) = await ready_sends(world)
    asked = await run_send(send_activities(world, take), enrollment, keep_text=True, revision=2)
    assert asked.step is StageStep.UNAPPROVED
    assert await world.rows(SendAttempt) == []


async def test_a_probe_that_is_taken_and_a_batch_of_statuses_wait_for_each_other_in_one_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both want the locks of the messages' ids and of the number whose pause is over: neither fails over it."""
    if world.database.is_sqlite:
        pytest.skip("SQLite has one lock for all")
    (probing,) = await ready_sends(world)
    other = await world.claim(await world.enroll(await world.customer("+447700900150", external_id="150")))
    async with world.database.write() as session:
        number = (await session.exec(select(Number))).one()
        number.paused_reason, number.paused_until = "refused:131031", NOON - timedelta(minutes=10)
    batch_has_ids, batch_may_go_on = asyncio.Event(), asyncio.Event()
    real = status_effects.spread

    async def spread(*arguments: Any, **named: Any) -> None:
        batch_has_ids.set()
        await batch_may_go_on.wait()
        await real(*arguments, **named)

    monkeypatch.setattr("storage.status_matching.spread", spread)

    async def take_batch() -> None:
        told = StatusPiece("st:1", world.number_id, "wamid.1", Report.SENT, NOON, other)
        elsewhere = Delivery("whatsapp", "whatsapp", "batch", "{}", NOON, world.store_id)
        await ingest_whatsapp(world.database, elsewhere, WhatsAppPieces(statuses=(told,)))

    async def accept(_request: httpx.Request) -> httpx.Response:
        await batch_has_ids.wait()
        return httpx.Response(200, json={"messages": [{"id": _same_lock_as("wamid.1")}]})

    batch = asyncio.create_task(take_batch())
    sending = asyncio.create_task(run_send(send_activities(world, accept), probing))
    await _somebody_waits(world)
    batch_may_go_on.set()
    await batch
    assert (await sending).step is StageStep.ACCEPTED


def _same_lock_as(wamid: str) -> str:
    """Another message's id that shares its lock: there are 64."""
    lock = zlib.crc32(wamid.encode()) % 64
    return next(one for one in (f"wamid.x{n}" for n in range(10_000)) if zlib.crc32(one.encode()) % 64 == lock)


async def _somebody_waits(world: World) -> None:
    """Until a transaction waits for another's lock."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(10), world.database.engine.connect() as connection:
        while (await connection.execute(waiting)).scalar_one() == 0:  # noqa: ASYNC110 - another transaction tells no event
            await asyncio.sleep(0.02)
