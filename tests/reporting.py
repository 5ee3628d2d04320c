"""A win-back with everything that a report tells of: what was sent, ordered, and not received, and why."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from models.enums import (
    AttemptStatus,
    EnrollmentState,
    ExitReason,
    HoldReason,
    LaunchState,
    LeftOut,
    SendState,
    SkipReason,
)
from models.journey import WinBack
from models.money import Money
from models.tables import Enrollment, EntryDecision, Launch, Paced, Send, SendAttempt
from storage.customers import lock_customer
from storage.orders import OrderFacts, apply_order
from storage.publishing import publish
from storage.stores import required_id
from tests.worlds import NOON, World

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JOURNEY = "lapsed-60-days"
CODE = "COMEBACK10"
FORMULA = '=HYPERLINK("http://x";"Ana")'


def win_back(name: str = JOURNEY, *, code: str | None = CODE, **changes: Any) -> WinBack:
    """A win-back of two messages, with a code that everybody has."""
    message = {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}
    stages = [{"after": "0d", "message": message}, {"after": "3d", "message": message}]
    coupon = {"coupon": {"code": code}} if code is not None else {}
    parts = {"name": name, "kind": "win_back", "audience": {"inactive_days": 60}, "stages": stages}
    return WinBack.model_validate({**parts, **coupon, **changes})


@dataclass
class Reporting:
    """Tells a journey's story into a world's database."""

    world: World
    journeys: dict[str, tuple[int, int]] = field(default_factory=dict)
    people: dict[str, int] = field(default_factory=dict)
    orders: int = 0

    async def journey(self, definition: WinBack) -> int:
        """Publish a version; the journey's id."""
        async with self.world.database.write() as session:
            journey, version = await publish(session, self.world.store_id, definition, now=NOON)
            ids = required_id(journey.id), required_id(version.id)
        self.journeys[definition.name] = ids
        return ids[0]

    async def person(self, name: str, *, first_name: str | None = None) -> int:
        """A customer, by name; numbered in the order of the story."""
        n = len(self.people)
        phone = f"+447700900{n:03d}"
        self.people[name] = await self.world.customer(phone, external_id=str(100 + n), first_name=first_name or name)
        return self.people[name]

    async def enroll(self, name: str, *, journey: str = JOURNEY, at: datetime = NOON, **values: Any) -> str:
        """Their passage, which waits unless told otherwise."""
        if name not in self.people:
            await self.person(name)
        journey_id, version_id = self.journeys[journey]
        key = f"enr-{journey}-{name}-{at:%m%d%H}"[:40]
        options: dict[str, Any] = {
            "id": key,
            "store_id": self.world.store_id,
            "journey_id": journey_id,
            "version_id": version_id,
            "customer_id": self.people[name],
            "entry_key": f"order-{at:%m%d%H}",
            "priority": 50,
            "state": EnrollmentState.WAITING,
            "selected_at": at,
            "entered_at": at,
            "horizon_at": at + 10 * DAY,
        }
        async with self.world.database.write() as session:
            session.add(Enrollment(**(options | values)))
        return key

    async def close(self, enrollment_id: str, reason: ExitReason, at: datetime) -> None:
        """The passage is over."""
        async with self.world.database.write() as session:
            row = await session.get_one(Enrollment, enrollment_id)
            row.state, row.exit_reason, row.closed_at = EnrollmentState.CLOSED, reason, at

    async def send(
        self,
        enrollment_id: str,
        stage: int = 0,
        *,
        at: datetime = NOON,
        state: SendState = SendState.ACCEPTED,
        received: datetime | None = None,
        read: datetime | None = None,
        code: int | None = None,
        skip: SkipReason | None = None,
    ) -> int:
        """A message: taken by WhatsApp, received or read; or skipped; or failed with that code; its id."""
        async with self.world.database.write() as session:
            passage = await session.get_one(Enrollment, enrollment_id)
            unsettled = state in {SendState.UNKNOWN, SendState.FAILED}
            send = Send(
                store_id=self.world.store_id,
                journey_id=passage.journey_id,
                enrollment_id=enrollment_id,
                customer_id=passage.customer_id,
                stage=stage,
                state=state,
                attempt=int(skip is None),
                template_name="winback_hello",
                template_language="en",
                skip_reason=skip,
                settled_at=None if unsettled else at,
                received_at=received,
            )
            session.add(send)
            await session.flush()
            send_id = required_id(send.id)
            if skip is None:
                status = AttemptStatus.ACCEPTED
                for moment, word in ((received, AttemptStatus.DELIVERED), (read, AttemptStatus.READ)):
                    status = word if moment is not None else status
                status = AttemptStatus.FAILED if code is not None else status
                session.add(
                    SendAttempt(
                        id=f"{enrollment_id}:{stage + 1}:1:1",
                        send_id=send_id,
                        number_id=self.world.number_id,
                        number=1,
                        status=status,
                        error_code=code,
                        claimed_at=at,
                        accepted_at=None if unsettled or state is SendState.PARKED else at,
                        delivered_at=received,
                        read_at=read,
                        failed_at=at + HOUR if code is not None else None,
                    )
                )
        return send_id

    async def order(
        self,
        name: str,
        at: datetime,
        total: str = "40.00",
        currency: str = "USD",
        *,
        codes: tuple[str, ...] = (),
        **facts: Any,
    ) -> None:
        """An order, attributed as the product does it."""
        self.orders += 1
        money = Money.of(Decimal(total), currency)
        told = OrderFacts(f"{5000 + self.orders}", at, at, money, discount_codes=codes, **facts)
        async with self.world.database.write() as session:
            customer = await lock_customer(session, self.people[name])
            await apply_order(session, customer, told, received_at=at, source="shopify")

    async def leave_out(self, name: str, outcome: LeftOut | str, *, at: datetime = NOON, seen: str = "") -> None:
        """Considered and not taken."""
        if name not in self.people:
            await self.person(name)
        journey_id, version_id = self.journeys[JOURNEY]
        async with self.world.database.write() as session:
            session.add(
                EntryDecision(
                    store_id=self.world.store_id,
                    journey_id=journey_id,
                    version_id=version_id,
                    customer_id=self.people[name],
                    at=at,
                    outcome=str(outcome),
                    seen=seen,
                    threshold="subscribed" if seen else "",
                )
            )

    async def pace(self, name: str, day: date) -> None:
        """Given a later day."""
        if name not in self.people:
            await self.person(name)
        journey_id, version_id = self.journeys[JOURNEY]
        async with self.world.database.write() as session:
            launch = Launch(
                store_id=self.world.store_id,
                journey_id=journey_id,
                version_id=version_id,
                state=LaunchState.DONE,
                requested_at=NOON,
            )
            session.add(launch)
            await session.flush()
            session.add(
                Paced(
                    store_id=self.world.store_id,
                    journey_id=journey_id,
                    version_id=version_id,
                    launch_id=required_id(launch.id),
                    customer_id=self.people[name],
                    day=day,
                )
            )

    async def tell(self) -> None:
        """Somebody for every kind of row."""
        await self.journey(win_back())
        await self.journey(win_back("other", code=None))
        await self._buyers()
        await self._others()
        await self._outsiders()

    async def _buyers(self) -> None:
        await self.person("Ana", first_name=FORMULA)
        ana = await self.enroll("Ana")
        await self.order("Ana", NOON + HOUR / 2)
        await self.send(ana, at=NOON + HOUR, received=NOON + HOUR, read=NOON + 2 * HOUR)
        await self.order("Ana", NOON + DAY, "49.90", "EUR", codes=("comeback10",))
        await self.order("Ana", NOON + 2 * DAY, "1200", "JPY")
        await self.order("Ana", NOON + 7 * DAY)
        await self.close(ana, ExitReason.PURCHASED, NOON + DAY)
        ben = await self.enroll("Ben")
        await self.send(ben, at=NOON)
        await self.order("Ben", NOON + 5 * DAY + HOUR, "15.00", codes=(CODE,))
        await self.order("Ben", NOON + HOUR, "10.00", test=True)
        await self.order("Ben", NOON + HOUR, "10.00", cancelled_at=NOON + DAY)
        await self.order("Ben", NOON + HOUR, "10.00", financial_status="REFUNDED")
        await self.order("Ben", NOON + HOUR, "10.00", financial_status="VOIDED")
        await self.order("Ben", NOON + 20 * DAY)
        cy = await self.enroll("Cy")
        await self.close(cy, ExitReason.ENTERED_PRIORITY_JOURNEY, NOON + HOUR)
        other = await self.enroll("Cy", journey="other", at=NOON + HOUR)
        await self.send(other, at=NOON + 2 * HOUR)
        await self.order("Cy", NOON + 3 * HOUR)
        held_out = await self.enroll("Di", control=True, state=EnrollmentState.CONTROL)
        assert held_out
        await self.order("Di", NOON + HOUR)

    async def _others(self) -> None:
        eve = await self.enroll("Eve")
        await self.send(eve, skip=SkipReason.META_DECLINED, state=SendState.SKIPPED)
        await self.send(eve, 1, at=NOON + 3 * DAY, state=SendState.PARKED)
        flo = await self.enroll("Flo")
        await self.send(flo, state=SendState.FAILED, code=131026)
        await self.close(flo, ExitReason.UNDELIVERABLE, NOON + HOUR)
        gil = await self.enroll("Gil")
        await self.send(gil, code=131049)
        hal = await self.enroll("Hal")
        await self.close(hal, ExitReason.CUSTOMER_REPLIED, NOON + HOUR)
        await self.order("Hal", NOON + HOUR)
        await self.enroll(
            "Ida", state=EnrollmentState.HOLDING, hold_reason=HoldReason.HOURS, hold_key="x", stage_due_at=NOON
        )
        await self.enroll("Jo")

    async def _outsiders(self) -> None:
        await self.leave_out("Kim", LeftOut.NO_CONSENT, at=NOON - DAY, seen="never subscribed")
        await self.leave_out("Ana", LeftOut.RECENT_ORDER, at=NOON - DAY)
        await self.leave_out("Ana", "entered")
        await self.pace("Lee", date(2026, 11, 24))
