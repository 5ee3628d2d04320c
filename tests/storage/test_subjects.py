"""What an enrollment is about, on both databases."""

from datetime import timedelta
from typing import Any

import pytest

from models.enums import MessageAuthor, SendState
from models.tables import ChatMessage, Checkout, Conversation, Customer, Enrollment, Send, SendAttempt
from storage.publishing import publish
from storage.sends import earlier_texts
from storage.stages import locked_stage
from storage.stores import required_id
from storage.subjects import own_word_since, sent_in_a_row, subject_of
from tests.worlds import DEFINITION, NOON, World, later


async def _conversation(world: World, customer: int, **values: Any) -> int:
    async with world.database.write() as session:
        row = Conversation(store_id=world.store_id, number_id=world.number_id, customer_id=customer, **values)
        session.add(row)
        await session.flush()
        return required_id(row.id)


async def _sent(world: World, enrollment: str, stage: int, **values: Any) -> str:
    attempt_id = await world.claim(enrollment, stage, state=SendState.ACCEPTED)
    async with world.database.write() as session:
        attempt = await session.get(SendAttempt, attempt_id)
        assert attempt is not None
        send = await session.get(Send, attempt.send_id)
        assert send is not None
        attempt.used_template = values.pop("used_template", True)
        for name, value in ({"settled_at": world.now} | values).items():
            setattr(send, name, value)
    return attempt_id


async def test_an_enrollment_has_its_conversation_or_its_checkout_or_neither(world: World) -> None:
    """A follow-up, a cart, a win-back."""
    customer = await world.customer()
    conversation = await _conversation(world, customer)
    async with world.database.write() as session:
        checkout = Checkout(
            store_id=world.store_id, token="t", created_at=NOON, updated_at=NOON, total_minor=1, currency="USD"
        )
        session.add(checkout)
        await session.flush()
        checkout_id = checkout.id
    found: list[tuple[bool, bool]] = []
    for about in ({"conversation_id": conversation}, {"checkout_id": checkout_id}, {}):
        other = (
            customer if not found else await world.customer(f"+44770090012{len(found)}", external_id=str(len(found)))
        )
        enrollment_id = await world.enroll(other, **about)
        async with world.database.read() as session:
            enrollment = await session.get(Enrollment, enrollment_id)
            assert enrollment is not None
            subject = await subject_of(session, enrollment)
            found.append((subject.conversation is not None, subject.checkout is not None))
    assert found == [(True, False), (False, True), (False, False)]


@pytest.mark.parametrize(
    ("stage", "silent_minutes", "key", "counts"),
    [
        (0, 30, "entry", False),  # the silence that they entered for
        (0, 30, "another", True),
        (0, None, "another", False),  # the customer spoke last
        (1, 30, "another", False),  # before the first message went
        (1, 90, "another", True),
        (2, 90, "another", True),  # nothing is known of the stage before
    ],
)
async def test_our_own_word_counts_since_the_delay_began(
    world: World, stage: int, silent_minutes: int | None, key: str, *, counts: bool
) -> None:
    """The first delay begins with the silence of the entry, a later one when the stage before it was settled."""
    customer = await world.customer()
    silent_since = later(minutes=silent_minutes) if silent_minutes is not None else None
    conversation_id = await _conversation(world, customer, silent_since=silent_since, last_spoken_key=key)
    enrollment_id = await world.enroll(customer, conversation_id=conversation_id, entry_key="entry")
    world.now = later(hours=1)
    await _sent(world, enrollment_id, 0)
    async with world.database.read() as session:
        enrollment = await session.get(Enrollment, enrollment_id)
        conversation = await session.get(Conversation, conversation_id)
        assert enrollment is not None
        assert conversation is not None
        spoke_at = await own_word_since(session, enrollment, conversation, stage)
    assert spoke_at == (silent_since if counts else None)


async def test_messages_in_a_row_count_over_passages_and_from_the_last_reply(world: World) -> None:
    """Two passages with a message each; a reply between them starts the count again.

    WhatsApp's times have no fractions: a reply that seems to be a moment older than the message came after it.
    """
    customer_id = await world.customer()
    for hour in (1, 3):
        enrollment_id = await world.enroll(customer_id, state="closed")
        world.now = later(hours=hour)
        await _sent(world, enrollment_id, 0)
        await world.claim(enrollment_id, 1, state=SendState.SKIPPED)
    async with world.database.write() as session:
        enrollment = await session.get(Enrollment, enrollment_id)
        customer = await session.get(Customer, customer_id)
        assert enrollment is not None
        assert customer is not None
        counts = {}
        for replied in (None, 0, 0.9999, 2, 3, 4):
            customer.last_inbound_at = later(hours=replied) if replied is not None else None
            sent = await sent_in_a_row(session, enrollment.journey_id, [customer_id])
            counts[replied] = sent.get(customer_id, 0)
    assert counts == {None: 2, 0: 2, 0.9999: 1, 2: 1, 3: 0, 4: 0}


async def test_earlier_texts_are_the_journeys_own_without_their_templates(world: World) -> None:
    """What agents wrote is no earlier message; the model's text is told as it wrote it."""
    customer = await world.customer()
    conversation = await _conversation(world, customer)
    enrollment = await world.enroll(customer)
    written = await _sent(world, enrollment, 0, free_text="Still interested?")
    plain = await _sent(world, enrollment, 1)
    lines = [
        (MessageAuthor.JOURNEY, "About our chat: Still interested? Bye.", written),
        (MessageAuthor.AGENT, "It is 49.90", None),
        (MessageAuthor.JOURNEY, "Hello you", plain),
        (MessageAuthor.CUSTOMER, "How much?", None),
    ]
    async with world.database.write() as session:
        for number, (author, text, attempt_id) in enumerate(lines):
            session.add(
                ChatMessage(
                    conversation_id=conversation, inbound=author is MessageAuthor.CUSTOMER, author=author, kind="text",
                    text=text, at=NOON + timedelta(minutes=number), attempt_id=attempt_id,
                )
            )  # fmt: skip
    async with world.database.read() as session:
        assert await earlier_texts(session, customer) == ["Hello you", "Still interested?"]


@pytest.mark.parametrize("used_template", [True, False])
async def test_only_a_template_counts_as_marketing_of_another_journey(world: World, *, used_template: bool) -> None:
    """A free text went into a session that the customer had opened."""
    customer = await world.customer()
    enrollment = await world.enroll(customer, state="closed")
    await _sent(world, enrollment, 0, used_template=used_template)
    async with world.database.write() as session:
        other = DEFINITION.model_copy(update={"name": "another"})
        journey, version = await publish(session, world.store_id, other, now=world.now)
        ids = {"journey_id": journey.id, "version_id": version.id}
    same, another = await world.enroll(customer, state="closed"), await world.enroll(customer, **ids)
    async with world.database.write() as session:
        assert (await locked_stage(session, same, 0, 0)).other_marketing_at is None
        scene = await locked_stage(session, another, 0, 0)
    assert scene.other_marketing_at == (world.now if used_template else None)
