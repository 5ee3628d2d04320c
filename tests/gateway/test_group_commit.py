import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Connection, event

from gateway import group_commit
from gateway.app import GatewaySettings, create_app
from gateway.group_commit import GroupCommit
from models.enums import AttemptStatus, EnrollmentState, ExitReason, SendState
from models.tables import AppliedPiece, ChatMessage, Customer, CustomerEvent, Order, Send, SendAttempt, WebhookUpdate
from storage.engine import Database, DatabaseUnavailableError
from storage.ingest import Ingested
from storage.schema import create_all
from tests.gateway.conftest import Door
from tests.worlds import World, later, make_world, order_body, status, statuses_body, text_message, whatsapp_body

FIRST_PHONE = 447700900100


@dataclass(frozen=True)
class Asked:
    """A request without any content."""

    name: str
    weight: int = 1
    goes_alone: bool = False


@dataclass
class Slow:
    """Stands in for the database: every transaction lasts until it is let go."""

    refuses: frozenset[str] = frozenset()
    away: bool = False
    groups: list[list[str]] = field(default_factory=list)
    gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    async def __call__(self, requests: Sequence[Asked]) -> list[Ingested]:
        """One transaction."""
        names = [one.name for one in requests]
        self.groups.append(names)
        await self.gate.acquire()
        if self.away:
            raise DatabaseUnavailableError
        if self.refuses & set(names):
            raise ValueError(names)
        return [Ingested(applied=one.weight) for one in requests]

    def let_all_go(self) -> None:
        """From here on nothing waits."""
        for _ in range(1000):
            self.gate.release()


async def _turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def _gathered(
    commits: GroupCommit[Asked], slow: Slow, requests: Sequence[Asked]
) -> list[Ingested | BaseException]:
    """The first request is on its way when the others come in."""
    first = asyncio.ensure_future(commits.ingest(requests[0]))
    await _turns()
    others = asyncio.gather(*(commits.ingest(one) for one in requests[1:]), return_exceptions=True)
    await _turns()
    slow.let_all_go()
    async with asyncio.timeout(10):
        return [*await asyncio.gather(first, return_exceptions=True), *await others]


async def test_requests_that_come_in_during_a_commit_share_the_next() -> None:
    """The first goes at once and by itself, the others together, each answered with what it did."""
    slow = Slow()
    done = await _gathered(GroupCommit(slow), slow, [Asked(str(number), number) for number in range(1, 5)])
    assert slow.groups == [["1"], ["2", "3", "4"]]
    assert done == [Ingested(applied=number) for number in range(1, 5)]


async def test_a_group_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither too many requests nor too many pieces share a transaction, and nobody is left out for it."""
    monkeypatch.setattr(group_commit, "LONGEST_GROUP", 3)
    monkeypatch.setattr(group_commit, "LARGEST_GROUP", 10)
    slow = Slow()
    weights = (1, 1, 1, 1, 1, 9, 30, 5, 5, 1)
    await _gathered(GroupCommit(slow), slow, [Asked(str(number), weight) for number, weight in enumerate(weights)])
    assert slow.groups == [["0"], ["1", "2", "3"], ["4", "5"], ["6"], ["7", "8"], ["9"]]


async def test_what_goes_alone_keeps_its_place() -> None:
    """It shares its transaction with nobody, and nobody overtakes it."""
    slow = Slow()
    requests = [Asked("a"), Asked("b"), Asked("c", goes_alone=True), Asked("d"), Asked("e")]
    await _gathered(GroupCommit(slow), slow, requests)
    assert slow.groups == [["a"], ["b"], ["c"], ["d", "e"]]


async def test_one_bad_request_hurts_nobody_else() -> None:
    """A group that fails is tried one by one, and only the request at fault gets the error."""
    slow = Slow(refuses=frozenset({"c"}))
    done = await _gathered(GroupCommit(slow), slow, [Asked(name) for name in "abcd"])
    assert slow.groups == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]
    assert [type(one) for one in done] == [Ingested, Ingested, ValueError, Ingested]


async def test_a_database_that_is_away_is_not_asked_again_for_each() -> None:
    """All of the group are told at once, and the next request is tried anew."""
    slow = Slow(away=True)
    commits = GroupCommit(slow)
    done = await _gathered(commits, slow, [Asked(name) for name in "abc"])
    assert [type(one) for one in done] == [DatabaseUnavailableError] * 3
    assert slow.groups == [["a"], ["b", "c"]]
    slow.away = False
    assert await commits.ingest(Asked("d")) == Ingested(applied=1)


async def test_several_groups_may_be_on_their_way() -> None:
    """Where the database has room for them, a second group does not wait for the first."""
    slow = Slow()
    done = await _gathered(GroupCommit(slow, at_once=2), slow, [Asked(name) for name in "abcd"])
    assert slow.groups == [["a"], ["b", "c", "d"]]
    assert len(done) == 4
    slow = Slow()
    commits = GroupCommit(slow, at_once=2)
    waiting = [asyncio.ensure_future(commits.ingest(Asked("a")))]
    await _turns()
    waiting.append(asyncio.ensure_future(commits.ingest(Asked("b"))))
    await _turns()
    assert slow.groups == [["a"], ["b"]]
    slow.let_all_go()
    await asyncio.gather(*waiting)


async def test_a_sender_that_gives_up_disturbs_nobody() -> None:
    """A cancelled request is still stored, and the others of its group are answered."""
    slow = Slow()
    commits = GroupCommit(slow)
    first, given_up, last = (asyncio.ensure_future(commits.ingest(Asked(name))) for name in "abc")
    await _turns()
    given_up.cancel()
    slow.let_all_go()
    async with asyncio.timeout(10):
        await asyncio.gather(first, last)
    assert slow.groups == [["a", "b", "c"]]


async def test_a_request_right_after_an_answer_is_not_forgotten() -> None:
    """Whoever comes in the very turn in which the last one was answered is ingested as well."""
    slow = Slow()
    slow.let_all_go()
    commits = GroupCommit(slow)
    async with asyncio.timeout(10):
        for number in range(50):
            await commits.ingest(Asked(str(number)))
    assert len(slow.groups) == 50


async def _people(world: World, count: int) -> list[tuple[str, str]]:
    """Phone and claimed attempt of so many customers in a journey."""
    found = []
    for number in range(count):
        phone = f"+{FIRST_PHONE + number}"
        customer = await world.customer(phone, external_id=str(7000 + number))
        enrollment = await world.enroll(customer, state=EnrollmentState.WATCHING)
        found.append((phone, await world.claim(enrollment, state=SendState.IN_FLIGHT)))
    return found


def _stream(people: Sequence[tuple[str, str]]) -> list[tuple[str, bytes, str]]:
    """What comes in about them: statuses in every order, replies, stop words, strangers, orders, repetitions."""
    requests: list[tuple[str, bytes, str]] = []
    for number, (phone, attempt) in enumerate(people):
        wamid = f"wamid.{number}"
        told = [status(word, wamid, attempt=attempt, at=later(minutes=5)) for word in ("read", "sent", "delivered")]
        requests += [("whatsapp", statuses_body([one]), "") for one in told]
        requests.append(("whatsapp", statuses_body([status("read", f"wamid.unknown.{number}")]), ""))
        words = ("Hello?", "STOP")[number % 2]
        said = text_message(words, f"wamid.in.{number}", phone=phone, at=later(minutes=-number))
        requests.append(("whatsapp", whatsapp_body(messages=[said]), ""))
        stranger = text_message("Hi", f"wamid.new.{number}", phone=f"+{FIRST_PHONE + 50 + number // 2}")
        requests.append(("whatsapp", whatsapp_body(messages=[stranger]), ""))
        order = order_body(2000 + number, customer_id=7000 + number // 2, at=later(minutes=number))
        requests += [("shopify", order, f"w-{number}"), ("shopify", order, f"w-again-{number}")]
    return requests + requests[::3]


async def _facts(world: World) -> dict[str, list[object]]:
    """Everything that the requests left, in words that do not depend on the order of rows."""
    phones = {one.id: one.phone for one in await world.rows(Customer)}
    return {
        "customers": sorted(
            str((one.phone, one.external_id, one.opted_out_at, one.opt_out_source, one.last_inbound_at,
                 one.last_order_external_id))
            for one in await world.rows(Customer)
        ),
        "events": sorted(
            str((phones[one.customer_id], one.kind, one.exit_reason, one.occurred_at, one.received_at, one.dedupe_key))
            for one in await world.rows(CustomerEvent)
        ),
        "attempts": sorted(
            str((one.id, one.status, one.wamid, one.sent_at, one.delivered_at, one.read_at))
            for one in await world.rows(SendAttempt)
        ),
        "sends": sorted(str((one.state, one.received_at, one.settled_at)) for one in await world.rows(Send)),
        "orders": sorted(
            str((one.external_id, phones[one.customer_id], one.attributed_by)) for one in await world.rows(Order)
        ),
        "messages": sorted(str((one.wamid, one.author, one.text, one.at)) for one in await world.rows(ChatMessage)),
        "pieces": sorted(one.key for one in await world.rows(AppliedPiece)),
        "updates": sorted(str((one.source, one.delivery_key, one.body)) for one in await world.rows(WebhookUpdate)),
        "signals": sorted(str(one) for one in await world.intents()),
    }  # fmt: skip


async def _post(door: Door, source: str, raw: bytes, webhook_id: str) -> None:
    if source == "whatsapp":
        assert await door.whatsapp(raw) == 200
    else:
        assert await door.shopify(raw, webhook_id=webhook_id) == 200


async def test_requests_together_leave_the_facts_of_requests_one_by_one(door: Door, tmp_path: Path) -> None:
    """Statuses, messages, strangers, orders and repetitions leave the same rows, whether they share commits or not."""
    async with _door(tmp_path) as one_by_one:
        stream = _stream(await _people(one_by_one.world, 6))
        commits = _count_commits(one_by_one.world.database)
        for request in stream:
            await _post(one_by_one, *request)
        assert len(commits) >= len(stream)
        expected = await _facts(one_by_one.world)
    assert _stream(await _people(door.world, 6)) == stream
    commits = _count_commits(door.world.database)
    await asyncio.gather(*(_post(door, *request) for request in stream))
    assert len(commits) < len(stream) / 2
    facts = await _facts(door.world)
    for name, rows in expected.items():
        assert facts[name] == rows, name


async def test_gateways_share_groups_on_one_database_without_deadlock(door: Door) -> None:
    """Four of them take the same stream at once, each in another order: every request is answered with 200."""
    people = await _people(door.world, 6)
    stream = _stream(people)
    doors = [Door(_client(door.world), door.world) for _ in range(4)]
    mixed = [stream, stream[::-1], stream[10:] + stream[:10], stream[1::2] + stream[::2]]
    posts = (_post(one, *request) for one, requests in zip(doors, mixed, strict=True) for request in requests)
    await asyncio.gather(*posts)
    assert len(await door.world.rows(Order)) == len(people)
    assert {one.status for one in await door.world.rows(SendAttempt)} == {AttemptStatus.READ}
    stops = [one.exit_reason for one in await door.world.rows(CustomerEvent)]
    assert stops.count(ExitReason.UNSUBSCRIBED) == len(people) / 2
    for one in doors:
        await one.client.aclose()


def _client(world: World) -> httpx.AsyncClient:
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway")


@asynccontextmanager
async def _door(directory: Path) -> AsyncIterator[Door]:
    """A gateway on another database."""
    database = Database(f"sqlite+aiosqlite:///{directory}/one_by_one.db")
    await create_all(database)
    world = await make_world(database)
    async with _client(world) as client:
        yield Door(client, world)
    await database.close()


def _count_commits(database: Database) -> list[None]:
    commits: list[None] = []

    @event.listens_for(database.engine.sync_engine, "commit")
    def noted(_connection: Connection) -> None:
        commits.append(None)

    return commits
