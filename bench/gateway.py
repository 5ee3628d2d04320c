"""The gateway under load: signed requests a second, each on disk before its 200, beside a bare endpoint.

Gateway and endpoint run in processes of their own and are asked by the same client, with the same requests, in one
run; the client is this process.
"""

import tempfile
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from bench.endpoint import signature
from bench.figures import Figure, at_least, note
from bench.load import as_request, posted_per_second
from bench.postgres import own_postgres
from bench.servers import served
from bench.shop import PHONE_NUMBER_ID, Shop, open_shop
from providers.whatsapp.webhooks import SIGNATURE_HEADER
from sandbox.whatsapp.events import inbound_body
from sandbox.whatsapp.outbox import Account, envelope, number_value, to_body
from storage.engine import Database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.sends import claim, get_attempt, record_accepted
from storage.stages import locked_stage

AT_ONCE = 64
IN_A_BATCH = 100
_TURNS = 8
_FASTER = 4
"""The bare endpoint keeps nothing, so it gets each request so many times: its turns last as long as the gateway's."""
_ACCOUNT = Account(waba_id="200000000000001", phone_number_id=PHONE_NUMBER_ID, display_phone_number="447700900100")
_REPORTS = ("sent", "delivered", "read")
Clock = Callable[[], datetime]


async def figures(count: int, *, clock: Clock) -> list[Figure]:
    """On SQLite and, where its development package is installed, on PostgreSQL.

    Args:
        count: messages; each has three statuses, those of a third of the messages come in batches, and all are
            answered.
        clock: the time of the requests.
    """
    found = []
    with tempfile.TemporaryDirectory() as directory:
        found += await _measured(f"sqlite+aiosqlite:///{directory}/gateway.db", "SQLite", 0.25, count, clock)
    async with own_postgres() as url:
        if url is not None:
            found += await _measured(url, "PostgreSQL", 0.4, count, clock)
    return found


async def _measured(url: str, kind: str, aim: float, count: int, clock: Clock) -> list[Figure]:
    database, key = Database(url), new_key()
    await create_all(database)
    shop = await open_shop(database, Cipher([key]), entrants=count, now=clock())
    attempts = await _accepted(database, shop, now=clock())
    await database.close()
    third = count // 3
    single = [_statuses([one]) for one in _reports(attempts[third:], clock())]
    batches = _in_batches(_reports(attempts[:third], clock()))
    replies = [_reply(number, entrant.phone, clock()) for number, entrant in enumerate(shop.entrants)]
    env = {
        "REKINDLE_DATABASE_URL": url,
        "REKINDLE_SECRET_KEYS": key,
        "TEMPORAL_ADDRESS": "127.0.0.1:1",
        "REKINDLE_LOG_LEVEL": "error",
    }
    async with served("bench.endpoint:create", {}) as bare, served("gateway.app:create", env) as gateway:
        both = await _in_turns(bare, gateway, single)
        batched = await _posted(gateway, batches)
        answered = await _posted(gateway, replies)
    return [
        note(f"bare FastAPI endpoint that checks the signature, {AT_ONCE} at once", f"{both[0]:.0f}/s"),
        note(f"gateway on {kind}, one status each", f"{both[1]:.0f}/s, each on disk before its 200"),
        at_least(f"gateway on {kind} against the bare endpoint", both[1] / both[0], aim),
        note(
            f"gateway on {kind}, batches of {IN_A_BATCH} statuses",
            f"{batched:.1f}/s ({batched * IN_A_BATCH:.0f} statuses/s)",
        ),
        note(f"gateway on {kind}, one reply each", f"{answered:.0f}/s"),
    ]


async def _in_turns(bare: str, gateway: str, bodies: Sequence[bytes]) -> tuple[float, float]:
    """Requests a second of both, asked in turns so that whatever else the machine does slows both alike.

    The first turn warms them up and does not count.
    """
    size = len(bodies) // (_TURNS + 1)
    bare_took = gateway_took = 0.0
    for turn in range(_TURNS + 1):
        part = bodies[turn * size : (turn + 1) * size]
        repeated = [body for _ in range(_FASTER) for body in part]
        bare_s = len(repeated) / await _posted(bare, repeated)
        gateway_s = size / await _posted(gateway, part)
        if turn:
            bare_took, gateway_took = bare_took + bare_s, gateway_took + gateway_s
    return _TURNS * size * _FASTER / bare_took, _TURNS * size / gateway_took


async def _posted(base: str, bodies: Sequence[bytes]) -> float:
    url = f"{base}/webhooks/whatsapp"
    requests = [as_request(url, body, {SIGNATURE_HEADER: signature(body)}) for body in bodies]
    return await posted_per_second(url, requests, at_once=min(AT_ONCE, len(requests)))


async def _accepted(database: Database, shop: Shop, *, now: datetime) -> list[str]:
    """An accepted message of each entrant: Meta's answer to the request has told its id."""
    accepted = []
    async with database.write() as session:
        for entrant in shop.entrants:
            stage = await locked_stage(session, entrant.enrollment_id, 0, 0)
            if stage.send is None:
                raise RuntimeError("the draft is gone")
            claimed = await claim(session, stage.send, number_id=shop.number_id, used_template=True, now=now)
            attempt = await get_attempt(session, claimed or "")
            if attempt is None:
                raise RuntimeError("the claim is gone")
            record_accepted(stage.send, attempt, wamid=f"wamid.{attempt.id}", held=False, now=now)
            accepted.append(attempt.id)
    return accepted


def _reports(attempts: Sequence[str], at: datetime) -> list[dict[str, str]]:
    """What Meta tells of each message, in time's order: all are sent, then delivered, then read."""
    return [
        {
            "id": f"wamid.{attempt}",
            "status": status,
            "timestamp": str(int((at + timedelta(seconds=later)).timestamp())),
            "recipient_id": "447700900123",
            "biz_opaque_callback_data": attempt,
        }
        for later, status in enumerate(_REPORTS)
        for attempt in attempts
    ]


def _in_batches(reports: Sequence[dict[str, str]]) -> list[bytes]:
    return [_statuses(reports[first : first + IN_A_BATCH]) for first in range(0, len(reports), IN_A_BATCH)]


def _statuses(reports: Sequence[dict[str, str]]) -> bytes:
    change = {"field": "messages", "value": number_value(_ACCOUNT, statuses=list(reports))}
    return to_body(envelope(_ACCOUNT.waba_id, [change], datetime.fromtimestamp(0).astimezone()))


def _reply(number: int, phone: str, at: datetime) -> bytes:
    message = {"id": f"wamid.in.{number}", "type": "text", "text": {"body": "Hello!"}}
    return inbound_body(_ACCOUNT, message, at, phone=phone, user_id=None, name=None, context_id=None)
