"""One customer's WhatsApp events in any order and any number of times leave the same facts."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.enums import ConsentState, SendState
from models.tables import ChatMessage, Conversation, Customer, Send, SendAttempt
from storage.chats import message_key
from storage.customers import lock_customer
from storage.ingest import Delivery
from storage.ingest_messages import EchoPiece, MessagePiece, PreferencePiece
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.opt_outs import change_consent
from storage.people import Address
from storage.statuses import Report, StatusPiece
from tests.worlds import World, later

Happening = tuple[str, Any, int]
"""What happened, what it says, and how many minutes after noon."""

_KINDS = (
    *(("message", text) for text in ("hi", "STOP")),
    ("echo", "hello"),
    *(("preference", stop) for stop in (True, False)),
    *(("consent", state) for state in (ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED)),
    *(("status", report) for report in Report),
    ("refusal", 131050),
)
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
    story: list[Happening] = draw(happenings)
    # A message is delivered once: of several reports of one kind only one exists.
    once = {(kind, says): (kind, says, at) for kind, says, at in story if kind in {"status", "refusal"}}
    story = [one for one in story if one[0] not in {"status", "refusal"}] + list(once.values())
    told = draw(st.permutations(story + draw(st.lists(st.sampled_from(story), max_size=3))))
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(told) - 1)), max_size=3)))
    return story, [told[a:b] for a, b in itertools.pairwise([0, *cuts, len(told)]) if told[a:b]]


class Person:
    """One customer with a send whose outcome is told by statuses."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.name = f"p{number}"
        self.phone = f"+4477009{number:05}"
        self.customer_id = 0
        self.attempts: list[str] = []
        self._requests = itertools.count()

    async def begin(self) -> None:
        """The customer is in a journey and has been sent two messages."""
        self.customer_id = await self.world.customer(self.phone, external_id=self.name)
        enrollment = await self.world.enroll(self.customer_id)
        self.attempts = [await self.world.claim(enrollment, n, state=SendState.ACCEPTED) for n in (0, 1)]

    async def hear(self, batch: Sequence[Happening]) -> None:
        """One request of WhatsApp's, and the shop's words one by one."""
        pieces = [piece for one in batch for piece in self._pieces(one)]
        requests = WhatsAppPieces(
            people=tuple(one for one in pieces if not isinstance(one, StatusPiece)),
            statuses=tuple(one for one in pieces if isinstance(one, StatusPiece)),
        )
        key = f"{self.name}:{next(self._requests)}"
        delivery = Delivery("whatsapp", "whatsapp", key, "{}", self.world.now, self.world.store_id)
        await ingest_whatsapp(self.world.database, delivery, requests)
        for kind, says, at in batch:
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

    def _pieces(self, happening: Happening) -> Iterator[MessagePiece | EchoPiece | PreferencePiece | StatusPiece]:
        kind, says, minutes = happening
        number, at = self.world.number_id, later(minutes=minutes)
        key, who = f"{self.name}:{kind}:{says}:{minutes}", Address(self.world.store_id, self.phone, None)
        match kind:
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

    async def facts(self) -> dict[str, Any]:
        """What must not depend on the order, without what tells one person from another."""
        row = await self.world.one(Customer, self.customer_id)
        chats = [one for one in await self.world.rows(Conversation) if one.customer_id == self.customer_id]
        ids = {one.id for one in chats}
        lines = [one for one in await self.world.rows(ChatMessage) if one.conversation_id in ids]
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
            "opted_out": (row.opted_out_at, row.opt_out_source),
            "consent": (row.consent, row.consent_at),
            "inbound": row.last_inbound_at,
            "silence": [(one.last_spoken_at, one.silent_since) for one in chats],
            "greatest_key": [one.last_spoken_key for one in chats] == last,
            "lines": sorted((one.wamid.split(":", 1)[1], one.author.value, one.text, one.at) for one in lines),
            "attempts": [(one.status, one.error_code, one.delivered_at, one.read_at) for one in attempts],
            "received": [one.received_at for one in sends],
        }


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    assert await again.facts() == await once.facts()
