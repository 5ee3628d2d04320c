"""One customer's WhatsApp events in any order and any number of times leave the same facts, changes of number too."""

import itertools
from bisect import bisect, bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from models.enums import ConsentState, ExitReason, SendState
from models.tables import ChatMessage, Conversation, Customer, CustomerEvent, NumberMove, Send, SendAttempt
from storage.chats import message_key
from storage.customers import lock_customer
from storage.ingest import Delivery
from storage.ingest_messages import EchoPiece, MessagePiece, PreferencePiece
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.number_changes import MovePiece
from storage.opt_outs import change_consent
from storage.people import Address
from storage.statuses import Report, StatusPiece
from tests.worlds import World, later

Happening = tuple[str, Any, int, str]
"""What happened, what it says, how many minutes after noon, and at which of the person's numbers."""

_KINDS = (
    *(("message", text) for text in ("hi", "STOP")),
    ("echo", "hello"),
    *(("preference", stop) for stop in (True, False)),
    *(("consent", state) for state in (ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED)),
    *(("status", report) for report in Report),
    ("refusal", 131050),
)
_ROUTES = ("A", "AB", "ABC", "ABA", "ABAC", "ABCA")
"""The numbers that somebody has one after the other."""
happenings = st.lists(
    st.tuples(st.sampled_from(_KINDS), st.integers(0, 4)).map(lambda one: (*one[0], one[1])),
    min_size=3,
    max_size=8,
    unique=True,
)
_people = itertools.count(1)


@st.composite
def tellings(draw: st.DrawFn) -> tuple[list[Happening], list[list[Happening]]]:
    """A story, and another telling of it: in another order, with repetitions, cut into batches."""
    route = draw(st.sampled_from(_ROUTES))
    moves = sorted(draw(st.sets(st.integers(0, 4), min_size=len(route) - 1, max_size=len(route) - 1)))
    story: list[Happening] = [
        ("move", new, at, old) for (old, new), at in zip(itertools.pairwise(route), moves, strict=True)
    ]
    # A message is delivered once: of several reports of one kind only one exists.
    once: dict[Any, Happening] = {}
    for kind, says, at in draw(happenings):
        # What comes in the minute of the change may be from the old number or from the new one.
        here = draw(st.sampled_from(sorted({bisect(moves, at), bisect_left(moves, at)})))
        once[kind, says, at if kind not in {"status", "refusal"} else None] = (kind, says, at, route[here])
    story += once.values()
    told = draw(st.permutations(story + draw(st.lists(st.sampled_from(story), max_size=3))))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(told) - 1)), max_size=3)))
    return story, [told[a:b] for a, b in itertools.pairwise([0, *cuts, len(told)]) if told[a:b]]


class Person:
    """One customer with a send whose outcome is told by statuses."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"p{number}"
        self.phones = {letter: f"+4477009{3 * number + n:05}" for n, letter in enumerate("ABC")}
        self.customer_id = 0
        self.enrollment_id = ""
        self.attempts: list[str] = []
        self._requests = itertools.count()

    async def begin(self) -> None:
        """The customer is in a journey and has been sent two messages."""
        self.customer_id = await self.world.customer(self.phones["A"], external_id=self.name)
        self.enrollment_id = enrollment = await self.world.enroll(self.customer_id)
        self.attempts = [await self.world.claim(enrollment, n, state=SendState.ACCEPTED) for n in (0, 1)]

    async def hear(self, batch: Sequence[Happening]) -> None:
        """One request of WhatsApp's, and the shop's words one by one."""
        pieces = [piece for one in batch for piece in self._pieces(one)]
        requests = WhatsAppPieces(
            people=tuple(one for one in pieces if not isinstance(one, StatusPiece | MovePiece)),
            moves=tuple(one for one in pieces if isinstance(one, MovePiece)),
            statuses=tuple(one for one in pieces if isinstance(one, StatusPiece)),
        )
        key = f"{self.name}:{next(self._requests)}"
        delivery = Delivery("whatsapp", "whatsapp", key, "{}", self.world.now, self.world.store_id)
        await ingest_whatsapp(self.world.database, delivery, requests)
        for kind, says, at, _ in batch:
            if kind == "consent":
                async with self.world.database.write() as session:
                    await change_consent(
                        session,
                        await lock_customer(session, self.customer_id),
                        says,
                        at=later(minutes=at),
                        source="shopify",
                        received_at=self.world.now,
                        dedupe_key=f"{self.name}:{says}:{at}",
                    )

    def _address(self, letter: str) -> Address:
        return Address(self.world.store_id, self.phones[letter], None)

    def _pieces(
        self, happening: Happening
    ) -> Iterator[MessagePiece | EchoPiece | PreferencePiece | MovePiece | StatusPiece]:
        kind, says, minutes, here = happening
        number, at = self.world.number_id, later(minutes=minutes)
        key, who = f"{self.name}:{kind}:{says}:{minutes}", self._address(here)
        match kind:
            case "move":
                yield MovePiece(key, who, self._address(says), at)
            case "message":
                yield MessagePiece(key, who, number, key, "text", says, None, at)
            case "echo":
                yield EchoPiece(key, who, number, key, "text", says, at)
            case "preference":
                yield PreferencePiece(key, who, says, at)
            case "status":
                yield StatusPiece(key, number, f"{self.name}.0", says, at, self.attempts[0], 131000)
            case "refusal":
                yield StatusPiece(key, number, f"{self.name}.1", Report.FAILED, at, self.attempts[1], says)

    async def _rows(self, table: Any, column: Any, values: Iterable[Any]) -> list[Any]:
        async with self.world.database.read() as session:
            return list(await session.exec(select(table).where(col(column).in_(list(values))).order_by(table.id)))

    async def facts(self) -> dict[str, Any]:
        """What must not depend on the order, without what tells one person from another."""
        row = await self.world.one(Customer, self.customer_id)
        chats = await self._rows(Conversation, Conversation.customer_id, [self.customer_id])
        letters = {phone: letter for letter, phone in self.phones.items()}
        rows = await self._rows(Customer, Customer.phone, letters)
        steps = await self._rows(NumberMove, NumberMove.old_phone, letters)
        events = await self._rows(CustomerEvent, CustomerEvent.customer_id, [self.customer_id])
        lines = await self._rows(ChatMessage, ChatMessage.conversation_id, [one.id for one in chats])
        attempts = [await self.world.one(SendAttempt, one) for one in self.attempts]
        sends = [await self.world.one(Send, one.send_id) for one in attempts]
        last = [
            max(
                message_key(m.wamid)
                for m in lines
                if m.at == one.last_spoken_at and m.inbound == (not one.silent_since)
            )
            for one in chats
        ]
        return {
            "numbers": [(letters[one.phone], one.id == self.customer_id) for one in rows],
            "steps": sorted(
                # Nobody is seen to take a step that is told after the one that leads back.
                (letters[one.old_phone], letters[one.new_phone], one.at, one.customer_id in (None, self.customer_id))
                for one in steps
            ),
            # Which consent of the shop's was news when it was told depends on the order.
            "ends": {
                one.exit_reason
                for one in events
                if one.source != "shopify" and one.enrollment_id in (None, self.enrollment_id)
            },
            "opted_out": (row.opted_out_at, row.opt_out_source),
            "consent": (row.consent, row.consent_at),
            "inbound": row.last_inbound_at,
            "silence": [(one.last_spoken_at, one.silent_since) for one in chats],
            "greatest_key": [one.last_spoken_key for one in chats] == last,
            "lines": sorted((one.wamid.split(":", 1)[1], one.author.value, one.text, one.at) for one in lines),
            "attempts": [(one.status, one.error_code, one.delivered_at, one.read_at) for one in attempts],
            "received": [one.received_at for one in sends],
        }


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tellings())
async def test_any_telling_of_a_story_leaves_the_same_facts(
    world: World, told: tuple[list[Happening], list[list[Happening]]]
) -> None:
    """Permuted, repeated and batched in any way, the same events make the same customer."""
    story, batches = told
    world.now = later(hours=1)
    once, again = Person(world, next(_people)), Person(world, next(_people))
    for person in (once, again):
        await person.begin()
    for happening in sorted(story, key=lambda one: (one[2], str(one))):
        await once.hear([happening])
    for batch in batches:
        await again.hear(batch)
    facts = await once.facts()
    assert await again.facts() == facts
    says = [(kind, words) for kind, words, _, _ in sorted(story, key=lambda one: one[2])]
    assert facts["numbers"] == [(([words for kind, words in says if kind == "move"] or ["A"])[-1], True)]
    assert len(facts["lines"]) == sum(kind in {"message", "echo"} for kind, _ in says)
    assert (ExitReason.CUSTOMER_REPLIED in facts["ends"]) == (("message", "hi") in says)
