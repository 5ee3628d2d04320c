"""Customers who have entered for a conversation that went quiet or a cart that they left, for tests of their stages.

Who enters is the watch's business and tested there (`tests.silences`); here somebody has entered.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from models.enums import JourneyState, MessageAuthor
from models.journey import AbandonedCart, FollowUp
from models.tables import Checkout, Conversation
from storage.considered import considered
from storage.conversations import Spoken, ensure_conversation, note_message
from storage.customers import lock_customer
from storage.entry import Entry, enroll
from storage.publishing import publish
from storage.stores import required_id, suppression_key
from storage.subjects import Subject
from tests.stack import Person, Stack

NOTE: dict[str, Any] = {"name": "follow_up_note", "language": "en", "variables": {"1": "{ai.text}"}}
HELLO: dict[str, Any] = {"name": "winback_hello", "language": "en", "variables": {"1": "friend"}}


def follow_up(
    *stages: tuple[str, Mapping[str, Any]], sending: Mapping[str, Any] | None = None, **changes: Any
) -> FollowUp:
    """A follow-up of these (delay, message) stages, or the short form in `changes`. Its hours never close."""
    listed = {"stages": [{"after": after, "message": message} for after, message in stages]} if stages else {}
    return FollowUp.model_validate(
        {
            "name": "silent-after-quote",
            "kind": "follow_up",
            "conversations": {"column": "quoted"},
            "sending": {"hours": "00:00-24:00", **(sending or {})},
        }
        | listed
        | changes
    )


def cart(*stages: tuple[str, Mapping[str, Any]], **changes: Any) -> AbandonedCart:
    """A cart journey of these (delay, message) stages. Its hours never close."""
    return AbandonedCart.model_validate(
        {
            "name": "left-cart",
            "kind": "abandoned_cart",
            "stages": [{"after": after, "message": message} for after, message in stages],
            "sending": {"hours": "00:00-24:00"},
        }
        | changes
    )


async def quiet(stack: Stack, person: Person, *, asked: str = "How much is it?", **conversation: Any) -> None:
    """The customer asked, our agent answered, and nobody has said anything since."""
    await stack.write(person, asked)
    if stack.env is not None:
        await stack.advance(seconds=2)  # WhatsApp's times have no fractions
    await our_side_says(stack, person, "It is 49.90.", **({"board_column": "quoted"} | conversation))


async def our_side_says(
    stack: Stack, person: Person, text: str, *, author: MessageAuthor = MessageAuthor.AGENT, **conversation: Any
) -> None:
    """A message by our side, from a tool of the store's own; further values are the conversation's."""
    now = await stack.now()
    async with stack.database.write() as session:
        await lock_customer(session, person.id)
        row = await ensure_conversation(
            session,
            store_id=stack.store.id,
            number_id=required_id(stack.store.number.id),
            customer_id=person.id,
        )
        spoken = Spoken(author=author, kind="text", text=text, at=now, external_id=f"tool-{now.isoformat()}")
        assert await note_message(session, row, spoken, now=now)
        for name, value in conversation.items():
            setattr(row, name, value)
    await stack.settle()


async def conversation_of(stack: Stack, person: Person) -> Conversation:
    """The customer's chat."""
    (row,) = await stack.rows(Conversation, customer_id=person.id)
    assert isinstance(row, Conversation)
    return row


async def left_cart(stack: Stack, person: Person, *, ago: timedelta = timedelta(hours=1), **values: Any) -> int:
    """A checkout of the customer's that nobody has touched for so long; its id."""
    since = await stack.now() - ago
    options: dict[str, Any] = {
        "store_id": stack.store.id,
        "customer_id": person.id,
        "token": f"checkout-{person.id}",
        "created_at": since,
        "updated_at": since,
        "idle_since": since,
        "total_minor": 4990,
        "currency": "USD",
        "url": "https://example.myshopify.com/checkouts/c1?key=ab12cd34",
        "items": [{"title": "Blue scarf", "quantity": 2}, {"title": "Mug", "quantity": 1}],
    }
    async with stack.database.write() as session:
        checkout = Checkout(**(options | values))
        session.add(checkout)
        await session.flush()
        return required_id(checkout.id)


async def enter(
    stack: Stack, definition: FollowUp | AbandonedCart, person: Person, *, checkout_id: int | None = None
) -> str:
    """Enter the customer for their silence, or for a checkout; the enrollment's id. Nothing is started yet."""
    now = await stack.now()
    async with stack.database.write() as session:
        found, version = await publish(session, stack.store.id, definition, now=now)
        found.state = JourneyState.ACTIVE
        key = suppression_key(stack.store.store, stack.cipher)
        (who,) = await considered(session, required_id(found.id), [person.id], suppression_key=key, now=now, lock=True)
        if checkout_id is None:
            subject = Subject(conversation=await session.get(Conversation, (await conversation_of(stack, person)).id))
        else:
            subject = Subject(checkout=await session.get(Checkout, checkout_id))
        entry = Entry(stack.store.store, found, required_id(version.id), definition, None)
        enrollment = await enroll(session, entry, replace(who, subject=subject), control=False, entered_at=now, now=now)
        assert enrollment is not None
        return enrollment.id


async def begin(
    stack: Stack, definition: FollowUp | AbandonedCart, person: Person, *, checkout_id: int | None = None
) -> str:
    """The same, with its workflow started."""
    enrollment_id = await enter(stack, definition, person, checkout_id=checkout_id)
    await stack.start(enrollment_id)
    return enrollment_id
