"""A journey to count: one passage of every sort, worked out by hand, around a night on which the clocks change."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession

from models.coupon import FixedCoupon, PersonalCoupon
from models.enums import (
    AttemptStatus,
    AttributedBy,
    ConsentState,
    CreditKind,
    CreditState,
    EnrollmentState,
    EventKind,
    ExitReason,
    HoldReason,
    JourneyState,
    LaunchState,
    LeftOut,
    MessageAuthor,
    SendState,
    SkipReason,
)
from models.tables import (
    ChatMessage,
    Conversation,
    CouponIssue,
    CreditEntry,
    Customer,
    CustomerEvent,
    Enrollment,
    EntryDecision,
    Launch,
    Order,
    Paced,
    Send,
    SendAttempt,
)
from storage.publishing import publish
from storage.stores import required_id
from tests.worlds import DEFINITION, World

NAME = DEFINITION.name
FIRST_DAY = date(2026, 3, 28)
"""The Saturday before the clocks of London go forward: the Sunday has 23 hours."""
START = datetime(2026, 3, 28, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    """So many hours after the first noon."""
    return START + timedelta(hours=hours)


class Counted:
    """Writes the rows; what nobody mentions does not happen."""

    def __init__(self, world: World, session: AsyncSession) -> None:
        self.world = world
        self.session = session
        self.journey_id = 0
        self.versions: tuple[int, int] = (0, 0)
        self.customers: dict[str, int] = {}
        self._orders = 1000

    async def open(self) -> None:
        """The journey with two versions: two messages and one code for all, then one message and a code for each."""
        fixed = DEFINITION.model_copy(update={"coupon": FixedCoupon(code="BACK10")})
        personal = DEFINITION.model_copy(update={"coupon": PersonalCoupon(percent=10), "stages": DEFINITION.stages[:1]})
        journey, first = await publish(self.session, self.world.store_id, fixed, now=START)
        journey, second = await publish(self.session, self.world.store_id, personal, now=START)
        journey.state = JourneyState.ACTIVE
        self.journey_id = required_id(journey.id)
        self.versions = (required_id(first.id), required_id(second.id))

    async def customer(self, name: str, **values: Any) -> int:
        """Somebody, with a shop id in the order of their coming."""
        number = len(self.customers) + 1
        told: dict[str, Any] = {"phone": f"+447700900{number:03d}", "consent": ConsentState.SUBSCRIBED} | values
        one = Customer(store_id=self.world.store_id, external_id=str(number), first_name=name, **told)
        await self.write(one)
        self.customers[name] = required_id(one.id)
        return self.customers[name]

    async def write(self, *rows: SQLModel) -> None:
        """Store rows in this order."""
        for row in rows:
            self.session.add(row)
            await self.session.flush()

    async def enter(self, name: str, hours: float, *, version: int = 1, **values: Any) -> str:
        """A passage; `enr-<name>`."""
        customer_id = self.customers.get(name) or await self.customer(name)
        told: dict[str, Any] = {
            "id": f"enr-{name}",
            "store_id": self.world.store_id,
            "journey_id": self.journey_id,
            "version_id": self.versions[version - 1],
            "customer_id": customer_id,
            "entry_key": name,
            "priority": 50,
            "state": EnrollmentState.WAITING,
            "selected_at": at(hours),
            "entered_at": at(hours),
        } | values
        enrollment = Enrollment(**told)
        await self.write(enrollment)
        return enrollment.id

    async def ended(self, name: str, hours: float, over: float, reason: ExitReason, **values: Any) -> str:
        """A passage that is over."""
        closed: dict[str, Any] = {"state": EnrollmentState.CLOSED, "closed_at": at(over), "exit_reason": reason}
        return await self.enter(name, hours, **closed, **values)

    async def send(
        self,
        name: str,
        stage: int,
        hours: float,
        state: SendState = SendState.ACCEPTED,
        *,
        status: AttemptStatus = AttemptStatus.ACCEPTED,
        code: int | None = None,
        received: float | None = None,
        read: float | None = None,
        charge: int = 1,
        **values: Any,
    ) -> int:
        """A stage's message with one attempt, charged."""
        over = state in {SendState.ACCEPTED, SendState.SKIPPED, SendState.PARKED}
        send = Send(
            store_id=self.world.store_id,
            journey_id=self.journey_id,
            enrollment_id=f"enr-{name}",
            customer_id=self.customers[name],
            stage=stage,
            state=state,
            attempt=1,
            settled_at=at(hours) if over else None,
            received_at=None if received is None else at(received),
            **values,
        )
        await self.write(send)
        send_id = required_id(send.id)
        failed = status is AttemptStatus.FAILED
        await self.write(
            SendAttempt(
                id=f"enr-{name}:{stage + 1}:1:1",
                send_id=send_id,
                number_id=self.world.number_id,
                number=1,
                status=status,
                error_code=code,
                claimed_at=at(hours),
                accepted_at=at(hours) if state is SendState.ACCEPTED else None,
                failed_at=at(hours) if failed else None,
                read_at=None if read is None else at(read),
            ),
            CreditEntry(
                store_id=self.world.store_id,
                cause=f"send:{send_id}",
                kind=CreditKind.MESSAGE,
                state=CreditState.SETTLED if state is SendState.ACCEPTED else CreditState.RELEASED,
                amount=-charge,
                send_id=send_id,
                at=at(hours),
            ),
        )
        return send_id

    async def writes(self, name: str, *hours: float) -> None:
        """The customer writes."""
        conversation = Conversation(
            store_id=self.world.store_id, number_id=self.world.number_id, customer_id=self.customers[name]
        )
        await self.write(conversation)
        for number, hour in enumerate(hours):
            await self.write(
                ChatMessage(
                    conversation_id=required_id(conversation.id),
                    wamid=f"wamid.{name}.{number}",
                    inbound=True,
                    author=MessageAuthor.CUSTOMER,
                    kind="text",
                    at=at(hour),
                ),
                self.heard(name, hour),
            )

    def heard(self, name: str, hours: float) -> CustomerEvent:
        """What journeys hear of when the customer writes."""
        return CustomerEvent(
            store_id=self.world.store_id,
            customer_id=self.customers[name],
            kind=EventKind.CUSTOMER_REPLIED,
            exit_reason=ExitReason.CUSTOMER_REPLIED,
            occurred_at=at(hours),
            received_at=at(hours),
            source="whatsapp",
            dedupe_key=f"reply:{name}:{hours}",
        )

    async def orders(
        self,
        name: str,
        hours: float,
        minor: int,
        by: AttributedBy | None = None,
        *,
        currency: str = "USD",
        **values: Any,
    ) -> None:
        """An order; attributed to the customer's passage if it says by what."""
        self._orders += 1
        order = Order(
            store_id=self.world.store_id,
            customer_id=self.customers[name],
            external_id=str(self._orders),
            ordered_at=at(hours),
            updated_at=at(hours),
            total_minor=minor,
            currency=currency,
            attributed_by=by,
            attributed_journey_id=self.journey_id if by is not None else None,
            attributed_enrollment_id=f"enr-{name}" if by is not None else None,
            **values,
        )
        await self.write(order)

    async def decided(self, name: str, hours: float, outcome: str) -> None:
        """An entry decision."""
        await self.write(
            EntryDecision(
                store_id=self.world.store_id,
                journey_id=self.journey_id,
                version_id=self.versions[0],
                customer_id=self.customers.get(name) or await self.customer(name),
                at=at(hours),
                outcome=outcome,
                seen="seen",
                threshold="asked",
            )
        )


async def count_one_of_each(world: World) -> Counted:
    """The journey with everybody in it."""
    async with world.database.write() as session:
        told = Counted(world, session)
        await told.open()
        await _fill(told)
    return told


async def _fill(told: Counted) -> None:
    await _buyers_and_repliers(told)
    await _others_inside(told)
    await _outsiders(told)


async def _buyers_and_repliers(told: Counted) -> None:
    # Ann was left out once; now she waits for her second message, and has read the first.
    await told.decided("Ann", -5, LeftOut.RECENT_ORDER)
    await told.decided("Ann", 0, "entered")
    await told.enter("Ann", 0, stage=1)
    await told.send("Ann", 0, 0.5, received=0.6, read=0.7, status=AttemptStatus.READ)
    await told.writes("Ann", 0.2)
    await told.orders("Ann", 1, 9900)
    # Bea bought with the code in the window of her message, and once more when it was all over; the clocks changed.
    await told.ended("Bea", 1, 16, ExitReason.PURCHASED)
    first = await told.send("Bea", 0, 2, received=2, status=AttemptStatus.DELIVERED)
    await told.orders(
        "Bea", 15, 2500, AttributedBy.WINDOW, attributed_send_id=first, discount_codes=["OTHER", " back10 "]
    )
    await told.orders("Bea", 59.5, 1000, AttributedBy.WINDOW, attributed_send_id=first, currency="EUR")
    # Cai bought, and nothing ties it to the journey.
    await told.ended("Cai", 2, 3, ExitReason.PURCHASED)
    await told.orders("Cai", 3, 7700)
    # Dee wrote twice after the message, which ended it, and once more later.
    await told.ended("Dee", 2, 6.01, ExitReason.CUSTOMER_REPLIED)
    await told.send("Dee", 0, 3, received=3, status=AttemptStatus.DELIVERED)
    await told.writes("Dee", 1, 5, 6, 50)
    # Eli opted out because of the message.
    await told.ended("Eli", 3, 4, ExitReason.UNSUBSCRIBED)
    await told.send("Eli", 0, 3.5, received=3.6, status=AttemptStatus.DELIVERED, opt_out_at=at(4))
    await told.writes("Eli", 5)
    # Fay had the only message of the second version, replied while it watched, and used her code after its window.
    await told.ended("Fay", 4, 30, ExitReason.COMPLETED, version=2)
    await told.send("Fay", 0, 5, received=5, charge=3, status=AttemptStatus.DELIVERED)
    await told.writes("Fay", 29)
    await told.write(
        CouponIssue(
            store_id=told.world.store_id,
            journey_id=told.journey_id,
            enrollment_id="enr-Fay",
            customer_id=told.customers["Fay"],
            code="BACKFAY",
            valid_from=at(5),
        )
    )
    await told.orders("Fay", 140, 4000, AttributedBy.COUPON, discount_codes=["backfay"])


async def _others_inside(told: Counted) -> None:
    await told.enter("Gus", 5, version=2, state=EnrollmentState.HOLDING, hold_reason=HoldReason.HOURS)
    await told.enter("Hal", 5, version=2, control=True, state=EnrollmentState.CONTROL)
    await told.ended("Ida", 6, 40, ExitReason.COMPLETED, version=2, control=True)
    # Jon's first message was skipped; the second was taken, and Meta changed its mind.
    await told.enter("Jon", 7, state=EnrollmentState.WATCHING, stage=2)
    await told.send("Jon", 0, 7, SendState.SKIPPED, skip_reason=SkipReason.META_DECLINED)
    await told.send("Jon", 1, 8, status=AttemptStatus.FAILED, code=131049)
    await told.ended("Kim", 8, 9, ExitReason.ENTERED_PRIORITY_JOURNEY)
    await told.send("Kim", 0, 8.5, SendState.PARKED, status=AttemptStatus.UNKNOWN)
    await told.enter("Lea", 9, state=EnrollmentState.SENDING)
    await told.send("Lea", 0, 9.5, SendState.FAILED, status=AttemptStatus.FAILED)
    await told.enter("Max", 10, state=EnrollmentState.STARTING)
    # Noa wrote, and was erased since: what they wrote is gone, that they wrote is not.
    await told.customer("Noa", phone=None, erased_at=at(20))
    await told.ended("Noa", 11, 14, ExitReason.CUSTOMER_REPLIED)
    await told.send("Noa", 0, 12, received=12, status=AttemptStatus.DELIVERED)
    await told.write(told.heard("Noa", 14))
    # Ros turned out to be Ann, who had entered for the same order: this passage stays where it was.
    await told.customer("Ros", phone=None, merged_into_id=told.customers["Ann"])
    await told.ended("Ros", 12, 13, ExitReason.CUSTOMER_MERGED)
    # Sam replied to the second message, and not to the first, and bought in the second one's window.
    await told.ended("Sam", 1, 76.01, ExitReason.CUSTOMER_REPLIED)
    await told.send("Sam", 0, 2, received=2, status=AttemptStatus.DELIVERED)
    await told.send("Sam", 1, 74, received=74, status=AttemptStatus.DELIVERED)
    await told.writes("Sam", 76)
    await told.orders("Sam", 80, 1100, AttributedBy.WINDOW)
    await told.ended("Tom", 2, 7, ExitReason.PURCHASED)


async def _outsiders(told: Counted) -> None:
    world = told.world
    launch = Launch(
        store_id=world.store_id,
        journey_id=told.journey_id,
        version_id=told.versions[0],
        state=LaunchState.DONE,
        requested_at=START,
    )
    await told.write(launch)
    await told.decided("Oli", 1, LeftOut.PACED)
    await told.write(
        Paced(
            store_id=world.store_id,
            journey_id=told.journey_id,
            version_id=told.versions[0],
            launch_id=required_id(launch.id),
            customer_id=told.customers["Oli"],
            day=FIRST_DAY + timedelta(days=2),
        )
    )
    await told.decided("Pia", 1, LeftOut.RECENT_ORDER)
    await told.decided("Pia", 20, LeftOut.NO_CONSENT)


COUNTS = {
    "started": 15,
    "exited": 4,
    "exited:unsubscribed": 1,
    "exited:entered_priority_journey": 1,
    "exited:purchased_elsewhere": 2,
    "purchased": 1,
    "completed": 4,
    "state:starting": 1,
    "state:waiting": 1,
    "state:holding": 1,
    "state:sending": 1,
    "state:watching": 1,
    "closed": 10,
    "closed:completed": 1,
    "closed:purchased": 1,
    "closed:purchased_elsewhere": 2,
    "closed:customer_replied": 3,
    "closed:unsubscribed": 1,
    "closed:entered_priority_journey": 1,
    "closed:customer_merged": 1,
    "holding:hours": 1,
    "control": 2,
    "paced": 1,
    "left_out": 1,
    "left_out:no_consent": 1,
    "orders": 4,
    "orders:window": 3,
    "orders:coupon": 1,
    "orders:with_code": 2,
    "orders:after_message": 4,
    "opted_out": 1,
    "messages:sent": 9,
    "messages:possibly_sent": 1,
    "messages:delivered": 8,
    "messages:read": 1,
    "messages:replied": 4,
    "messages:failed": 2,
    "messages:failed:131049": 1,
    "messages:failed:no_code": 1,
    "messages:skipped": 1,
    "messages:skipped:meta_declined": 1,
    "messages:state:accepted": 9,
    "messages:state:failed": 1,
    "messages:state:parked": 1,
    "messages:state:skipped": 1,
    "stage:1:sent": 7,
    "stage:1:possibly_sent": 1,
    "stage:1:delivered": 7,
    "stage:1:read": 1,
    "stage:1:replied": 3,
    "stage:1:failed": 1,
    "stage:1:failed:no_code": 1,
    "stage:1:skipped": 1,
    "stage:1:skipped:meta_declined": 1,
    "stage:1:opted_out": 1,
    "stage:1:state:accepted": 7,
    "stage:1:state:failed": 1,
    "stage:1:state:parked": 1,
    "stage:1:state:skipped": 1,
    "stage:2:sent": 2,
    "stage:2:delivered": 1,
    "stage:2:replied": 1,
    "stage:2:failed": 1,
    "stage:2:failed:131049": 1,
    "stage:2:state:accepted": 2,
}
"""Everything that is not zero, counted by hand."""
CREDITS = 11
"""Eight messages at one, and one at three; what was given back does not count."""
