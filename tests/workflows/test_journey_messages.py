"""What a stage says: the model's text, the open window's free text, and the customer's own coupon."""

from typing import Any

import pytest

from models.tables import ChatMessage, CouponIssue, ModelCall
from sandbox.llm.faults import Fault, InvalidJson, Obey, RateLimited, Refuse, ServerFailure, WrongCoupon, WrongLanguage
from sandbox.shopify.faults import Fault as ShopFault
from sandbox.whatsapp.faults import Refuse as MetaRefuses
from tests.stack import HELLO, Stack, journey
from tests.workflows.conftest import OpenStack

AI = {
    "ai": {"mode": "goal", "goal": "Remind them what they liked"},
    "template": {"name": "winback_note", "language": "en", "variables": {"1": "{ai.text}"}},
    "fallback": {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}
TEXT = {
    "text": "We kept your favourites, {customer.first_name|friend}.",
    "template": {"name": "winback_hello", "language": "en", "variables": {"1": "friend"}},
}
COUPON = {"template": "winback_coupon", "language": "en", "variables": {"1": "friend", "2": "{coupon.code}"}}


def _template(stack: Stack) -> str:
    (message,) = stack.received()
    assert message.kind == "template"
    return str(message.content["name"])


async def _outcomes(stack: Stack) -> list[str]:
    return [one.outcome for one in await stack.rows(ModelCall)]


async def test_the_models_text_fills_the_template_outside_the_window(stack: Stack) -> None:
    """A text that passes the checks goes as the template's variable, and what it cost is on record."""
    enrollment = await stack.begin(journey(("0d", AI)))
    await stack.accepted(1)
    assert _template(stack) == "winback_note"
    send = await stack.send(enrollment)
    assert send.free_text is not None
    assert send.parameters == {"1": send.free_text}
    (call,) = await stack.rows(ModelCall)
    assert call.outcome == "used"
    assert call.prompt_tokens > 0
    assert call.completion_tokens > 0
    (said,) = await stack.rows(ChatMessage)
    assert send.free_text in said.text


_UNUSABLE = [WrongCoupon(), WrongLanguage(), InvalidJson(), Refuse(), Obey({"text": "Hello, all of it at 90% off!"})]


@pytest.mark.parametrize("fault", _UNUSABLE)
async def test_an_unusable_text_is_written_again(stack: Stack, fault: Fault) -> None:
    """One bad answer is told back to the model, whose second text is used."""
    stack.llm.faults.add(fault)
    await stack.begin(journey(("0d", AI)))
    await stack.accepted(1)
    assert _template(stack) == "winback_note"
    first, second = await _outcomes(stack)
    assert first != "used"
    assert second == "used"


async def test_three_unusable_texts_send_the_fallback(stack: Stack) -> None:
    """After two more tries the template that a person wrote goes out, and all three calls are on record."""
    stack.llm.faults.add(WrongCoupon(), times=3)
    enrollment = await stack.begin(journey(("0d", AI)))
    await stack.accepted(1)
    assert _template(stack) == "winback_hello"
    assert stack.llm.requests == 3
    assert len(await _outcomes(stack)) == 3
    assert ((await stack.send(enrollment)).written_by or "").startswith("fallback:")


@pytest.mark.parametrize("fault", [ServerFailure(), RateLimited("1")])
async def test_a_model_that_stays_away_costs_nobody_their_message(stack: Stack, fault: Fault) -> None:
    """After some tries the fallback goes out."""
    stack.llm.faults.add(fault, times=20)
    await stack.begin(journey(("0d", AI)))
    await stack.until(lambda: _asked(stack))
    await stack.advance(minutes=10)
    await stack.accepted(1)
    assert _template(stack) == "winback_hello"
    assert stack.llm.requests == 4


async def _asked(stack: Stack) -> bool:
    return stack.llm.requests > 0


async def test_a_model_that_comes_back_writes_the_text(stack: Stack) -> None:
    """A passing fault of the model only delays the message."""
    stack.llm.faults.add(ServerFailure(503))
    await stack.begin(journey(("0d", AI)))
    await stack.until(lambda: _asked(stack))
    await stack.advance(minutes=1)
    await stack.accepted(1)
    assert _template(stack) == "winback_note"


async def test_without_a_model_the_fallback_is_sent(open_stack: OpenStack) -> None:
    """A stage with `ai` works where no model is configured."""
    async with open_stack(with_model=False) as stack:
        await stack.begin(journey(("0d", AI)))
        await stack.accepted(1)
        assert _template(stack) == "winback_hello"


@pytest.mark.parametrize(
    ("hours_ago", "message", "kind"),
    [(1, TEXT, "text"), (23, TEXT, "text"), (24, TEXT, "template"), (1, AI, "text"), (25, AI, "template")],
)
async def test_free_text_goes_inside_the_window_only(
    stack: Stack, hours_ago: int, message: dict[str, Any], kind: str
) -> None:
    """Within 24 hours of the customer's last word the text itself is sent, later the template."""
    person = await stack.person()
    await stack.write(person, "Thanks!")
    await stack.advance(hours=hours_ago)
    await stack.begin(journey(("0d", message)), person)
    await stack.accepted(1)
    (received,) = stack.received()
    assert received.kind == kind


async def test_a_window_that_closed_on_the_way_sends_the_template(stack: Stack) -> None:
    """Meta says that the window is closed (131047): the same stage goes as its template."""
    person = await stack.person()
    await stack.write(person, "Thanks!")
    await stack.advance(hours=1)
    stack.whatsapp.faults.for_recipient(person.phone, MetaRefuses(131047))
    enrollment = await stack.begin(journey(("0d", TEXT)), person)
    await stack.accepted(1)
    assert _template(stack) == "winback_hello"
    assert (await stack.attempts(enrollment))[-1].used_template


async def test_a_personal_coupon_is_made_once_and_named_in_every_message(stack: Stack) -> None:
    """Two stages with the code, and a shop whose first answer got lost: one discount in the shop, one code."""
    stack.shopify.faults.add(ShopFault(status=502, operation="discountCodeBasicCreate", applied=True))
    person = await stack.person()
    definition = journey(("0d", COUPON), ("1d", COUPON), coupon={"percent": 10, "prefix": "BACK", "valid_days": 14})
    enrollment = await stack.begin(definition, person)
    await stack.until(lambda: _has_discount(stack))
    await stack.advance(minutes=1)
    await stack.waits(enrollment, 1)
    await stack.advance(days=1)
    await stack.accepted(2)
    (discount,) = stack.shop.discounts.values()
    assert discount.customer_ids == (person.shop_id,)
    (issue,) = await stack.rows(CouponIssue)
    assert issue.code == discount.code
    assert all(discount.code in message.rendered for message in stack.received())


async def _has_discount(stack: Stack) -> bool:
    return bool(stack.shop.discounts)


async def test_two_customers_get_two_codes(stack: Stack) -> None:
    """A personal code says nothing about another customer's."""
    definition = journey(("0d", COUPON), coupon={"percent": 10})
    await stack.begin(definition)
    await stack.begin(definition)
    await stack.accepted(2)
    assert len(stack.shop.discounts) == 2


async def test_a_version_is_for_life(stack: Stack) -> None:
    """An edited journey is for new entrants; who is in it already gets the messages that they entered with."""
    old = journey(("0d", HELLO), ("1d", HELLO))
    new = journey(("0d", HELLO), ("1d", COUPON), coupon={"code": "COMEBACK10"})
    first = await stack.begin(old)
    await stack.waits(first, 1)
    second = await stack.begin(new)
    await stack.waits(second, 1)
    await stack.advance(days=1)
    await stack.accepted(4)
    assert (await stack.send(first, 1)).template_name == "winback_hello"
    assert (await stack.send(second, 1)).template_name == "winback_coupon"
