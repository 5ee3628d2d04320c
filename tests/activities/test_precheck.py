"""No model is paid for a text that could not leave: the preparation of a written stage, on both databases."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from pydantic import SecretStr
from temporalio.testing import ActivityEnvironment

from activities.prepare import PrepareActivities
from models.enums import EnrollmentState, HoldReason, JourneyState, SendState, SkipReason, TemplateStatus
from models.journey import parse_definition_json
from models.orchestration import StageRef, StageResult, StageStep
from models.tables import Customer, Enrollment, Number, Send, Template, WindowRecipient
from providers.llm.client import LlmClient
from storage.allowances import Wanted, find_room
from storage.engine import Database
from storage.publishing import publish
from storage.senders import pause_sender
from storage.stores import required_id
from tests.refusing import Sending
from tests.worlds import DEFINITION, NOON, PHONE_NUMBER_ID, WABA, World, later, make_world

_WRITTEN = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}


class Desk:
    """A journey whose message a model writes, and what prepares it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sending = Sending(world)
        self.enrollment = ""
        self.has_model = True

    async def open(self, **sending: object) -> None:
        """One customer whose stage is due."""
        await self.sending.open("winback_note", "winback_hello")
        data = DEFINITION.model_dump(mode="json", by_alias=True) | {"name": "written"}
        data["stages"][0]["message"] = _WRITTEN
        data["sending"] |= sending
        async with self.world.database.write() as session:
            definition = parse_definition_json(json.dumps(data))
            journey, version = await publish(session, self.world.store_id, definition, now=NOON)
            journey.state = JourneyState.ACTIVE
            entered = {"journey_id": required_id(journey.id), "version_id": required_id(version.id)}
        self.enrollment = await self.world.enroll(await self.world.customer(), **entered)

    async def change(self, row: type[Any], **values: object) -> None:
        """Write something into the only row of a table, or the one of the written message's template."""
        async with self.world.database.write() as session:
            only = [one for one in await self.world.rows(row) if getattr(one, "name", "winback_note") == "winback_note"]
            for name, value in values.items():
                setattr(only[0], name, value)
            session.add(only[0])

    async def prepare(self, at: datetime = NOON) -> StageResult:
        """What the activity says."""
        http = httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500)))
        llm = LlmClient(http, base_url="http://127.0.0.1:1/v1", api_key=SecretStr("x"), model="m")
        services = replace(self.sending.services, llm=llm if self.has_model else None)
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, started_time=at)
        result = await environment.run(
            PrepareActivities(services).prepare_stage, StageRef(enrollment_id=self.enrollment, stage=0)
        )
        assert isinstance(result, StageResult)
        return result


@pytest.fixture
async def desk(database: Database) -> Desk:
    """A desk on each kind of database."""
    return Desk(await make_world(database))


async def _fill(desk: Desk) -> None:
    """The portfolio's only place is somebody else's."""
    await desk.change(Number, daily_limit=1)
    async with desk.world.database.write() as session:
        wanted = Wanted(
            number=await session.get_one(Number, desk.world.number_id),
            address="+447700900199",
            customer_id=1,
            kind=DEFINITION.kind,
            enrollment=await session.get_one(Enrollment, desk.enrollment),
            zone=ZoneInfo("Europe/London"),
            at=NOON,
        )
        room = await find_room(session, wanted, desk.world.cipher)
        await room.take()  # type: ignore[union-attr]


async def _pause(desk: Desk) -> None:
    async with desk.world.database.write() as session:
        await pause_sender(session, desk.world.number_id, 131031, now=NOON)


async def _refuse_token(desk: Desk) -> None:
    await desk.change(Number, credential_ok=False)


async def _hold_template(desk: Desk) -> None:
    await desk.change(Template, status=TemplateStatus.PAUSED)


@pytest.mark.parametrize(
    ("cause", "reason", "key"),
    [
        (_fill, HoldReason.PORTFOLIO_LIMIT, f"portfolio:waba-{WABA}"),
        (_pause, HoldReason.SENDER_PAUSED, f"number:{PHONE_NUMBER_ID}"),
        (_refuse_token, HoldReason.CREDENTIAL, f"number:{PHONE_NUMBER_ID}"),
        (_hold_template, HoldReason.TEMPLATE_HELD, f"template:{WABA}:winback_note:en"),
    ],
)
async def test_a_text_that_cannot_leave_is_not_written(
    desk: Desk, cause: Callable[[Desk], Awaitable[None]], reason: HoldReason, key: str
) -> None:
    """The stage holds as the claim would have it, under the key that releases it, and nobody's place is taken."""
    await desk.open()
    assert (await desk.prepare()).step is StageStep.COMPOSE
    await cause(desk)
    before = len(await desk.world.rows(WindowRecipient))
    held = await desk.prepare()
    assert (held.step, held.hold_reason, held.technical) == (StageStep.HOLD, reason, True)
    waiting = await desk.world.one(Enrollment, desk.enrollment)
    assert (waiting.state, waiting.hold_key) == (EnrollmentState.HOLDING, key)
    [send] = await desk.world.rows(Send)
    assert (send.state, send.template_name, send.drafted_at) == (SendState.DRAFTED, None, None)
    assert len(await desk.world.rows(WindowRecipient)) == before


async def test_who_waited_for_room_is_written_to_when_it_is_their_turn(desk: Desk) -> None:
    """The hold names a moment, and at that moment the model is asked."""
    await desk.open()
    await _fill(desk)
    held = await desk.prepare()
    assert held.hold_until is not None
    assert (await desk.prepare(held.hold_until)).step is StageStep.COMPOSE


async def test_what_the_template_forbids_does_not_count_inside_an_open_window(desk: Desk) -> None:
    """The text goes by itself there, and to somebody who is no new recipient."""
    await desk.open()
    await _hold_template(desk)
    await _fill(desk)
    await desk.change(Customer, last_inbound_at=later(minutes=-10))
    assert (await desk.prepare()).step is StageStep.COMPOSE


async def test_a_stage_that_the_claim_would_pass_over_is_passed_over_before_it_is_paid(desk: Desk) -> None:
    """The template is gone for good: no text could be shown in it."""
    await desk.open()
    await desk.change(Template, status=TemplateStatus.DISABLED)
    assert (await desk.prepare()).step is StageStep.SKIPPED
    [send] = await desk.world.rows(Send)
    assert (send.state, send.skip_reason) == (SendState.SKIPPED, SkipReason.TEMPLATE_DEAD)


async def test_without_a_model_the_fallback_is_not_held_for_the_text_s_template(desk: Desk) -> None:
    """Nobody is paid, and the template that stands in may well go."""
    desk.has_model = False
    await desk.open()
    await _hold_template(desk)
    assert (await desk.prepare()).step is StageStep.COMPOSE


async def test_a_text_that_a_person_approves_is_written_at_once(desk: Desk) -> None:
    """It is kept however long the message waits, so the person may look at it meanwhile."""
    await desk.open(approval="required")
    await _fill(desk)
    assert (await desk.prepare()).step is StageStep.COMPOSE
