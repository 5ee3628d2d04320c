"""Stories of a store's customers, told to the real storage: entries, messages, statuses, replies, orders, merges.

What moves an enrollment on is normally a workflow; here the story does what its activities would do, with the same
functions of `storage`. Everything that the outside says goes in by the doors that webhooks take.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, ExitReason, LeftOut, SendState, SkipReason
from models.journey import WinBack
from models.money import Money
from models.tables import Customer, Enrollment, Journey, Order, Send, SendAttempt, Store
from policies.holdout import in_control
from storage.considered import considered
from storage.coupons import record_coupon
from storage.customers import lock_customer
from storage.enrollments import close_enrollment, enrollment_facts, set_waiting
from storage.entry import Entry, enroll
from storage.erasure import erase_customer
from storage.events import first_exit_event
from storage.ingest import Delivery, lock_customers
from storage.ingest_messages import MessagePiece
from storage.ingest_shopify import ingest_shopify
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.journeys import version_definition
from storage.launches import Decision, append_decisions
from storage.merging import merge_customers
from storage.orders import OrderFacts
from storage.people import Address
from storage.publishing import publish
from storage.refunds import RefundFacts
from storage.sends import (
    Draft,
    claim,
    ensure_send,
    get_attempt,
    record_accepted,
    record_failed,
    record_unknown,
    save_draft,
    settle,
)
from storage.settling import park_open_sends
from storage.shop_pieces import OrderPiece, RefundPiece
from storage.shoppers import Shopper
from storage.statuses import Report, StatusPiece
from storage.stopping import stop_page
from storage.stores import holdout_salt, required_id, suppression_key
from tests.worlds import World

PEOPLE = 4
_HOURS = timedelta(hours=1)

WIN_BACK: dict[str, Any] = {
    "name": "lapsed",
    "kind": "win_back",
    "priority": 50,
    "audience": {"inactive_days": 60, "control_percent": 30},
    "coupon": {"code": "Back10"},
    "stages": [
        {"after": "0d", "message": {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}},
        {"after": "1d", "message": {"template": "winback_hello", "language": "en", "variables": {"1": "you"}}},
    ],
    "attribution_days": 5,
    "watch_days": 5,
}
SHORTER: dict[str, Any] = WIN_BACK | {
    "audience": {"inactive_days": 60, "control_percent": 60},
    "coupon": {"percent": 10, "prefix": "MINE", "valid_days": 3},
    "stages": WIN_BACK["stages"][:1],
    "attribution_days": 1,
    "watch_days": 2,
}
STRONGER: dict[str, Any] = WIN_BACK | {"name": "urgent", "priority": 100, "coupon": {"code": "CART5"}}
"""Takes customers over from the other one."""

CODES = ((), ("back10",), (" Back10 ", "OTHER"), ("CART5", "BACK10"), ("mine",), ("OTHER",))
"""Codes on an order; `mine` is the personal one of whoever ordered."""

Happening = tuple[str, int, int, int, int]
"""What happens, to whom, two numbers that say how, and so many hours after what was before."""


@dataclass
class Story:
    """One store whose clock goes on from happening to happening.

    Attributes:
        world: the store.
        journeys: the ids of both journeys.
        versions: of the first journey its two versions, of the second its one.
        people: the customers by number.
        wrote: when which customer wrote, whoever they are now.
        told: of each order what the shop told of it, in the order of its own times; refunds by order.
    """

    world: World
    journeys: list[int] = field(default_factory=list)
    versions: list[tuple[int, int]] = field(default_factory=list)
    people: list[int] = field(default_factory=list)
    wrote: list[tuple[int, datetime]] = field(default_factory=list)
    told: dict[str, list[OrderFacts]] = field(default_factory=dict)
    refunds: dict[str, dict[str, int]] = field(default_factory=dict)
    attempts: list[str] = field(default_factory=list)
    entries: int = 0

    async def begin(self, number: int, salt: int) -> None:
        """A store of its own with its journeys and customers, who are drawn by the salt."""
        await self.world.add_store(
            f"shop-{number}",
            phone_number_id=f"8{number:014}",
            shop_domain=f"example-{number}.myshopify.com",
            salt=f"{salt:064x}",
        )
        async with self.world.database.write() as session:
            for definition in (WIN_BACK, SHORTER, STRONGER):
                parsed = WinBack.model_validate(definition)
                journey, version = await publish(session, self.world.store_id, parsed, now=self.world.now)
                self.versions.append((required_id(journey.id), required_id(version.id)))
        self.journeys = [self.versions[0][0], self.versions[2][0]]
        for one in range(PEOPLE):
            self.people.append(await self.world.customer(f"+44770090000{one}", external_id=f"100{one}"))

    async def live(self, happenings: Sequence[Happening]) -> None:
        """Let it all happen, one after the other."""
        acts: dict[str, Callable[[int, int, int], Awaitable[None]]] = {
            "enter": self.enter,
            "send": self.send,
            "status": self.report,
            "write": self.write,
            "order": self.order,
            "news": self.news_of_order,
            "refund": self.refund,
            "end": self.end,
            "merge": self.merge,
            "erase": self.erase,
            "stop": self.stop_journey,
            "leave out": self.leave_out,
        }
        for kind, who, one, other, hours in happenings:
            self.world.now += hours * _HOURS
            await acts[kind](who % PEOPLE, one, other)
            if kind == "enter" and other % 4:
                await self.send(-1, one * 7 % 5, other)  # to whoever entered last
            if other % 3:
                await self._hear()

    async def enter(self, who: int, one: int, other: int) -> None:
        """The customer passes the rules of a version, if no journey of as high a priority has them."""
        journey_id, version_id = self.versions[one % 3]
        async with self.world.database.write() as session:
            now = self.world.now
            store = await session.get_one(Store, self.world.store_id)
            key = suppression_key(store, self.world.cipher)
            (seen,) = await considered(session, journey_id, [self.people[who]], suppression_key=key, now=now, lock=True)
            journey = await session.get_one(Journey, journey_id)
            definition = await version_definition(session, version_id)
            inside = seen.candidate.open_enrollment_priority
            if seen.customer.merged_into_id is not None or (inside is not None and inside >= definition.priority):
                return
            self.entries += 1
            candidate = seen.candidate.model_copy(update={"last_order_id": f"entry-{self.entries}"})
            control = in_control(
                salt=holdout_salt(store, self.world.cipher),
                journey=journey.name,
                customer=seen.customer.external_id or "",
                control_percent=definition.control_percent,
            )
            enrollment = await enroll(
                session,
                Entry(store, journey, version_id, definition, None),
                replace(seen, candidate=candidate),
                control=control,
                entered_at=now + (_HOURS if other % 6 == 5 else timedelta(0)),
                now=now,
            )
            assert enrollment is not None
            if one % 3 == 1 and not control:
                code, until = f"MINE{self.entries:04}", now + timedelta(days=3)
                await record_coupon(session, enrollment, code=code, valid_from=now, valid_until=until)

    async def send(self, who: int, one: int, other: int) -> None:
        """The next stage of the customer's journey: taken, lost on its way, refused or passed over."""
        async with self.world.database.write() as session:
            running = await self._running(session)
            if not running:
                return
            enrollment = running[who % len(running)]
            await lock_customer(session, enrollment.customer_id)
            now = self.world.now
            facts = await enrollment_facts(session, enrollment.id)
            stages, stage = len(facts.definition.stages), enrollment.stage
            if stage >= stages or enrollment.entered_at > now or await first_exit_event(session, enrollment):
                return
            send = await ensure_send(session, facts, stage, 0)
            save_draft(send, Draft("winback_hello", "en", {"1": "you"}), now=now)
            if one % 6 == 5:
                settle(send, SendState.SKIPPED, now=now, reason=list(SkipReason)[other % len(SkipReason)])
            else:
                claimed = await claim(session, send, number_id=self.world.number_id, used_template=True, now=now)
                assert claimed is not None
                self.attempts.append(claimed)
                await self._answer(session, send, claimed, one % 6)
            set_waiting(enrollment, stage=stage + 1, due_at=now, stages=stages)

    async def _answer(self, session: AsyncSession, send: Send, claimed: str, how: int) -> None:
        """What WhatsApp answers to the POST; nothing, where the worker is gone."""
        attempt = await get_attempt(session, claimed)
        assert attempt is not None
        if how < 3:
            record_accepted(send, attempt, wamid=f"wamid.{claimed}", held=False, now=self.world.now)
        elif how == 3:
            record_unknown(send, attempt)
        elif how == 4 and self.entries % 2:
            record_failed(send, attempt, code=131026, now=self.world.now)

    async def report(self, _: int, one: int, other: int) -> None:
        """A status of one of the messages, late or not."""
        if not self.attempts:
            return
        attempt_id = self.attempts[one % len(self.attempts)]
        attempt = await self.world.one(SendAttempt, attempt_id)
        report = list(Report)[other % len(Report)]
        at = min(self.world.now, attempt.claimed_at + (1 + other) * timedelta(minutes=20))
        code = 131049 if report is Report.FAILED else None
        key = f"{attempt_id}:{report}"
        piece = StatusPiece(key, self.world.number_id, f"wamid.{attempt_id}", report, at, attempt_id, code)
        await ingest_whatsapp(self.world.database, self._delivery("whatsapp", key), WhatsAppPieces(statuses=(piece,)))

    async def write(self, who: int, one: int, other: int) -> None:
        """The customer writes, and every fifth time it is a stop word."""
        phone = await self._phone(who)
        if phone is None:
            return
        key, at = f"in:{len(self.wrote)}:{self.world.store_id}", self.world.now - other % 3 * timedelta(minutes=1)
        text = "STOP" if one % 5 == 0 else "hello"
        sender = Address(self.world.store_id, phone, None)
        piece = MessagePiece(key, sender, self.world.number_id, f"wamid.{key}", "text", text, None, at)
        await ingest_whatsapp(self.world.database, self._delivery("whatsapp", key), WhatsAppPieces(people=(piece,)))
        self.wrote.append((self.people[who], at))

    async def order(self, who: int, one: int, other: int) -> None:
        """The customer orders, or has done so hours ago; a few are tests, and one costs nothing."""
        external_id = f"{self.world.store_id}{len(self.told):04}"
        customer = await self.world.one(Customer, self.people[who])
        at = self.world.now - other % 4 * 7 * _HOURS
        codes = CODES[one % len(CODES)]
        if "mine" in codes:
            codes = (f"mine{max(self.entries - other % 2, 0):04}",)
        total = Money((one + 7 * other) % 9 * 1111, "EUR" if other % 5 == 4 else "USD")
        facts = OrderFacts(
            external_id, at, at, total, test=other % 9 == 8, discount_codes=codes, original=total if one % 3 else None
        )
        self.told[external_id] = []
        await self._tell(customer.external_id, facts)

    async def news_of_order(self, _: int, one: int, other: int) -> None:
        """An order changes: less is left of it, it is cancelled, or its payment goes back."""
        if not self.told:
            return
        external_id = sorted(self.told)[one % len(self.told)]
        last = max(self.told[external_id], key=lambda facts: facts.updated_at)
        # News may be older than what is known already, but no two have one time here.
        step = timedelta(minutes=1 + len(self.told[external_id])) * (1 if other % 4 else -1)
        facts = replace(
            last,
            updated_at=last.updated_at + step,
            total=Money(last.total.minor // (1 + other % 3), last.total.currency),
            cancelled_at=self.world.now if other % 7 == 6 else None,
            financial_status=(None, "PAID", "REFUNDED", "voided", "partially_refunded")[other % 5],
            original=last.original if other % 2 else None,
        )
        async with self.world.database.read() as session:
            stored = (await session.exec(select(Order).where(Order.external_id == external_id))).one()
            customer = await session.get_one(Customer, stored.customer_id)
        await self._tell(customer.external_id, facts)

    async def refund(self, _: int, one: int, other: int) -> None:
        """Money goes back; a refund may be told twice."""
        if not self.told:
            return
        external_id = sorted(self.told)[one % len(self.told)]
        currency = self.told[external_id][0].total.currency
        name = f"{external_id}-{other % 3}"
        minor = self.refunds.setdefault(external_id, {}).setdefault(name, 500 + other * 100)
        piece = RefundPiece(RefundFacts(name, external_id, Money(minor, currency), self.world.now))
        await ingest_shopify(self.world.database, self._delivery("shopify", f"{name}:{self.world.now}"), piece)

    async def end(self, who: int, one: int, other: int) -> None:
        """A workflow has nothing left to do, or gives up now and then."""
        async with self.world.database.write() as session:
            running = await self._running(session)
            if not running:
                return
            enrollment = running[who % len(running)]
            facts = await enrollment_facts(session, enrollment.id)
            over = enrollment.stage >= len(facts.definition.stages)
            given_up = (ExitReason.FAILED, ExitReason.HOLD_EXPIRED, ExitReason.UNDELIVERABLE)[other % 3]
            if over or one % 4 == 0:
                await self._close(session, enrollment, ExitReason.COMPLETED if over else given_up)

    async def _hear(self) -> None:
        """The workflows hear of what ends them."""
        async with self.world.database.write() as session:
            for enrollment in await self._running(session):
                if await first_exit_event(session, enrollment) is not None:
                    await self._close(session, enrollment, ExitReason.FAILED)

    async def _running(self, session: AsyncSession) -> list[Enrollment]:
        query = select(Enrollment).where(
            Enrollment.store_id == self.world.store_id,
            col(Enrollment.state).not_in([EnrollmentState.CLOSED, EnrollmentState.CONTROL]),
        )
        return list(await session.exec(query.order_by(col(Enrollment.selected_at), col(Enrollment.customer_id))))

    async def _close(self, session: AsyncSession, enrollment: Enrollment, reason: ExitReason) -> None:
        await lock_customer(session, enrollment.customer_id)
        await close_enrollment(session, enrollment, reason=reason, now=self.world.now)
        await park_open_sends(session, enrollment.id, now=self.world.now)

    async def merge(self, who: int, one: int, other: int) -> None:
        """One in three times two customers turn out to be one."""
        if other % 3:
            return
        kept, gone = self.people[who], self.people[(who + 1 + one % (PEOPLE - 1)) % PEOPLE]
        async with self.world.database.write() as session:
            rows = await lock_customers(session, [kept, gone])
            if rows[kept].merged_into_id is None and rows[gone].merged_into_id is None:
                await merge_customers(session, rows[kept], rows[gone], now=self.world.now)

    async def erase(self, who: int, one: int, _: int) -> None:
        """One in four who ask is erased, or the story would soon be about nobody."""
        if one % 4:
            return
        async with self.world.database.write() as session:
            customer = await lock_customer(session, self.people[who])
            store = await session.get_one(Store, self.world.store_id)
            key = suppression_key(store, self.world.cipher)
            await erase_customer(session, customer, suppression_key=key, now=self.world.now)

    async def stop_journey(self, _: int, one: int, other: int) -> None:
        """Staff stop a journey for everybody who is in it, now and then."""
        if other % 3:
            return
        async with self.world.database.write() as session:
            await stop_page(session, self.journeys[one % 2], after=0, now=self.world.now)

    async def leave_out(self, who: int, one: int, other: int) -> None:
        """A rule leaves the customer out of a journey, or they qualify and wait for their day."""
        journey_id, version_id = self.versions[one % 3]
        reason = list(LeftOut)[other % len(LeftOut)]
        async with self.world.database.write() as session:
            decisions = [Decision(self.people[who], reason.value, str(other), "")]
            await append_decisions(session, self.world.store_id, journey_id, version_id, decisions, now=self.world.now)

    async def _tell(self, customer: str | None, facts: OrderFacts) -> None:
        piece = OrderPiece(Shopper(self.world.store_id, customer), facts)
        key = f"{facts.external_id}:{len(self.told[facts.external_id])}"
        self.told[facts.external_id].append(facts)
        await ingest_shopify(self.world.database, self._delivery("shopify", key), piece)

    async def _phone(self, who: int) -> str | None:
        """The number that the customer writes from; what people write who were erased is not kept."""
        customer = await self.world.one(Customer, self.people[who])
        person = await self.world.one(Customer, customer.merged_into_id) if customer.merged_into_id else customer
        return None if person.erased_at is not None else customer.phone

    def _delivery(self, source: str, key: str) -> Delivery:
        return Delivery(source, source, f"{self.world.store_id}:{key}", "{}", self.world.now, self.world.store_id)
