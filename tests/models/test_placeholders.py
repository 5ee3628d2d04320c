"""Tests of models.placeholders."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.placeholders import Placeholder, parse, placeholders


def test_a_plain_text_is_one_part() -> None:
    """A text without braces is a single literal."""
    assert parse("Hello there") == ("Hello there",)


def test_an_empty_text_has_no_parts() -> None:
    """Nothing in, nothing out."""
    assert parse("") == ()


def test_path_and_default_are_read() -> None:
    """The part before the bar is the path, the part after it the default, both without outer blanks."""
    assert parse("Hi {customer.first_name|friend}!") == ("Hi ", Placeholder("customer.first_name", "friend"), "!")
    assert parse("{ store.name }") == (Placeholder("store.name", None),)


def test_only_the_first_bar_separates() -> None:
    """A default may hold a bar of its own."""
    assert placeholders("{store.name|a|b}") == (Placeholder("store.name", "a|b"),)


def test_doubled_braces_are_literal() -> None:
    """`{{` and `}}` stand for one brace each and join the text around them."""
    assert parse("a {{b}} c") == ("a {b} c",)
    assert parse("{{{store.name}}}") == ("{", Placeholder("store.name", None), "}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hi {customer.first_name", "not closed"),
        ("Hi {", "not closed"),
        ("Hi {a{b}", "not closed"),
        ("Hi } there", "closes nothing"),
        ("Hi {}", "names nothing"),
        ("Hi {  }", "names nothing"),
        ("Hi {|friend}", "names nothing"),
        ("Hi {customer.first_name|}", "nothing after the |"),
    ],
)
def test_a_broken_brace_is_named(text: str, words: str) -> None:
    """Each way to get braces wrong has its own text."""
    with pytest.raises(ValueError, match=words.replace("|", r"\|")):
        parse(text)


@given(st.text())
def test_escaping_any_text_gives_it_back(text: str) -> None:
    """Any text with its braces doubled is read back unchanged."""
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert "".join(str(part) for part in parse(doubled)) == text
