"""The sending activity with WhatsApp's answers in the test's hand, for tests of what refusals lead to."""

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import httpx
from temporalio.testing import ActivityEnvironment

from activities.reopen import ReopenActivities
from activities.send import SendActivities
from activities.services import Services
from models.enums import JourneyState, TemplateStatus
from models.orchestration import StageRef, StageResult
from models.tables import Journey, SendAttempt, SignalIntent, StoreEvent, Template
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.enrollments import enrollment_facts
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.sends import Draft, ensure_send, save_draft
from storage.statuses import Report, StatusPiece
from tests.nobody import nobodys_temporal
from tests.worlds import NOON, WABA, World, later

OTHER = "+447700900124"
"""Somebody else's phone."""


@dataclass
class Meta:
    """Answers each message with the next code, or takes it when there is none left."""

    codes: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    posted: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        body = json.loads(request.content)
        self.bodies.append(body)
        self.posted.append(body["biz_opaque_callback_data"])
        if self.codes:
            error = {"error": {"message": "x", "type": "OAuthException", "code": self.codes.pop(0)}}
            return httpx.Response(400, json=error, headers=self.headers)
        return httpx.Response(200, json={"messages": [{"id": f"wamid.{len(self.posted)}"}]})


@dataclass
class Sending:
    """A store whose first messages are ready to go."""

    world: World
    meta: Meta = field(default_factory=Meta)

    @property
    def services(self) -> Services:
        """The services of the activities."""
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.meta))
        return Services(
            database=self.world.database,
            cipher=self.world.cipher,
            whatsapp=WhatsAppClient(http),
            shopify=ShopifyClient(http),
            temporal=nobodys_temporal(),
        )

    async def open(self, *templates: str, status: TemplateStatus = TemplateStatus.APPROVED) -> None:
        """The store's templates."""
        async with self.world.database.write() as session:
            for name in templates or ("winback_hello",):
                session.add(
                    Template(
                        waba_id=WABA,
                        name=name,
                        language="en",
                        status=status,
                        category="MARKETING",
                        variables=["1"],
                        body="Hello {{1}}",
                        synced_at=NOON - timedelta(days=1),
                    )
                )

    async def ready(self, phone: str = "+447700900123", *, free_text: str | None = None, **customer: object) -> str:
        """A customer in an active journey whose first message is drafted and checked; the enrollment."""
        person = await self.world.customer(phone, external_id=phone[-6:], **customer)
        enrollment = await self.world.enroll(person)
        await self.draft(enrollment, free_text=free_text)
        async with self.world.database.write() as session:
            journey = await session.get(Journey, 1)
            assert journey is not None
            if journey.state is JourneyState.DRAFT:
                journey.state = JourneyState.ACTIVE
        return enrollment

    async def draft(self, enrollment: str, *, free_text: str | None = None, at: datetime = NOON) -> None:
        """Draft and check the first message anew."""
        async with self.world.database.write() as session:
            facts = await enrollment_facts(session, enrollment)
            send = await ensure_send(session, facts, 0, 0)
            save_draft(send, Draft("winback_hello", "en", {"1": "you"}, free_text=free_text), now=at)
            send.checked_at = at

    async def send(self, enrollment: str, *, at: datetime = NOON, attempt: int = 1) -> StageResult:
        """Run the sending activity."""
        return await self._run(SendActivities(self.services).send_message, enrollment, at, attempt)

    async def reopen(self, enrollment: str, *, at: datetime = NOON) -> StageResult:
        """Run the activity that opens a stage again."""
        return await self._run(ReopenActivities(self.services).reopen_stage, enrollment, at, 1)

    async def _run(self, run: object, enrollment: str, at: datetime, attempt: int) -> StageResult:
        environment = ActivityEnvironment()
        environment.info = replace(environment.info, started_time=at, attempt=attempt)
        result: StageResult = await environment.run(run, StageRef(enrollment_id=enrollment, stage=0))  # type: ignore[arg-type]
        return result


async def failed(sending: Sending, enrollment: str, code: int, *, attempt: int = 1, minutes: float = 1) -> None:
    """WhatsApp tells by webhook that the first stage's message failed."""
    await told(sending, enrollment, Report.FAILED, attempt=attempt, at=later(minutes=minutes), code=code)


async def told(
    sending: Sending, enrollment: str, report: Report, *, attempt: int, at: datetime, code: int | None = None
) -> None:
    """WhatsApp tells by webhook what became of the first stage's message."""
    world = sending.world
    known = await wamid(sending, enrollment, attempt)
    piece = StatusPiece(f"st:{enrollment}:{attempt}", world.number_id, known, report, at, None, code)
    world._made += 1
    delivery = Delivery("whatsapp", "whatsapp", f"key-{world._made}", "{}", at, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=(piece,)))


async def wamid(sending: Sending, enrollment: str, attempt: int) -> str:
    """WhatsApp's id of an attempt's message."""
    row = await sending.world.one(SendAttempt, f"{enrollment}:1:1:{attempt}")
    return str(row.wamid)


async def events(world: World) -> list[tuple[str, object]]:
    """What the store's people are told, with the code."""
    return [(row.kind.value, row.detail.get("code")) for row in await world.rows(StoreEvent)]


async def broadcasts(world: World) -> list[str]:
    """Which keys are released."""
    return [row.broadcast_key for row in await world.rows(SignalIntent) if row.broadcast_key is not None]
