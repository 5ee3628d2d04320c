"""Support staff at a terminal, for tests: somebody asks why a customer did or did not get a message."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from models.enums import (
    JourneyState,
    LaunchState,
    SendState,
)
from models.tables import (
    Launch,
    Send,
    SendAttempt,
)
from storage.launches import Decision, append_decisions
from storage.publishing import publish
from tests.around.names import SALT
from tests.cli.conftest import WABA, Scene
from tests.cli.recorded import templates
from tests.worlds import DEFINITION, World

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = START + timedelta(days=2)
DAY = timedelta(days=1)
PHONE = "07700 900123"


@dataclass
class Support:
    """Somebody at a terminal who is asked about one customer."""

    scene: Scene
    world: World
    customer: int

    async def why(self, *, journey: str = DEFINITION.name) -> Any:
        """The answer of `why-not JOURNEY PHONE --json`."""
        answer = await self.scene.run("why-not", journey, PHONE, "--json")
        assert answer.code == 0, answer.err
        found = json.loads(answer.out)
        assert "900123" not in found["answer"]["text"].replace(" ", "")
        return found["answer"]

    async def change(self, table: type[Any], key: Any, **values: Any) -> None:
        """Something came to be so."""
        async with self.world.database.write() as session:
            row = await session.get_one(table, key)
            for name, value in values.items():
                setattr(row, name, value)

    async def decided(self, outcome: str, seen: str, threshold: str, at: datetime = START) -> None:
        """The journey considered the customer."""
        async with self.world.database.write() as session:
            made = Decision(self.customer, outcome, seen, threshold)
            await append_decisions(session, self.world.store_id, 1, 1, [made], now=at)

    async def selected(self, at: datetime) -> int:
        """The journey selected its audience; the launch."""
        async with self.world.database.write() as session:
            launch = Launch(
                store_id=self.world.store_id,
                journey_id=1,
                version_id=1,
                state=LaunchState.DONE,
                requested_at=at,
                finished_at=at,
            )
            session.add(launch)
            await session.flush()
            assert launch.id is not None
            return launch.id

    async def sent(self, enrollment: str, stage: int, state: SendState, **attempt: Any) -> None:
        """A message was tried, and this became of it."""
        key = await self.world.claim(enrollment, stage)
        async with self.world.database.write() as session:
            row = await session.get_one(SendAttempt, key)
            for name, value in attempt.items():
                setattr(row, name, value)
            send = await session.get_one(Send, row.send_id)
            send.state, send.settled_at = state, START
            send.received_at = row.delivered_at


async def asked_about(scene: Scene) -> Support:
    """A store with an active win-back, and a customer whose last order is seventy days old."""
    scene.clock = NOW
    world = World(scene.database, scene.cipher, now=START)
    await world.add_store(salt=SALT, waba_id=WABA)
    await templates(scene)
    customer = await world.customer(
        "+447700900123",
        external_id="77",
        first_name="Ada",
        last_order_external_id="9001",
        last_order_at=NOW - 70 * DAY,
        last_order_minor=4990,
        last_order_currency="USD",
    )
    async with scene.database.write() as session:
        journey, _ = await publish(session, world.store_id, DEFINITION, now=START)
        journey.state = JourneyState.ACTIVE
    return Support(scene, world, customer)
