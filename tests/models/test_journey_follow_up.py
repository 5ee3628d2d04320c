"""Tests of follow-up files: the short form with `repeat`, and what a follow-up's messages may be."""

import pytest

from models.journey import FollowUp, Span, parse_definition_json
from models.journey_file import read_journey
from tests.models.journey_files import changed, only, problems

SHORT = """\
name: silent
kind: follow_up
conversations: {column: quoted}
repeat: {every: 2h, times: 3}
message: {text: "Are you there, {customer.first_name|friend}?"}
"""

LONG = """\
name: silent
kind: follow_up
conversations: {column: quoted}
stages:
  - after: 2h
    message: {text: "Are you there?"}
  - after: 1d
    message: {ai: {}}
"""


def follow_up(text: str) -> FollowUp:
    """The follow-up that the text describes."""
    definition = read_journey(text)
    assert isinstance(definition, FollowUp)
    return definition


def said(message: str) -> str:
    """The short form with this message, in line 5."""
    return SHORT[: SHORT.index("message:")] + f"message: {message}\n"


def test_repeat_stands_for_equal_stages() -> None:
    """The short form is the long form with the same message after the same silence, and is stored as that."""
    stage = SHORT.splitlines()[4]
    listed = "".join(f"  - after: 2h\n    {stage}\n" for _ in range(3))
    written_out = SHORT[: SHORT.index("repeat:")] + "stages:\n" + listed
    assert follow_up(SHORT) == follow_up(written_out)
    assert follow_up(SHORT).content_hash() == follow_up(written_out).content_hash()
    assert "repeat" not in follow_up(SHORT).model_dump_json()
    assert parse_definition_json(follow_up(SHORT).model_dump_json()) == follow_up(SHORT)


def test_the_first_silence_has_passed_at_entry() -> None:
    """Entry waits for the first delay; from then on each stage waits for its own."""
    definition = follow_up(LONG)
    assert str(definition.entry_delay) == "2h"
    assert definition.delay_of(0).amount == 0
    assert definition.delay_of(1) == Span.model_validate("1d")
    assert follow_up(SHORT).delay_of(2) == Span.model_validate("2h")


def test_a_follow_up_has_its_own_defaults() -> None:
    """Open conversations of every column, anybody who has not said stop, nobody held out, priority 60."""
    definition = follow_up(changed("conversations: {column: quoted}\n", "", SHORT))
    asked = definition.conversations
    assert (asked.column, asked.include_closed, asked.consent.value) == (None, False, "not_unsubscribed")
    assert (definition.priority, definition.control_percent, definition.re_entry_days) == (60, 0, None)


@pytest.mark.parametrize("message", ["", "message: {ai: {}}\n", "message: {ai: {mode: smart}}\n"])
def test_the_model_decides_where_nothing_else_is_said(message: str) -> None:
    """No message, no instruction and `smart` mean the same."""
    definition = follow_up(SHORT[: SHORT.index("message:")] + message)
    assert [stage.message.ai and stage.message.ai.mode for stage in definition.stages] == ["smart"] * 3


@pytest.mark.parametrize("every", ["1m", "90m", "2h", "3d", "1mo"])
def test_silence_is_measured_in_minutes_hours_days_or_months(every: str) -> None:
    """Every unit of a length of time is a silence."""
    assert str(follow_up(changed("2h", every, SHORT)).entry_delay) == every


def test_a_repeat_has_at_most_ten_messages() -> None:
    """One and ten are accepted."""
    assert follow_up(changed("times: 3", "times: 1", SHORT)).message_count == 1
    assert follow_up(changed("times: 3", "times: 10", SHORT)).message_count == 10


@pytest.mark.parametrize(
    "message",
    [
        "{text: Hi}",
        "{text: Hi, template: follow_up_note, language: en}",
        "{template: follow_up_note, language: en}",
        "{ai: {mode: goal, goal: Ask}, fallback: {text: Hi}}",
        "{ai: {}, fallback: {template: follow_up_note, language: en}}",
        "{ai: {}, template: {name: follow_up_note, language: en, variables: {1: Hello}}}",
        "{text: 'About {context.product} and {context.deal.größe_2|it}'}",
    ],
)
def test_template_and_fallback_are_a_matter_of_choice(message: str) -> None:
    """Inside the 24-hour window free text is enough; a fallback may be a text or a template."""
    definition = follow_up(said(message))
    assert parse_definition_json(definition.model_dump_json()) == definition


def test_a_fallback_that_is_a_text_is_no_template() -> None:
    """Only what WhatsApp must approve is listed."""
    definition = follow_up(said("{ai: {}, template: a, language: en, fallback: {text: Hi}}"))
    assert [template.name for template in definition.templates()] == ["a"]


@pytest.mark.parametrize(
    ("text", "line", "column", "field", "words"),
    [
        (changed("2h", "0m", SHORT), 4, 17, "repeat.every", "at least 1m"),
        (changed("2h", "soon", SHORT), 4, 17, "repeat.every", "no length of time"),
        (changed("times: 3", "times: 11", SHORT), 4, 28, "repeat.times", "the most is 10"),
        (changed("times: 3", "times: 0", SHORT), 4, 28, "repeat.times", "the least is 1"),
        (changed(", times: 3", "", SHORT), 4, 1, "repeat.times", "times is missing"),
        (changed("every", "evry", SHORT), 4, 10, "repeat.evry", "did you mean every?"),
        (changed("{every: 2h, times: 3}", "2h", SHORT), 4, 9, "repeat", "keys with values"),
        (changed(" {every: 2h, times: 3}", "", SHORT), 4, 1, "repeat", "such as repeat:"),
        (changed("repeat: {every: 2h, times: 3}\n", "", SHORT), 4, 1, "message", "beside repeat"),
        (SHORT + LONG[LONG.index("stages:") :], 4, 1, "repeat", "both stages and repeat"),
        (LONG + "message: {text: Hi}\n", 9, 1, "message", "beside repeat"),
        (LONG[: LONG.index("stages:")], 1, 1, "stages", "or such as repeat"),
        (changed("2h", "0d", LONG), 5, 12, "stages[0].after", "at least 1m"),
        (said("Hi"), 5, 10, "message", "expected keys with values"),
        (said("{}"), 5, 1, "message.template", "give it a text, ai or a template"),
        (said("{txt: Hi, template: a, language: en}"), 5, 11, "message.txt", "did you mean text?"),
        (said("{ai: {mood: x}}"), 5, 16, "message.ai.mood", "did you mean mode?"),
        (said("{template: a, language: en-US}"), 5, 34, "message.language", "pt_BR"),
        (said("{text: 'Hi {nam}'}"), 5, 17, "message.text", "nothing fills {nam}"),
        (said("{text: '{coupon.code}'}"), 5, 17, "message.text", "no coupon"),
        (said("{text: '{checkout.url}'}"), 5, 17, "message.text", "only a journey of kind abandoned_cart"),
        (said("{text: '{context.a-b}'}"), 5, 17, "message.text", "letters, digits and _"),
        (said("{text: '{context.a..b}'}"), 5, 17, "message.text", "letters, digits and _"),
        (said("{text: Hi, fallback: {text: Ho}}"), 5, 21, "message.fallback", "the message has no ai"),
        (said("{ai: {}, fallback: {text: '{ai.text}'}}"), 5, 36, "message.fallback.text", "with ai only"),
        (said("{ai: {}, fallback: {text: '{nam}'}}"), 5, 36, "message.fallback.text", "nothing fills"),
        (said("{ai: {}, fallback: {text: Hi, language: en}}"), 5, 40, "message.fallback.language", "the other one"),
        (said("{ai: {}, fallback: {text: Hi, template: a, language: en}}"),
         5, 30, "message.fallback.text", "the other one"),
        (said("{ai: {}, fallback: {template: a, name: b, language: en}}"),
         5, 30, "message.fallback.template", "its name twice"),
        (changed("column", "colum", SHORT), 3, 17, "conversations.colum", "did you mean column?"),
        (changed("column: quoted", "include_closed: maybe", SHORT), 3, 33, "conversations.include_closed", "true or"),
        (changed("column: quoted", "column: ''", SHORT), 3, 25, "conversations.column", "empty"),
        (SHORT + "audience: {inactive_days: 60}\n", 6, 1, "audience", "kind follow_up has no audience"),
        (SHORT + "cart: {after: 1h}\n", 6, 1, "cart", "(abandoned_cart has)"),
        (SHORT + "stagse: []\n", 6, 1, "stagse", "did you mean stages?"),
    ],
)  # fmt: skip
def test_each_fault_is_reported_once_where_it_stands(text: str, line: int, column: int, field: str, words: str) -> None:
    """A fault in what is repeated is one problem at the file's own key."""
    found = [problem for problem in problems(text) if words in problem.text]
    assert [(problem.line, problem.column, problem.field) for problem in found] == [(line, column, field)], problems(
        text
    )


def test_faults_of_repeat_and_message_are_found_in_one_go() -> None:
    """A silence that cannot be read does not hide what is wrong with the message, nor the other way round."""
    found = problems(changed("2h", "0h", said("{text: '{nam} {coupon.code}', ai: {mode: x}}")))
    assert [problem.field for problem in found] == ["repeat.every", "message.text", "message.text", "message.ai.mode"]


def test_a_win_back_has_no_context_and_no_text_as_fallback() -> None:
    """What only a conversation can give is refused elsewhere."""
    text = """\
name: x
kind: win_back
audience: {inactive_days: 60}
stages:
  - after: 0d
    message:
      ai: {}
      template: {name: a, language: en, variables: {"1": "{ai.text}"}}
      fallback: {text: Hi}
"""
    assert "a win-back's fallback is a template" in only(text).text
    text = changed("{ai.text}", "{ai.text} {context.x}", changed("{text: Hi}", "{template: b, language: en}", text))
    assert "only a journey of kind follow_up" in only(text).text
