"""The whole of Rekindle around a Temporal server: database, sandbox over HTTP, gateway, relay and workers.

Nothing is mocked. On the time-skipping server the stack's clock is the server's, and time passes only in `advance`;
on a dev server it is the machine's.
"""

import asyncio
import dataclasses
import json
import ssl
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import httpx2
from pydantic import SecretStr
from sqlmodel import SQLModel, col, select
from starlette.types import ASGIApp, Receive, Scope
from starlette.types import Send as AsgiSend
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities import queues
from activities.audience import AudienceActivities
from activities.health import check_store
from activities.search_attributes import ALL
from activities.services import Services
from cli.simulation.clock import ClockInterceptor, VirtualClock
from gateway.app import GatewaySettings, create_app
from gateway.relay import Relay
from models.enums import ConsentState, EnrollmentState, ExitReason, HoldReason, JourneyState, LaunchState
from models.journey import JourneyDefinition, WinBack
from models.money import Money
from models.orchestration import AudienceInput, JourneyStatus, LaunchRequest, StartEntrants
from models.tables import Customer, Enrollment, Journey, Launch, LaunchCandidate, Send, SendAttempt, TimelineEntry
from providers.llm.client import LlmClient
from providers.mail import MailServer
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from sandbox.llm.app import MODEL, LlmSandbox
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from sandbox.shopify.webhooks import order_webhook
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.books import AcceptedMessage
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from sandbox.whatsapp.sender import WebhookSender
from storage.engine import Database, has_database
from storage.entry import Entry, considered, enroll
from storage.events import add_broadcast
from storage.journeys import latest_version, publish
from storage.launches import open_launch
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.stopping import stop_customer
from storage.stores import NewStore, StoreParts, add_store, find_store, required_id, suppression_key
from tests.databases import database_at, new_sqlite_file
from tests.serving import serve
from worker import Fleet
from workflows.audience import AudienceWorkflow
from workflows.ids import audience_workflow_id
from workflows.journey import JourneyWorkflow

BIN = Path(sys.executable).parent
TOKEN, SECRET = "sandbox-token", "sandbox-secret"
PHONE_NUMBER_ID = "900000000000001"
WABA = "800000000000001"
SHOP = "example.myshopify.com"
ZONE = "Europe/London"

_PATIENCE_S = 20.0
_LOOK_S = 0.01
_FIRST_PHONE = 447700900100
_TRUSTS_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and reading the world's certificates takes longer than many a test."""


HELLO: dict[str, Any] = {
    "template": "winback_hello",
    "language": "en",
    "variables": {"1": "{customer.first_name|friend}"},
}


def journey(
    *stages: tuple[str, Mapping[str, Any]],
    name: str = "lapsed",
    sending: Mapping[str, Any] | None = None,
    **changes: Any,
) -> JourneyDefinition:
    """A win-back of these (delay, message) stages; without any, one greeting at once. Its hours never close."""
    listed = stages or (("0d", HELLO),)
    return WinBack.model_validate(
        {
            "name": name,
            "kind": "win_back",
            "audience": {"inactive_days": 60},
            "stages": [{"after": after, "message": message} for after, message in listed],
            "sending": {"hours": "00:00-24:00", **(sending or {})},
        }
        | changes
    )


@dataclass(frozen=True, slots=True)
class Person:
    """A customer: the database's id, the shop's, and the phone."""

    id: int
    shop_id: int
    phone: str


class Line(httpx.AsyncBaseTransport):
    """The network between us and the services; a test may cut it or look at what leaves.

    Attributes:
        refusals: so many of the next messages are refused before they leave.
        before_send: called with each message's callback data before it leaves.
        answers: told instead of the service's own, each to the next request whose path ends with its key.
    """

    def __init__(self) -> None:
        self.refusals = 0
        self.before_send: Callable[[str], Awaitable[None]] | None = None
        self.answers: dict[str, httpx.Response] = {}
        self._wire = httpx.AsyncHTTPTransport(verify=_TRUSTS_NOBODY)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass a request on."""
        for ending in list(self.answers):
            if request.url.path.endswith(ending):
                return self.answers.pop(ending)
        if request.url.path.endswith("/messages"):
            if self.refusals:
                self.refusals -= 1
                raise httpx.ConnectError("refused")
            if self.before_send is not None:
                await self.before_send(json.loads(request.content)["biz_opaque_callback_data"])
        return await self._wire.handle_async_request(request)

    async def aclose(self) -> None:
        """Hang up."""
        await self._wire.aclose()


@dataclass(kw_only=True)
class Stack:
    """Everything that is up, and what a test does with it."""

    env: WorkflowEnvironment | None
    client: Client
    clock: Callable[[], datetime]
    database: Database
    cipher: Cipher
    services: Services
    store: StoreParts
    whatsapp: WhatsAppSandbox
    shop: ShopState
    shopify: ShopifySandbox
    llm: LlmSandbox
    sender: WebhookSender
    relay: Relay
    http: httpx.AsyncClient
    line: Line
    urls: dict[str, str]
    people: dict[int, Person] = field(default_factory=dict)
    started: list[str] = field(default_factory=list)
    _orders: int = 5000

    # --- time ---

    async def now(self) -> datetime:
        """The server's time, told to everybody."""
        if self.env is None:
            return self.clock()
        now = await self.env.get_current_time()
        assert isinstance(self.clock, VirtualClock)
        self.clock.reached(now)
        return now

    async def advance(self, **span: float) -> None:
        """Let so much time pass, and the webhooks of that time arrive at its end."""
        assert self.env is not None
        await self.env.sleep(timedelta(**span))
        await self.settle()

    async def advance_to(self, at: datetime) -> None:
        """Let time pass until that moment."""
        await self.advance(seconds=(at - await self.now()).total_seconds())

    async def settle(self) -> None:
        """Deliver the webhooks and signals that are due."""
        await self.now()
        await self.sender.deliver_due()
        await self.relay.drain()

    async def until(
        self, condition: Callable[[], Awaitable[Any]], *, within: float = _PATIENCE_S, settle: bool = True
    ) -> Any:
        """The condition's first true answer; fails when none comes in so many real seconds.

        Meanwhile webhooks and signals are delivered, unless `settle` says that somebody else does or nobody shall.
        """
        deadline = time.monotonic() + within
        while True:
            if settle:
                await self.settle()
            answer = await condition()
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"never came true; {await self.picture()}")
            await asyncio.sleep(_LOOK_S)

    async def picture(self) -> str:
        """Where everybody stands, for a failure's text."""
        lines = [
            f"{one.id[-6:]} {one.state} stage {one.stage} hold {one.hold_reason} exit {one.exit_reason}"
            for one in await self.rows(Enrollment)
        ]
        lines += [f"send {one.stage} {one.state} {one.skip_reason}" for one in await self.rows(Send)]
        lines += [f"attempt {one.number} {one.status} {one.error_code}" for one in await self.rows(SendAttempt)]
        return "; ".join(lines)

    # --- people and what they do ---

    async def person(
        self, *, first_name: str | None = "Ada", days_ago: int = 70, total: str = "40.00", **changes: Any
    ) -> Person:
        """A customer of shop and store whose last order is so many days old."""
        number = len(self.people) + 1
        shop_id, phone = 1000 + number, f"+{_FIRST_PHONE + number}"
        now = await self.now()
        ordered_at = now - timedelta(days=days_ago)
        self.shop.put_customer(
            CustomerRecord(
                id=shop_id, first_name=first_name, phone=phone, consent=ConsentState.SUBSCRIBED, consent_updated_at=now
            )
        )
        self.shop.put_order(
            OrderRecord(
                id=100 + number, customer_id=shop_id, created_at=ordered_at, total=Decimal(total), currency="USD"
            )
        )
        values: dict[str, Any] = {
            "store_id": self.store.id,
            "external_id": str(shop_id),
            "phone": phone,
            "first_name": first_name,
            "consent": ConsentState.SUBSCRIBED,
            "last_order_external_id": str(100 + number),
            "last_order_at": ordered_at,
            "last_order_minor": Money.of(Decimal(total), "USD").minor,
            "last_order_currency": "USD",
        }
        async with self.database.write() as session:
            customer = Customer(**(values | changes))
            session.add(customer)
            await session.flush()
            person = Person(required_id(customer.id), shop_id, phone)
        self.people[person.id] = person
        return person

    async def shopper(self) -> None:
        """A customer of the shop of whom the store knows nothing yet, for launches of many."""
        number = 1 + len(self.shop.customers)
        now = await self.now()
        phone, shop_id = f"+{_FIRST_PHONE + number}", 1000 + number
        record = CustomerRecord(id=shop_id, first_name="Ada", phone=phone, consent=ConsentState.SUBSCRIBED)
        self.shop.put_customer(dataclasses.replace(record, consent_updated_at=now))
        at = now - timedelta(days=70)
        self.shop.put_order(
            OrderRecord(id=100 + number, customer_id=shop_id, created_at=at, total=Decimal(40), currency="USD")
        )

    async def buy(
        self,
        person: Person,
        *,
        at: datetime | None = None,
        webhook: bool = True,
        codes: Sequence[str] = (),
        test: bool = False,
    ) -> int:
        """Order something now (or at a past moment), with or without a word from the shop; the order's id."""
        now = await self.now()
        self._orders += 1
        order = OrderRecord(
            id=self._orders,
            customer_id=person.shop_id,
            created_at=at or now,
            total=Decimal("25.00"),
            currency="USD",
            discount_codes=tuple(codes),
            test=test,
        )
        self.shop.put_order(order)
        if webhook:
            await self.tell_of(order.id)
        return order.id

    async def tell_of(self, order_id: int) -> None:
        """The shop's webhook about an order."""
        headers, body = order_webhook(self.shop, self.shop.orders[order_id], "orders/create", await self.now())
        answer = await self.http.post(f"{self.urls['gateway']}/webhooks/shopify", content=body, headers=headers)
        assert answer.status_code == 200
        await self.settle()

    async def write(self, person: Person, text: str) -> bytes:
        """The customer writes to the store; the webhook's body."""
        body = self.whatsapp.inbound(person.phone, text, await self.now())
        await self.post(body)
        return body

    async def post(self, body: bytes) -> None:
        """Deliver one of Meta's webhooks."""
        assert await self.sender.post(body)
        await self.settle()

    async def stop(self, enrollment_id: str) -> None:
        """Staff stop one customer's journey."""
        row = await self.enrollment(enrollment_id)
        async with self.database.write() as session:
            await stop_customer(session, row.journey_id, row.customer_id, now=await self.now())
        await self.settle()

    async def check_health(self) -> None:
        """One round of the health watch, and the releases that follow from it."""
        await check_store(self.services, self.store.id, now=await self.now())
        await self.settle()

    async def release(self, hold_key: str) -> None:
        """Tell everybody who holds for the key to try again; the releases are spread over half a minute."""
        async with self.database.write() as session:
            add_broadcast(session, hold_key, now=await self.now())
        await self.settle()

    # --- journeys ---

    async def publish(self, definition: JourneyDefinition) -> int:
        """Publish and activate; the journey's id."""
        async with self.database.write() as session:
            found, _ = await publish(session, self.store.id, definition, now=await self.now())
            found.state = JourneyState.ACTIVE
            return required_id(found.id)

    async def enroll(self, definition: JourneyDefinition, person: Person, *, entered_at: datetime | None = None) -> str:
        """Enter the customer, whose workflow is not started yet; the enrollment's id."""
        now = await self.now()
        async with self.database.write() as session:
            found, version = await publish(session, self.store.id, definition, now=now)
            found.state = JourneyState.ACTIVE
            key = suppression_key(self.store.store, self.cipher)
            (who,) = await considered(
                session, required_id(found.id), [person.id], suppression_key=key, now=now, lock=True
            )
            entry = Entry(self.store.store, found, required_id(version.id), definition, None)
            enrollment = await enroll(session, entry, who, control=False, entered_at=entered_at or now, now=now)
            assert enrollment is not None
            return enrollment.id

    async def launch(self, definition: JourneyDefinition, *, limit: int | None = None) -> int:
        """Ask for an audience and let its workflow select, pace and start; the launch's id."""
        journey_id = await self.publish(definition)
        now = await self.now()
        async with self.database.write() as session:
            version = await latest_version(session, journey_id)
            assert version is not None
            row = await open_launch(
                session,
                store_id=self.store.id,
                journey_id=journey_id,
                version_id=required_id(version.id),
                limit=limit,
                now=now,
            )
            launch_id = required_id(row.id)
        workflow_id = audience_workflow_id(self.store.id, journey_id)
        self.started.append(workflow_id)
        await self.client.start_workflow(
            AudienceWorkflow.run,
            AudienceInput(store_id=self.store.id, journey_id=journey_id, shop_queue=self.store.shop_queue),
            id=workflow_id,
            task_queue=queues.MAIN,
            start_signal="launch",
            start_signal_args=[LaunchRequest(launch_id=launch_id)],
        )
        return launch_id

    async def launched(self, launch_id: int) -> dict[str, int]:
        """Wait until the launch is over; how many of the considered have which outcome."""

        async def done() -> bool:
            (launch,) = await self.rows(Launch, id=launch_id)
            return launch.state is LaunchState.DONE

        await self.until(done)
        self.started += [one.id for one in await self.rows(Enrollment) if one.id not in self.started]
        return dict(Counter(one.outcome for one in await self.rows(LaunchCandidate, launch_id=launch_id)))

    async def start(self, enrollment_id: str) -> None:
        """Start the workflow as AudienceWorkflow would."""
        row = await self.enrollment(enrollment_id)
        self.started.append(enrollment_id)
        await AudienceActivities(self.services).start_entrants(StartEntrants(journey_id=row.journey_id))

    async def begin(self, definition: JourneyDefinition | None = None, person: Person | None = None) -> str:
        """Enroll and start one customer; the enrollment's id."""
        enrollment_id = await self.enroll(definition or journey(), person or await self.person())
        await self.start(enrollment_id)
        return enrollment_id

    def handle(self, enrollment_id: str) -> WorkflowHandle[Any, Any]:
        """The journey's workflow, through a client that never moves the clock."""
        return self.client.get_workflow_handle_for(JourneyWorkflow.run, enrollment_id)

    async def status(self, enrollment_id: str) -> JourneyStatus:
        """What the workflow says of itself."""
        found: JourneyStatus = await self.handle(enrollment_id).query(JourneyWorkflow.status)
        return found

    # --- what is known ---

    async def rows(self, model: type[SQLModel], **where: Any) -> list[Any]:
        """The rows of a table, by primary key."""
        query = select(model).filter_by(**where).order_by(*model.__table__.primary_key.columns)  # type: ignore[attr-defined]
        async with self.database.read() as session:
            return list((await session.exec(query)).all())

    async def enrollment(self, enrollment_id: str) -> Enrollment:
        """The enrollment as it is now."""
        (row,) = await self.rows(Enrollment, id=enrollment_id)
        assert isinstance(row, Enrollment)
        return row

    async def send(self, enrollment_id: str, stage: int = 0) -> Send:
        """The send of a stage."""
        (row,) = await self.rows(Send, enrollment_id=enrollment_id, stage=stage)
        assert isinstance(row, Send)
        return row

    async def attempts(self, enrollment_id: str, stage: int = 0) -> list[SendAttempt]:
        """The attempts at a stage's message, oldest first."""
        send = await self.send(enrollment_id, stage)
        async with self.database.read() as session:
            rows = select(SendAttempt).where(SendAttempt.send_id == send.id).order_by(col(SendAttempt.number))
            return list((await session.exec(rows)).all())

    async def story(self, enrollment_id: str) -> list[tuple[str, str | None]]:
        """What the timeline tells beyond sends."""
        return [(one.what, one.reason) for one in await self.rows(TimelineEntry, enrollment_id=enrollment_id)]

    async def set_journey(self, enrollment_id: str, state: JourneyState) -> None:
        """Pause or resume the journey, as the command line does to its row."""
        row = await self.enrollment(enrollment_id)
        async with self.database.write() as session:
            found = await session.get(Journey, row.journey_id)
            assert found is not None
            found.state = state

    def received(self, person: Person | None = None) -> list[AcceptedMessage]:
        """The messages that WhatsApp accepted, for one person or all."""
        return [one for one in self.whatsapp.books.messages if person is None or one.recipient == person.phone]

    async def accepted(self, count: int) -> None:
        """Wait until so many messages are accepted and on our own record."""

        async def recorded() -> bool:
            rows = await self.rows(SendAttempt)
            return sum(one.accepted_at is not None for one in rows) >= count

        await self.until(recorded)
        assert len(self.received()) == count

    async def reaches(self, enrollment_id: str, state: EnrollmentState, stage: int | None = None) -> Enrollment:
        """Wait until the enrollment is in that state (and stage)."""

        async def there() -> Enrollment | None:
            row = await self.enrollment(enrollment_id)
            return row if row.state is state and stage in (None, row.stage) else None

        found: Enrollment = await self.until(there)
        return found

    async def holds(self, enrollment_id: str, reason: HoldReason) -> Enrollment:
        """Wait until database and workflow both say that it holds for that reason."""

        async def held() -> Enrollment | None:
            row = await self.enrollment(enrollment_id)
            if row.state is not EnrollmentState.HOLDING or row.hold_reason is not reason:
                return None
            return row if (await self.status(enrollment_id)).hold_reason is reason else None

        found: Enrollment = await self.until(held)
        return found

    async def waits(self, enrollment_id: str, stage: int) -> JourneyStatus:
        """Wait until the workflow itself waits for that stage (or watches after the last)."""

        async def waiting() -> JourneyStatus | None:
            status = await self.status(enrollment_id)
            quiet = status.state in (EnrollmentState.WAITING, EnrollmentState.WATCHING)
            return status if quiet and status.stage == stage else None

        found: JourneyStatus = await self.until(waiting)
        return found

    async def ends(self, enrollment_id: str) -> ExitReason:
        """Wait until the workflow is over; the reason, which database and workflow agree upon."""
        await self.reaches(enrollment_id, EnrollmentState.CLOSED)

        async def over() -> bool:
            description = await self.handle(enrollment_id).describe()
            return description.close_time is not None

        await self.until(over)
        reason = (await self.enrollment(enrollment_id)).exit_reason
        assert reason is not None
        assert (await self.handle(enrollment_id).result()).reason == reason
        return reason


class _Doors:
    """Several applications behind one server, each under its name: a server takes a while to stop."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        _, name, path = scope["path"].split("/", 2)
        inner = dict(scope, path=f"/{path}", raw_path=f"/{path}".encode())
        await self._apps[name](inner, receive, send)


async def register_search_attributes(client: Client) -> None:
    """Tell the time-skipping server of our search attributes."""
    kinds = {"int": IndexedValueType.INDEXED_VALUE_TYPE_INT, "str": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace="default", search_attributes={key.name: kinds[key.value_type.__name__] for key in ALL}
        )
    )


@asynccontextmanager
async def running_stack(
    client: Client,
    database_url: str,
    *,
    clock: Callable[[], datetime],
    env: WorkflowEnvironment | None = None,
    key: str | None = None,
    fleet: bool = True,
    max_cached_workflows: int | None = None,
    unknown_wait: timedelta = timedelta(minutes=10),
    with_model: bool = True,
    store: Mapping[str, Any] | None = None,
    mail: MailServer | None = None,
) -> AsyncIterator[Stack]:
    """Everything around one Temporal client, empty but for a store with its mirrored templates.

    Args:
        client: plain, connected with `RekindlePlugin`; it never moves the clock.
        database_url: of an empty database.
        clock: the time of gateway and sandbox.
        env: the time-skipping environment, if `clock` is its virtual clock.
        key: opens the store's secrets; drawn if left out.
        fleet: whether workers run in this process.
        max_cached_workflows: of the workers.
        unknown_wait: how long a send of unknown outcome waits for a status.
        with_model: whether a language model is configured.
        store: what is other than usual about the store.
        mail: takes the mails to the store's people.
    """
    async with AsyncExitStack() as stack:
        database = await _open(database_url)
        stack.push_async_callback(database.close)
        cipher = Cipher([key or new_key()])
        relay = Relay(database, client, clock)
        account = Account(WABA, PHONE_NUMBER_ID, "447700900000")
        whatsapp = WhatsAppSandbox(
            clock=clock, numbers=[SandboxNumber(account, frozenset({TOKEN}))], app_secret=SECRET, read_percent=0
        )
        shopify, llm = ShopifySandbox(clock), LlmSandbox(api_keys=frozenset({TOKEN}), clock=clock)
        shop = shopify.add_shop(ShopState(domain=SHOP, token=TOKEN, secret=SECRET, time_zone=ZONE))
        apps: dict[str, ASGIApp] = {
            "gateway": create_app(database, cipher, GatewaySettings(), relay, clock),
            "whatsapp": WhatsAppApp(whatsapp),
            "shopify": shopify,
            "llm": llm,
        }
        root = await stack.enter_async_context(serve(_Doors(apps)))
        urls = {name: f"{root}/{name}" for name in apps}
        line = Line()
        http = await stack.enter_async_context(httpx.AsyncClient(transport=line))
        llm_http = await stack.enter_async_context(httpx2.AsyncClient(verify=_TRUSTS_NOBODY))
        services = Services(
            database=database,
            cipher=cipher,
            whatsapp=WhatsAppClient(http, base_url=urls["whatsapp"]),
            shopify=ShopifyClient(http),
            temporal=client,
            llm=LlmClient(llm_http, base_url=f"{urls['llm']}/v1", api_key=SecretStr(TOKEN), model=MODEL)
            if with_model
            else None,
            mail=mail,
            unknown_wait=unknown_wait,
        )
        parts = await _add_store(database, cipher, urls["shopify"], now=clock(), changes=store or {})
        report = await check_store(services, parts.id, now=clock())
        assert not report.faults, report
        found = Stack(
            env=env,
            client=client,
            clock=clock,
            database=database,
            cipher=cipher,
            services=services,
            store=parts,
            whatsapp=whatsapp,
            shop=shop,
            shopify=shopify,
            llm=llm,
            sender=WebhookSender(whatsapp.outbox, http, f"{urls['gateway']}/webhooks/whatsapp", clock),
            relay=relay,
            http=http,
            line=line,
            urls=urls,
        )
        if fleet:
            interceptors = [ClockInterceptor(clock)] if isinstance(clock, VirtualClock) else []
            await stack.enter_async_context(
                Fleet(
                    client,
                    services,
                    interceptors=interceptors,
                    limit_rates=False,
                    max_cached_workflows=max_cached_workflows,
                )
            )
        try:
            yield found
        finally:
            # What still runs would be met by the next test's workers, on another database.
            for workflow_id in found.started:
                with suppress(RPCError):
                    await client.get_workflow_handle(workflow_id).terminate()


async def _open(url: str) -> Database:
    """The database with its tables, new if it is not there yet."""
    database = database_at(url)
    if database.is_sqlite and not has_database(url):
        new_sqlite_file(Path(url.partition("///")[2]), stamped=True)
    else:
        await create_all(database)
    return database


async def _add_store(
    database: Database, cipher: Cipher, shopify_url: str, *, now: datetime, changes: Mapping[str, Any]
) -> StoreParts:
    options: dict[str, Any] = {
        # In every enrollment's id, so that stacks on one server do not meet each other's workflows.
        "slug": f"shop-{uuid.uuid4().hex[:8]}",
        "time_zone": ZONE,
        "currency": "USD",
        "languages": ("en",),
        "default_region": "GB",
        "phone_number_id": PHONE_NUMBER_ID,
        "waba_id": WABA,
        "portfolio_id": None,
        "whatsapp_token": TOKEN,
        "whatsapp_app_secret": SECRET,
        "whatsapp_verify_token": SECRET,
        "shop_domain": SHOP,
        "shop_token": TOKEN,
        "shop_webhook_secrets": (SECRET,),
        "shop_endpoint": shopify_url,
    }
    async with database.write() as session:
        await add_store(session, NewStore(**(options | dict(changes))), cipher=cipher, now=now)
    async with database.read() as session:
        return await find_store(session, None)
