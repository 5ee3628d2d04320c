"""What a test does with a stack: people who come, buy and write, and journeys that begin."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from activities import queues
from activities.audience import AudienceActivities
from activities.health import check_store
from models.enums import ConsentState, JourneyState, LaunchState
from models.journey import JourneyDefinition
from models.money import Money
from models.orchestration import AudienceInput, LaunchRequest, StartEntrants
from models.tables import Customer, Enrollment, Journey, Launch, LaunchCandidate
from sandbox.shopify.state import CustomerRecord, OrderRecord
from sandbox.shopify.webhooks import order_webhook
from storage.considered import considered
from storage.entry import Entry, enroll
from storage.events import add_broadcast
from storage.journeys import latest_version
from storage.launches import open_launch
from storage.publishing import publish
from storage.stopping import stop_customer
from storage.stores import required_id, suppression_key
from tests.around.base import Person
from tests.around.journeys import journey
from tests.around.sights import Sights
from workflows.audience import AudienceWorkflow
from workflows.ids import audience_workflow_id

_FIRST_PHONE = 447700900100


@dataclass(kw_only=True)
class Stack(Sights):
    """Everything that is up, and what a test does with it."""

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

    async def set_journey(self, enrollment_id: str, state: JourneyState) -> None:
        """Pause or resume the journey, as the command line does to its row."""
        row = await self.enrollment(enrollment_id)
        async with self.database.write() as session:
            found = await session.get(Journey, row.journey_id)
            assert found is not None
            found.state = state
