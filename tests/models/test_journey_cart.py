"""Tests of abandoned-cart files."""

from decimal import Decimal

import pytest

from models.journey import AbandonedCart, Span, parse_definition_json
from models.journey_file import read_journey
from tests.models.journey_files import EXAMPLES, changed, problems

CART = """\
name: cart
kind: abandoned_cart
stages:
  - after: 0m
    message: {text: "{checkout.items} for {checkout.total}: {checkout.url}"}
  - after: 23h
    message: {template: winback_note, language: en, variables: {"1": "Your cart: {checkout.url}"}}
"""


def cart(text: str) -> AbandonedCart:
    """The abandoned-cart journey that the text describes."""
    definition = read_journey(text)
    assert isinstance(definition, AbandonedCart)
    return definition


def test_a_cart_has_its_own_defaults() -> None:
    """Left behind after an hour, of any worth, with consent, nobody held out, priority 100."""
    definition = cart(CART)
    assert definition.cart.model_dump(mode="json") == {
        "after": "1h", "minimum": None, "consent": "subscribed", "control_percent": 0,
    }  # fmt: skip
    assert (definition.priority, definition.control_percent, definition.re_entry_days) == (100, 0, None)
    assert parse_definition_json(definition.model_dump_json()) == definition


def test_stages_count_from_entry() -> None:
    """Entry waits for `cart.after`; every stage waits for its own delay, the first one too."""
    definition = cart(changed("0m", "15m", CART) + "cart: {after: 90m}\n")
    assert str(definition.entry_delay) == "90m"
    assert [str(definition.delay_of(stage)) for stage in range(2)] == ["15m", "23h"]


def test_the_least_total_is_an_amount() -> None:
    """5 and 5.00 are the same journey."""
    definition = cart(CART + "cart: {minimum: 5.00, control_percent: 10}\n")
    assert definition.cart.minimum == Decimal(5)
    assert definition.control_percent == 10
    assert definition.content_hash() == cart(CART + "cart: {control_percent: 10, minimum: 5}\n").content_hash()


def test_the_example_writes_1_24_and_72_hours_after_the_cart_was_left() -> None:
    """The delays of examples/abandoned_cart.yaml, summed up from the checkout."""
    definition = cart((EXAMPLES / "abandoned_cart.yaml").read_text(encoding="utf-8"))
    spans = [definition.cart.after, *(stage.after for stage in definition.stages)]
    hours = [0 if span == Span.model_validate("0m") else int(str(span).removesuffix("h")) for span in spans]
    assert [sum(hours[: number + 2]) for number in range(3)] == [1, 24, 72]


@pytest.mark.parametrize(
    ("text", "line", "column", "field", "words"),
    [
        (CART + "cart: {after: 0h}\n", 8, 15, "cart.after", "at least 1m"),
        (CART + "cart: {minimum: -1}\n", 8, 17, "cart.minimum", "the least is 0"),
        (CART + "cart: {minimum: much}\n", 8, 17, "cart.minimum", "an amount"),
        (CART + "cart: {afer: 1h}\n", 8, 8, "cart.afer", "did you mean after?"),
        (CART + "cart: {consent: yes}\n", 8, 17, "cart.consent", "one of subscribed, not_unsubscribed"),
        (CART + "conversations: {}\n", 8, 1, "conversations", "kind abandoned_cart has no conversations"),
        (CART + "repeat: {every: 2h, times: 1}\n", 8, 1, "repeat", "(follow_up has)"),
        (changed("checkout.total", "checkout.totl", CART), 5, 21, "stages[0].message.text", "checkout.total?"),
        (changed("Your cart", "{context.x}", CART),
         7, 70, "stages[1].message.variables.1", "only a journey of kind follow_up"),
        (changed("23h", "-1h", changed("checkout.total", "context.total", CART)),
         5, 21, "stages[0].message.text", "only a journey of kind follow_up"),
    ],
)  # fmt: skip
def test_each_fault_is_reported_where_it_stands(text: str, line: int, column: int, field: str, words: str) -> None:
    """What only a cart's file can have wrong."""
    found = [problem for problem in problems(text) if words in problem.text]
    assert [(problem.line, problem.column, problem.field) for problem in found] == [(line, column, field)], problems(
        text
    )
