"""What a follow-up's watch costs on a busy day: the real WatchWorkflow beside a live chat on the virtual clock.

Every message goes through the gateway's ingest, five minutes of them in a transaction, and the relay delivers what
that wakes. Whoever stays silent for two hours is really written to, by a real journey.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlmodel import select
from temporalio.client import Client, WorkflowHistory

from bench.chat_day import Line, day_of
from bench.figures import Figure, at_most, note
from bench.history import actions
from cli.simulation.options import Options
from cli.simulation.parts import Parts, running_parts
from cli.simulation.run import Simulation
from models.journey import FollowUp
from models.synthetic import synthetic_phones
from models.tables import Enrollment, JourneyWatch
from storage.ingest import Delivery
from storage.ingest_messages import EchoPiece, MessagePiece, PersonPiece
from storage.ingest_whatsapp import WhatsAppPieces, WhatsAppRequest, ingest_whatsapp_together
from storage.people import Address
from storage.stores import required_id
from storage.watches import watch_workflow_id

MESSAGES = 10_000
_FEW_HUNDRED = 500
_TODAY = date(2026, 11, 20)
_DAY = timedelta(days=1)
_STEP = timedelta(minutes=5)
"""Steps of a minute and of ten seconds come to the same number of actions, and take longer."""
_SHOP_HOURS = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a day came to.

    Attributes:
        actions: of the watch, over all its runs.
        events: likewise.
        entered: how many silences became journeys.
        journeys: the actions of all of those.
    """

    messages: int
    actions: int
    events: int
    runs: int
    entered: int
    journeys: int


async def figures(conversations: int) -> list[Figure]:
    """A day of a shop that is open for half of it, and one of a chat that never closes.

    Args:
        conversations: among how many customers the day's messages are.
    """
    return [
        *_shown("chat 9 to 21 h", conversations, await day(conversations, open_for=_SHOP_HOURS, hours="08:00-22:00")),
        *_shown("chat all day and night", conversations, await day(conversations, open_for=_DAY, hours="00:00-24:00")),
    ]


async def day(conversations: int, *, open_for: timedelta, hours: str) -> Cost:
    """Live through a day of 24 hours from nine o'clock on.

    Args:
        conversations: among how many customers the day's messages are.
        open_for: within so long of the day they happen.
        hours: of the journey.
    """
    definition = _journey(hours)
    lines = day_of(conversations=conversations, messages=MESSAGES, open_for=open_for)
    options = Options(definitions=(definition,), orders=[], as_of=_TODAY, habits=None)
    async with running_parts(options) as parts:
        await Simulation(options, parts).launch()
        await _live(parts, lines, conversations)
        return await _cost(parts, len(lines))


def _journey(hours: str) -> FollowUp:
    return FollowUp.model_validate(
        {
            "name": "bench-silence",
            "kind": "follow_up",
            "repeat": {"every": "2h", "times": 2},
            "message": {
                "text": "Are you still there?",
                "template": {"name": "winback_hello", "language": "en", "variables": {"1": "friend"}},
            },
            "sending": {"hours": hours, "smart_sending_days": 0},
        }
    )


async def _live(parts: Parts, lines: Sequence[Line], conversations: int) -> None:
    phones = synthetic_phones(str(number) for number in range(conversations))
    steps: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        steps[-(-line.after // _STEP)].append(line)
    for step in range(_DAY // _STEP + 1):
        now = parts.opening + step * _STEP
        await parts.hand.move_to(now)
        parts.clock.reached(now)
        if steps[step]:
            requests = [_request(parts, line, phones[str(line.conversation)], now) for line in steps[step]]
            await ingest_whatsapp_together(parts.services.database, requests)
        await parts.settle()


def _request(parts: Parts, line: Line, phone: str, now: datetime) -> WhatsAppRequest:
    """What the gateway makes of one webhook with one message, or with the echo of one of an agent's."""
    wamid = f"wamid.{line.conversation}.{line.place}"
    who = Address(parts.store.id, phone, None)
    number_id, at = required_id(parts.store.number.id), parts.opening + line.after
    piece: PersonPiece = (
        MessagePiece(wamid, who, number_id, wamid, "text", "And in blue?", None, at)
        if line.by_customer
        else EchoPiece(wamid, who, number_id, wamid, "text", "In blue too.", at)
    )
    return WhatsAppRequest(Delivery("whatsapp", "messages", wamid, "{}", now), WhatsAppPieces(people=(piece,)))


async def _cost(parts: Parts, messages: int) -> Cost:
    async with parts.services.database.read() as session:
        (journey_id,) = await session.exec(select(JourneyWatch.journey_id))
        entered = (await session.exec(select(Enrollment.id))).all()
    watch = await _runs(parts.client, watch_workflow_id(parts.store.id, journey_id))
    journeys = [history for one in entered for history in await _runs(parts.client, one)]
    return Cost(
        messages=messages,
        actions=sum(map(actions, watch)),
        events=sum(len(history.events) for history in watch),
        runs=len(watch),
        entered=len(entered),
        journeys=sum(map(actions, journeys)),
    )


async def _runs(client: Client, workflow_id: str) -> list[WorkflowHistory]:
    """The histories of a workflow's runs, newest first: each knows which it continues."""
    found, run_id = [], None
    while run_id != "":
        found.append(await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history())
        run_id = found[-1].events[0].workflow_execution_started_event_attributes.continued_execution_run_id
    return found


def _shown(words: str, conversations: int, cost: Cost) -> list[Figure]:
    watch = f"watch, {words}, {cost.messages} messages"
    per_thousand = 1000 / conversations
    return [
        at_most(f"{watch}: billable actions", cost.actions, _FEW_HUNDRED),
        note(
            f"{watch}: per 1,000 conversations",
            f"{cost.actions * per_thousand:.0f} actions, {cost.events * per_thousand:.0f} events",
        ),
        note(
            f"{watch}: who entered",
            f"{cost.entered} silences of {conversations} conversations; their journeys {cost.journeys} actions",
        ),
    ]
