"""Documents to the byte: what is checked against the recorded ones, and the stores that they were recorded of."""

import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cli.schemas import FOLDER
from models.enums import (
    AttemptStatus,
    ConsentState,
    EnrollmentState,
    EventKind,
    ExitReason,
    HoldReason,
    JourneyState,
    SendState,
    TemplateStatus,
)
from models.money import Money
from models.tables import Customer, EntryDecision, Journey, Send, SendAttempt, Template, TimelineEntry
from storage.customers import lock_customer
from storage.enrollments import close_enrollment
from storage.events import record_event
from storage.orders import OrderFacts, apply_order
from tests.around.names import SALT
from tests.cli.conftest import WABA, Answer, Scene
from tests.worlds import World

GOLDEN = Path(__file__).parent / "golden"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = START + timedelta(days=1)
VOLATILE = re.compile(r"enr-[0-9a-f-]{36}|http://127\.0\.0\.1:\d+|/[^\s\"]*/(?=[\w.-]+\.(?:json|yaml|csv|db))")


def check(name: str, answer: Answer, *, code: int = 0, document: str | None = None) -> Any:
    """The answer is one document that fits its schema and is the recorded one; the document."""
    assert answer.code == code, answer.err
    found = json.loads(answer.out)
    schema = json.loads((FOLDER / f"{document or name}.json").read_text())
    jsonschema.validate(found, schema, format_checker=jsonschema.FormatChecker())
    said = VOLATILE.sub("*", answer.out)
    golden = GOLDEN / f"{name}.json"
    if os.environ.get("REKINDLE_WRITE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()
    return found


@pytest.fixture
async def seeded(scene: Scene) -> Scene:
    """A store with four customers: one in a journey, one who bought, one held out, one who never entered."""
    scene.clock = NOW
    world = World(scene.database, scene.cipher, now=START)
    await world.add_store(salt=SALT, waba_id=WABA)
    await templates(scene)
    await _running(world)
    await _bought(world)
    held_out = await world.customer(
        "+447700900003", external_id="3", first_name="Cy", last_order_external_id="9003", last_order_at=START
    )
    await world.enroll(
        held_out,
        id="enr-control",
        state=EnrollmentState.CONTROL,
        control=True,
        horizon_at=START + timedelta(days=8),
    )
    outsider = await world.customer(
        "+447700900004",
        external_id="4",
        first_name="Di\x1b[31m",
        consent=ConsentState.NEVER_SUBSCRIBED,
        last_order_external_id="9004",
        last_order_at=START - timedelta(days=70),
        last_order_minor=4990,
        last_order_currency="USD",
    )
    async with scene.database.write() as session:
        journey = await session.get(Journey, 1)
        assert journey is not None
        journey.state = JourneyState.ACTIVE
        session.add(
            EntryDecision(
                store_id=world.store_id,
                journey_id=1,
                version_id=1,
                customer_id=outsider,
                at=START,
                outcome="no_consent",
                seen="never subscribed",
                threshold="subscribed",
            )
        )
    return scene


async def templates(scene: Scene) -> None:
    """The one template of the recorded stores."""
    async with scene.database.write() as session:
        session.add(
            Template(
                waba_id=WABA,
                name="winback_hello",
                language="en",
                status=TemplateStatus.APPROVED,
                category="MARKETING",
                variables=["1"],
                body="Hi {{1}}, it has been a while!",
                synced_at=START,
            )
        )


async def _running(world: World) -> None:
    """Two messages out, the first of which failed once; the second stage is held."""
    customer = await world.customer("+447700900001", external_id="1", first_name="Ana", language="en")
    enrollment = await world.enroll(customer, id="enr-running", stage=0)
    first = await world.claim(enrollment)
    async with world.database.write() as session:
        attempt = await session.get(SendAttempt, first)
        assert attempt is not None
        attempt.status, attempt.error_code, attempt.failed_at = AttemptStatus.FAILED, 131016, START
        send = await session.get(Send, attempt.send_id)
        assert send is not None
        send.state = SendState.FAILED
    second = await world.claim(enrollment)
    async with world.database.write() as session:
        attempt = await session.get(SendAttempt, second)
        assert attempt is not None
        attempt.status, attempt.wamid = AttemptStatus.DELIVERED, "wamid.1"
        attempt.accepted_at, attempt.delivered_at = START, START + timedelta(minutes=1)
        send = await session.get(Send, attempt.send_id)
        assert send is not None
        send.state, send.settled_at = SendState.ACCEPTED, START
        row = await session.get(Customer, customer)
        assert row is not None
        facts = await session.get(type(await world.one(_enrollment(), enrollment)), enrollment)
        assert facts is not None
        facts.stage, facts.state = 1, EnrollmentState.HOLDING
        facts.hold_reason, facts.hold_key = HoldReason.TEMPLATE_HELD, "template:x"
        session.add(
            TimelineEntry(
                enrollment_id=enrollment, at=NOW, stage=1, what="holding", reason=HoldReason.TEMPLATE_HELD.value
            )
        )


async def _bought(world: World) -> None:
    """An order long after the attribution window, which is somebody else's."""
    customer = await world.customer("+447700900002", external_id="2", first_name="Ben")
    enrollment = await world.enroll(customer, id="enr-bought", after_event_id=0)
    async with world.database.write() as session:
        row = await lock_customer(session, customer)
        facts = OrderFacts("5001", START + timedelta(hours=2), START + timedelta(hours=2), Money(4990, "USD"))
        order = await apply_order(session, row, facts, received_at=START + timedelta(hours=2), source="shopify")
        assert order.attributed_enrollment_id is None
        open_row = await session.get(_enrollment(), enrollment)
        assert open_row is not None
        reason = await close_enrollment(session, open_row, reason=ExitReason.COMPLETED, now=START + timedelta(hours=2))
        assert reason is ExitReason.PURCHASED
        await record_event(
            session,
            row,
            kind=EventKind.CUSTOMER_REPLIED,
            exit_reason=ExitReason.CUSTOMER_REPLIED,
            occurred_at=START + timedelta(hours=3),
            received_at=START + timedelta(hours=3),
            source="whatsapp",
            dedupe_key="whatsapp:x",
        )


def _enrollment() -> Any:
    from models.tables import Enrollment  # noqa: PLC0415 - keeps mypy from narrowing session.get's answer

    return Enrollment


@pytest.fixture
def store_file(tmp_path: Path, world: Scene) -> Path:
    """What `store add --from` reads: a second store on the sandbox."""
    path = tmp_path / "store.json"
    path.write_text(
        json.dumps(
            {
                "name": "second",
                "time_zone": "Europe/Madrid",
                "currency": "EUR",
                "languages": ["es"],
                "stop_words": ["Odhlásit"],
                "region": "ES",
                "phone_number_id": "900000000000002",
                "waba_id": "800000000000002",
                "shop_domain": "second.myshopify.com",
                "shop_endpoint": world.environment["SANDBOX_SHOP"],
                "whatsapp_token": "secret-one",
                "whatsapp_app_secret": "secret-two",
                "whatsapp_verify_token": "secret-three",
                "shop_token": "secret-four",
                "shop_webhook_secret": "secret-five",
            }
        )
    )
    return path


def rewrite(path: Path, **changes: str) -> None:
    """What the file says, without its stop words and with these changes."""
    told = {key: value for key, value in json.loads(path.read_text()).items() if key != "stop_words"}
    path.write_text(json.dumps(told | changes))
