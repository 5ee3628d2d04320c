"""What WhatsApp counts, asked at the claim itself: nothing is consumed by a message that does not go."""

from datetime import datetime, timedelta

import httpx
import pytest

from activities.claim import Claimed, claim_stage
from activities.services import Services
from models.enums import AttemptStatus, HoldReason, JourneyState, SendState, TemplateStatus
from models.orchestration import StageRef, StageResult
from models.tables import (
    Customer,
    Enrollment,
    Journey,
    Number,
    Send,
    SendAttempt,
    Store,
    Template,
    WindowRecipient,
)
from policies.allowance import TURN_AFTER
from policies.throughput import PAIR_INTERVAL
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.engine import Database
from storage.enrollments import enrollment_facts
from storage.sends import Draft, ensure_send, save_draft
from tests.nobody import nobodys_temporal
from tests.worlds import NOON, PHONE_NUMBER_ID, WABA, World, later, make_world

_HTTP = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(500)))


class Desk:
    """Customers of a store whose first message is written, and what claims them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.services = Services(
            database=world.database,
            cipher=world.cipher,
            whatsapp=WhatsAppClient(_HTTP),
            shopify=ShopifyClient(_HTTP),
            temporal=nobodys_temporal(),
        )
        self.enrollments: list[str] = []

    async def ready(self, people: int, *, category: str = "MARKETING", **number: object) -> None:
        """So many drafts, and what Meta says of the number."""
        async with self.world.database.write() as session:
            template = Template(waba_id=WABA, name="winback_hello", language="en", synced_at=NOON, category=category)
            template.status = TemplateStatus.APPROVED
            session.add(template)
            row = await session.get_one(Number, self.world.number_id)
            for name, value in number.items():
                setattr(row, name, value)
        for one in range(people):
            person = await self.world.customer(f"+{447700900100 + one}", external_id=str(one))
            self.enrollments.append(await self.world.enroll(person))
        async with self.world.database.write() as session:
            (await session.get_one(Journey, 1)).state = JourneyState.ACTIVE
        for enrollment in self.enrollments:
            await self.draft(enrollment, 0)

    async def draft(self, enrollment: str, stage: int, *, text: str | None = None) -> None:
        """Write a stage's message."""
        async with self.world.database.write() as session:
            send = await ensure_send(session, await enrollment_facts(session, enrollment), stage, 0)
            save_draft(send, Draft("winback_hello", "en", {"1": "you"}, free_text=text), now=NOON)
            send.checked_at = NOON

    async def claim(self, person: int, *, stage: int = 0, at: datetime = NOON) -> Claimed | StageResult:
        """Ask for the right to post."""
        ask = StageRef(enrollment_id=self.enrollments[person], stage=stage)
        return await claim_stage(self.services, ask, now=at)


@pytest.fixture
async def world(database: Database) -> World:
    """A store on each kind of database."""
    return await make_world(database)


@pytest.fixture
async def desk(world: World) -> Desk:
    """A desk on each kind of database."""
    return Desk(world)


async def test_a_claim_beyond_the_limit_waits_and_leaves_nothing(desk: Desk) -> None:
    """It holds until its turn, under the portfolio's key, and no attempt is written."""
    await desk.ready(2, daily_limit=1)
    assert isinstance(await desk.claim(0), Claimed)
    held = await desk.claim(1)
    assert isinstance(held, StageResult)
    assert (held.hold_reason, held.hold_until, held.technical) == (
        HoldReason.PORTFOLIO_LIMIT,
        NOON + TURN_AFTER,
        True,
    )
    waiting = await desk.world.one(Enrollment, desk.enrollments[1])
    assert waiting.hold_key == f"portfolio:waba-{WABA}"
    assert len(await desk.world.rows(SendAttempt)) == len(await desk.world.rows(WindowRecipient)) == 1


async def test_a_message_without_credits_takes_no_place(desk: Desk) -> None:
    """Room is looked for before the credits and taken after them."""
    await desk.ready(1, daily_limit=1)
    async with desk.world.database.write() as session:
        (await session.get_one(Store, desk.world.store_id)).credits = 0
    held = await desk.claim(0)
    assert isinstance(held, StageResult)
    assert held.hold_reason is HoldReason.NO_CREDITS
    assert await desk.world.rows(WindowRecipient) == []


async def test_what_goes_into_an_open_window_is_no_new_recipient(desk: Desk) -> None:
    """Who wrote a moment ago is answered whatever the limit, and takes nobody's place."""
    await desk.ready(2, daily_limit=1)
    assert isinstance(await desk.claim(0), Claimed)
    async with desk.world.database.write() as session:
        (await session.get_one(Customer, 2)).last_inbound_at = later(hours=-1)
    assert isinstance(await desk.claim(1), Claimed)
    assert len(await desk.world.rows(WindowRecipient)) == 1


async def test_a_red_number_sends_no_marketing(desk: Desk) -> None:
    """It waits for the number to be better; free text in an open window goes on."""
    await desk.ready(2, quality="RED")
    held = await desk.claim(0)
    assert isinstance(held, StageResult)
    assert (held.hold_reason, held.hold_until) == (HoldReason.SENDER_PAUSED, None)
    assert (await desk.world.one(Enrollment, desk.enrollments[0])).hold_key == f"number:{PHONE_NUMBER_ID}"
    async with desk.world.database.write() as session:
        (await session.get_one(Customer, 2)).last_inbound_at = later(hours=-1)
    await desk.draft(desk.enrollments[1], 0, text="Shall we go on?")
    assert isinstance(await desk.claim(1), Claimed)


async def test_a_red_number_still_sends_what_is_no_marketing(desk: Desk) -> None:
    """A utility template is told apart by Meta's category."""
    await desk.ready(1, quality="RED", category="UTILITY")
    assert isinstance(await desk.claim(0), Claimed)


async def test_nobody_gets_two_messages_in_six_seconds(desk: Desk) -> None:
    """The second one waits until the pair's time is over, unless the first is known not to have left."""
    await desk.ready(1)
    await desk.draft(desk.enrollments[0], 1)
    assert isinstance(await desk.claim(0), Claimed)
    held = await desk.claim(0, stage=1, at=later(seconds=2))
    assert isinstance(held, StageResult)
    assert (held.hold_reason, held.hold_until) == (HoldReason.META_RETRY_LATER, NOON + PAIR_INTERVAL)
    async with desk.world.database.write() as session:
        attempt = await session.get_one(SendAttempt, f"{desk.enrollments[0]}:1:1:1")
        attempt.status = AttemptStatus.FAILED
        (await session.get_one(Send, attempt.send_id)).state = SendState.FAILED
    assert isinstance(await desk.claim(0, stage=1, at=later(seconds=2)), Claimed)
    assert isinstance(await desk.claim(0, at=NOON + timedelta(seconds=8)), Claimed)
