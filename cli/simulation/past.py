"""What had happened before a simulation opens, told to the gateway with its own times before anything is launched."""

from datetime import timedelta

import httpx

from cli.simulation.cast import Cast
from cli.simulation.parts import Parts
from models.enums import ConsentState
from sandbox.chats import ChatEventRef, RefusedError
from sandbox.shopify.customer_bodies import CONSENT_TOPICS, consent_body, customer_body
from sandbox.shopify.webhooks import webhook
from sandbox.shoppers import Deed, PlannedDeed

_KNOWN_FOR = timedelta(days=365)


class SimulationError(Exception):
    """The simulated world has come apart, so what was counted means nothing; the text says where."""


async def tell_past(parts: Parts) -> None:
    """What the files' people are, and what they had said and left in their carts before the opening.

    Raises:
        SimulationError: the gateway did not take what a file says.
    """
    try:
        await _tell_people(parts)
        past = sorted(
            (event.at, number, place)
            for number, chat in enumerate(parts.cast.chats)
            for place, event in enumerate(chat.events)
            if event.at <= parts.opening
        )
        for _, number, place in past:
            await parts.chats.live(ChatEventRef(chat=number, event=place), parts.opening)
        for deed in cart_deeds(parts.cast):
            if deed.at <= parts.opening:
                await parts.shoppers.act(deed, deed.at)
    except RefusedError as error:
        raise SimulationError(str(error)) from error
    except httpx.HTTPStatusError as error:
        msg = f"the gateway refused what the shop told ({error.response.status_code})"
        raise SimulationError(msg) from error
    await parts.settle()


async def _tell_people(parts: Parts) -> None:
    shop, known_since = parts.world.shop, parts.opening - _KNOWN_FOR
    for person in (shop.customers[number] for number in parts.cast.people):
        told = customer_body(person, known_since) | {"locale": person.locale}
        await parts.shoppers.tell(webhook(shop, "customers/update", told, parts.opening))
        if person.consent is not ConsentState.NEVER_SUBSCRIBED:
            said = consent_body(person, "whatsapp", person.consent, person.consent_updated_at)
            await parts.shoppers.tell(webhook(shop, CONSENT_TOPICS["whatsapp"], said, parts.opening))


def cart_deeds(cast: Cast) -> list[PlannedDeed]:
    """Carts that are left, and completed, in order of time."""
    owner = {cart.token: cart.customer_id or 0 for cart in cast.carts}
    left = [(cart.updated_at, Deed.CART, cart.token) for cart in cast.carts]
    done = [(at, Deed.COMPLETE, token) for token, at in cast.completed]
    return [
        PlannedDeed(at=at, deed=deed, customer=owner[token], checkout=token) for at, deed, token in sorted(left + done)
    ]
