"""A cart journey's stages: what may be said of the checkout, and what ends it."""

from datetime import timedelta

import pytest

from models.enums import ExitReason, SendState, SkipReason
from models.tables import Checkout
from tests.quiet_chats import HELLO, begin, cart, left_cart
from tests.stack import Stack

TEMPLATE = {
    "name": "follow_up_note",
    "language": "en",
    "variables": {"1": "You left {checkout.items} ({checkout.total}): {checkout.url}"},
}
LINK = "https://example.myshopify.com/checkouts/c1?key=ab12cd34"


async def test_the_message_names_what_was_left_and_leads_back_to_it(stack: Stack) -> None:
    """Outside any window the template goes, filled from the checkout."""
    person = await stack.person()
    checkout = await left_cart(stack, person)
    await begin(stack, cart(("0m", {"template": TEMPLATE})), person, checkout_id=checkout)
    await stack.accepted(1)
    (message,) = stack.received()
    assert message.kind == "template"
    assert f"You left 2 x Blue scarf, Mug (49.90 USD): {LINK}" in message.rendered


async def test_in_an_open_window_the_model_may_give_the_checkouts_link(stack: Stack) -> None:
    """The checkout's own link is allowed in a text that the model writes."""
    person = await stack.person()
    await stack.write(person, "Do you ship to Leeds?")
    checkout = await left_cart(stack, person)
    enrollment = await begin(stack, cart(("0m", {"ai": {}})), person, checkout_id=checkout)
    await stack.accepted(1)
    (message,) = stack.received()
    assert message.kind == "text"
    assert "2 x Blue scarf, Mug" in message.rendered
    assert message.rendered.endswith(LINK)
    assert not (await stack.send(enrollment)).template_name


async def test_a_purchase_between_two_reminders_ends_it(stack: Stack) -> None:
    """The order's webhook is enough."""
    person = await stack.person()
    checkout = await left_cart(stack, person)
    message = {"template": TEMPLATE}
    enrollment = await begin(stack, cart(("0m", message), ("24h", message)), person, checkout_id=checkout)
    await stack.waits(enrollment, 1)
    await stack.advance(hours=1)
    await stack.buy(person)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED


async def test_a_purchase_before_the_entry_that_no_webhook_told_stops_the_first_reminder(stack: Stack) -> None:
    """The customer paid while the cart was still young; the shop is asked from the moment at which it was left."""
    person = await stack.person()
    checkout = await left_cart(stack, person, ago=timedelta(0))
    await stack.advance(minutes=30)
    await stack.buy(person, webhook=False)
    await stack.advance(minutes=30)
    enrollment = await begin(stack, cart(("0m", {"template": TEMPLATE})), person, checkout_id=checkout)
    assert await stack.ends(enrollment) is ExitReason.NO_LONGER_ELIGIBLE
    assert not stack.received()


@pytest.mark.parametrize(
    ("completed", "reason"), [(True, ExitReason.PURCHASED), (False, ExitReason.NO_LONGER_ELIGIBLE)]
)
async def test_a_checkout_that_is_no_longer_open_is_not_reminded_of(
    stack: Stack, *, completed: bool, reason: ExitReason
) -> None:
    """Whatever was heard of how it ended, nothing more is sent about it."""
    person = await stack.person()
    checkout_id = await left_cart(stack, person)
    message = {"template": TEMPLATE}
    enrollment = await begin(stack, cart(("0m", message), ("24h", message)), person, checkout_id=checkout_id)
    await stack.waits(enrollment, 1)
    async with stack.database.write() as session:
        checkout = await session.get(Checkout, checkout_id)
        assert checkout is not None
        checkout.idle_since = None
        checkout.completed_at = await stack.now() if completed else None
    await stack.advance(hours=24)
    assert await stack.ends(enrollment) is reason
    assert len(stack.received()) == 1


async def test_a_customer_without_a_shop_account_gets_no_personal_code(stack: Stack) -> None:
    """The code could be for nobody: the message that needs it is passed over, and the journey goes on."""
    person = await stack.person(external_id=None)
    checkout = await left_cart(stack, person)
    coupon = {"name": "winback_coupon", "language": "en", "variables": {"1": "friend", "2": "{coupon.code}"}}
    definition = cart(("0m", {"template": coupon}), ("1h", {"template": HELLO}), coupon={"percent": 10})
    enrollment = await begin(stack, definition, person, checkout_id=checkout)
    await stack.waits(enrollment, 1)
    first = await stack.send(enrollment)
    assert (first.state, first.skip_reason) == (SendState.SKIPPED, SkipReason.VARIABLE_MISSING)
    await stack.advance(hours=1)
    await stack.accepted(1)
    assert not stack.shop.discounts


async def test_whoever_fills_another_cart_is_reminded_of_that_one(stack: Stack) -> None:
    """The second reminder names what the customer left last."""
    person = await stack.person()
    checkout = await left_cart(stack, person)
    message = {"template": TEMPLATE}
    enrollment = await begin(stack, cart(("0m", message), ("24h", message)), person, checkout_id=checkout)
    await stack.waits(enrollment, 1)
    items = [{"title": "Red hat", "quantity": 1}]
    await left_cart(stack, person, ago=timedelta(0), token="another-cart", items=items)
    await stack.advance(hours=24, minutes=1)
    await stack.accepted(2)
    assert "Red hat" in stack.received()[1].rendered
