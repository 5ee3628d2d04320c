"""What may go out, and how templates are filled."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.message_text import (
    TextProblemKind,
    VariableMissing,
    check_text,
    clean_parameter,
    codes_in,
    links_in,
    render,
)

GOOD = "Hi Ana, the coffee you liked is back in the shop. Use COMEBACK10 at https://shop.example.com/coffee - see you!"


def kinds(text: str, **changes: Any) -> list[TextProblemKind]:
    """The problems of a text, by kind."""
    rules: dict[str, Any] = {
        "limit": 1024,
        "allowed_codes": frozenset({"COMEBACK10"}),
        "allowed_links": frozenset({"https://shop.example.com/coffee"}),
        "language": "en",
        "earlier": [],
        "as_variable": False,
    }
    return [problem.kind for problem in check_text(text, **(rules | changes))]


def test_a_good_text_has_no_problem() -> None:
    """Known code, known link, right language."""
    assert kinds(GOOD) == []
    assert kinds(GOOD, as_variable=True) == []


def test_length_counts_every_character_and_the_limit_is_allowed() -> None:
    """As long as the limit goes, one more does not."""
    assert kinds("é" * 1024) == []
    assert kinds("é" * 1025) == [TextProblemKind.TOO_LONG]
    assert kinds(" \n ") == [TextProblemKind.EMPTY]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("one\ntwo", TextProblemKind.LINE_BREAK),
        ("one\rtwo", TextProblemKind.LINE_BREAK),
        ("one\u2028two", TextProblemKind.LINE_BREAK),
        ("one\ttwo", TextProblemKind.TAB),
        ("one     two", TextProblemKind.WIDE_GAP),
    ],
)
def test_a_variable_has_no_breaks_tabs_or_wide_gaps(text: str, kind: TextProblemKind) -> None:
    """What WhatsApp refuses in a parameter is caught there, and only there."""
    assert kinds(text, as_variable=True) == [kind]
    assert kinds(text) == []


def test_four_spaces_are_still_allowed_in_a_variable() -> None:
    """More than four is too many."""
    assert kinds("one    two", as_variable=True) == []


@pytest.mark.parametrize(
    "text",
    [
        "Take SAVE20 today",
        "Take save20 today",
        "Take SAVE-20-NOW today",
        "Take 20OFFNOW today",
        "Use the code WELCOME today",
        "Con el código BIENVENIDA ahorras",
        "Usa el cupón: VERANO",
        "Use o cupom *VOLTA* hoje",
        "Use COMEBACK15 today",
    ],
)
def test_an_invented_code_is_caught(text: str) -> None:
    """Letters with digits, or capitals right after the word for code."""
    assert kinds(text) == [TextProblemKind.UNKNOWN_CODE]


@pytest.mark.parametrize(
    "text",
    [
        "Use comeback10 today",
        "Use COMEBACK10, only today",
        "Take 20% off",
        "The 500ml bottle and the 1500ML one, for 24hours, 10am to 6pm",
        "A 10-day trial since mid-2026, order no. 12345678",
        "The NEW summer collection is HERE",
        "Get your code at the checkout",
        "It costs 25.00 EUR on 2026-07-01",
        "My PS5 and A4 paper",
    ],
)
def test_ordinary_words_and_numbers_are_no_codes(text: str) -> None:
    """Known codes in any case, quantities, dates, prices and shouting pass."""
    assert kinds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Look: https://evil.example/x",
        "Look: HTTP://SHOP.EXAMPLE.ORG",
        "Look: www.shop.test",
        "Look: shop-example.com",
        "Look: bit.ly/3xYz",
        "Look: wa.me/447700900123",
        "Look: https://shop.example.com/coffee/other",
        "Look: https://shop.example.com.evil.test/coffee",
        "Look: ftp://shop.example.com/coffee",
        "Look: store.unknownending/path",
        "Look: shop.example.com.zip",
        "Look: 5https://evil.example/x",
        "Look: (*bit.ly/3xYz*)",
        "Write to help@shop.com",
    ],
)
def test_an_invented_link_is_caught(text: str) -> None:
    """Any link or address that is not on the list."""
    assert kinds(text) == [TextProblemKind.UNKNOWN_LINK]


@pytest.mark.parametrize(
    "text",
    [
        "Look: https://shop.example.com/coffee.",
        "Look: (https://shop.example.com/coffee)",
        "Look: Shop.Example.com/coffee/",
        "Look: http://www.shop.example.com/coffee!",
        "It was great.Come back e.g. at 5 p.m. or so...see you",
        "50/50 and/or 24/7",
    ],
)
def test_known_links_and_plain_sentences_pass(text: str) -> None:
    """Scheme, case, a last slash and the sentence's own marks do not matter."""
    assert kinds(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Hi {customer.first_name}",
        "Hi {{1}}",
        "Hi [name]",
        "Hi [Your Name]",
        "Hi <name>",
        "Hi {}",
        "Hi %FIRST_NAME%",
        "Hi {{",
    ],
)
def test_an_unfilled_placeholder_is_caught(text: str) -> None:
    """Whatever the brackets."""
    assert set(kinds(text)) == {TextProblemKind.UNFILLED}


@pytest.mark.parametrize("text", ["I <3 you > all", "Save 10% now and 20% later", "[1] is a number", "a < b"])
def test_ordinary_signs_are_no_placeholders(text: str) -> None:
    """Hearts, percentages and footnotes pass."""
    assert kinds(text) == []


ENGLISH = "Hi Ana, we have missed you and would love to see you back at the shop this week."
SPANISH = "Hola Ana, te extrañamos mucho y nos gustaría verte de nuevo en la tienda esta semana con algo especial."
PORTUGUESE = "Oi Ana, sentimos sua falta e gostaríamos de ver você na loja esta semana com uma novidade para você."


@pytest.mark.parametrize(
    ("text", "language", "wrong"),
    [
        (ENGLISH, "en", False),
        (ENGLISH, "en_GB", False),
        (ENGLISH, "es", True),
        (ENGLISH, "pt_BR", True),
        (SPANISH, "es", False),
        (SPANISH, "es_MX", False),
        (SPANISH, "en", True),
        (SPANISH, "pt_BR", True),
        (PORTUGUESE, "pt_BR", False),
        (PORTUGUESE, "es", True),
        (PORTUGUESE, "en_US", True),
        (ENGLISH, "fr", False),
        ("Café Nike Air Max", "es", False),
        ("Hola Ana!", "en", False),
        ("Liebe Ana, wir vermissen dich und haben etwas Neues.", "en", False),
    ],
)
def test_a_clearly_wrong_language_is_caught(text: str, language: str, wrong: bool) -> None:  # noqa: FBT001 - a table
    """English, Spanish and Portuguese are told apart; what is short or not listed passes."""
    assert (TextProblemKind.WRONG_LANGUAGE in kinds(text, language=language)) is wrong


def test_where_nobody_says_the_language_any_may_be_written() -> None:
    """A follow-up without a template is written in the customer's own language, which nobody has on record."""
    assert TextProblemKind.WRONG_LANGUAGE not in kinds(SPANISH, language=None)


def test_what_the_shop_said_itself_may_be_said_again() -> None:
    """A product's model number and a link in an agent's words are no inventions."""
    said = "The RTX4090 is in stock, see https://shop.example/p/rtx4090?ref=chat."
    assert codes_in(said) == {"RTX4090"}
    assert links_in(said) == {"https://shop.example/p/rtx4090?ref=chat"}
    assert not kinds(said, allowed_codes=codes_in(said), allowed_links=links_in(said))
    assert kinds(said) == [TextProblemKind.UNKNOWN_LINK, TextProblemKind.UNKNOWN_CODE]


def test_nearly_the_same_text_again_is_caught() -> None:
    """Case, punctuation and a word or so do not make a new message."""
    assert kinds(ENGLISH.upper().replace(",", "!"), earlier=["Something else.", ENGLISH]) == [TextProblemKind.REPEATED]
    assert kinds(ENGLISH.replace("week", "month"), earlier=[ENGLISH]) == [TextProblemKind.REPEATED]
    assert kinds("Your favourite tea is here again, and this one is on us.", earlier=[ENGLISH]) == []
    assert kinds("!!!", earlier=["???"]) == []


def test_a_known_link_may_look_like_a_code() -> None:
    """What stands inside a link is the link's affair."""
    assert (
        kinds("See shop.example.com/ITEM12345", allowed_links=frozenset({"https://shop.example.com/ITEM12345"})) == []
    )


def test_all_problems_are_named_at_once() -> None:
    """A model that tries again hears everything."""
    found = kinds("Hola {name}, usa SAVE20 en evil.com\ny te esperamos hoy con los brazos", limit=20, as_variable=True)
    assert set(found) == {
        TextProblemKind.TOO_LONG,
        TextProblemKind.LINE_BREAK,
        TextProblemKind.UNKNOWN_CODE,
        TextProblemKind.UNKNOWN_LINK,
        TextProblemKind.UNFILLED,
        TextProblemKind.WRONG_LANGUAGE,
    }


@pytest.mark.parametrize("unit", ["a", "a.", "{", "[a", "<a", "a1-", "%a", "www", " code", "a:"])
def test_a_hostile_text_is_checked_in_no_time(unit: str) -> None:
    """A long run of anything does not make a check slow."""
    text = unit * (4096 // len(unit))
    started = time.process_time()
    kinds(text, earlier=["b" * 4096])
    assert time.process_time() - started < 2


# --- filling -------------------------------------------------------------------------------------------------------


def test_values_and_defaults_fill_a_text() -> None:
    """A value is used where it is one; a missing or blank one gives way to the default."""
    text = "Hi {customer.first_name|friend}, take {coupon.code}"
    assert render(text, {"customer.first_name": "Ana", "coupon.code": "C1"}) == "Hi Ana, take C1"
    for blank in (None, "", "  "):
        assert render(text, {"customer.first_name": blank, "coupon.code": "C1"}) == "Hi friend, take C1"


def test_what_nothing_fills_is_named() -> None:
    """The error carries the path."""
    with pytest.raises(VariableMissing, match=r"coupon\.code") as caught:
        render("{coupon.code}", {"customer.first_name": "Ana"})
    assert caught.value.path == "coupon.code"


def test_a_value_is_not_read_for_placeholders() -> None:
    """A customer who calls herself `{coupon.code}` gets no coupon."""
    assert render("Hi {customer.first_name}", {"customer.first_name": "{coupon.code}", "coupon.code": "C1"}) == (
        "Hi {coupon.code}"
    )


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        (" Ana\nMaria\t", "Ana Maria"),
        ("Ana\r\n\r\nMaria", "Ana Maria"),
        ("Ana         Maria", "Ana Maria"),
        ("Ana\u202eairaM\u202c", "AnaairaM"),
        ("Ana\x00\x07 \u200b Maria", "Ana Maria"),
        ("\u2067Ana\u2069\ufeff", "Ana"),
        ("Ana\ud800", "Ana"),
        ("\U0001f469\u200d\U0001f9b0 Ana", "\U0001f469\u200d\U0001f9b0 Ana"),
        ("José Ñandú", "José Ñandú"),
    ],
)
def test_a_cleaned_value_can_stand_in_a_parameter(text: str, clean: str) -> None:
    """White space becomes a space, control and direction marks go, letters and emoji stay."""
    assert clean_parameter(text) == clean


@given(st.text())
def test_whatever_is_cleaned_passes_the_parameter_checks(text: str) -> None:
    """No value of a customer makes WhatsApp refuse the message, and cleaning twice changes nothing."""
    clean = clean_parameter(text)
    shape = {TextProblemKind.LINE_BREAK, TextProblemKind.TAB, TextProblemKind.WIDE_GAP}
    assert not shape & set(kinds(clean, as_variable=True))
    assert clean_parameter(clean) == clean
    assert clean.encode() or not clean
