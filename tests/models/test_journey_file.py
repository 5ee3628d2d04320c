"""Tests of models.journey_file: what is accepted, and every kind of problem with its place."""

from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.journey import FixedCoupon, JourneyDefinition, PersonalCoupon, Weekday
from models.journey_file import JourneyFileError, Problem, read_journey, read_journey_bytes

EXAMPLES = Path(__file__).parents[2] / "examples"

HEAD = """\
name: hello
kind: win_back
audience:
  inactive_days: 60
stages:
  - after: 0d
    message: {template: winback_hello, language: en, variables: {"1": "{customer.first_name|friend}"}}
"""
"""A whole journey of seven lines; tests append to it or replace in it."""

AI = """\
name: hello
kind: win_back
audience: {inactive_days: 60}
stages:
  - after: 0d
    message:
      ai: {mode: smart}
      template: {name: winback_note, language: en, variables: {"1": "{ai.text}"}}
      fallback: {template: winback_hello, language: en}
"""


def problems(text: str) -> list[Problem]:
    """What the reader says of a text that is no journey."""
    with pytest.raises(JourneyFileError) as raised:
        read_journey(text)
    return raised.value.problems


def only(text: str) -> Problem:
    """The one problem of a text that has one."""
    found = problems(text)
    assert len(found) == 1, found
    return found[0]


def changed(old: str, new: str, text: str = HEAD) -> str:
    """The text with one piece replaced, which must be there."""
    assert text.count(old) == 1
    return text.replace(old, new)


def message(body: str) -> str:
    """A journey whose one message is this flow mapping, in line 7."""
    return HEAD[: HEAD.index("    message:")] + f"    message: {body}\n"


def variables(body: str) -> str:
    """A journey whose one template has these variables, in line 7."""
    return message(f"{{template: a, language: en, variables: {body}}}")


@pytest.mark.parametrize("name", ["win_back.yaml", "win_back_minimal.yaml", "win_back_personal_coupon.yaml"])
def test_every_example_is_a_journey(name: str) -> None:
    """The files that people copy are valid and survive being stored as JSON."""
    definition = read_journey_bytes((EXAMPLES / name).read_bytes())
    assert JourneyDefinition.model_validate_json(definition.model_dump_json()) == definition


def test_no_example_goes_untested() -> None:
    """The list above names all win-back examples."""
    assert {path.name for path in EXAMPLES.glob("win_back*.yaml")} == {
        "win_back.yaml",
        "win_back_minimal.yaml",
        "win_back_personal_coupon.yaml",
    }


def test_short_and_long_form_of_a_template_mean_the_same() -> None:
    """Both spellings, defaults spelled out or not, give the same content hash."""
    long = message(
        '{template: {name: winback_hello, language: en, variables: {1: "{customer.first_name|friend}"}}}'
    ).replace("kind: win_back", "kind: win_back\npriority: 50\nsending: {hours: '8:00-22:00'}")
    assert read_journey(long) == read_journey(HEAD)
    assert read_journey(long).content_hash() == read_journey(HEAD).content_hash()
    assert read_journey(changed("60", "61")).content_hash() != read_journey(HEAD).content_hash()


def test_values_are_what_they_look_like() -> None:
    """Nothing is taken for a truth value, a number in base sixty or an octal number."""
    definition = read_journey(HEAD + "coupon: {code: 0123}\nsending:\n  hours: 08:00-22:00\n  weekdays: [mon, sun]\n")
    assert definition.coupon == FixedCoupon(code="0123")
    assert definition.sending.weekdays == (Weekday.MON, Weekday.SUN)
    assert read_journey(changed("name: hello", "name: no")).name == "no"
    assert read_journey("%YAML 1.1\n---\n" + changed("name: hello", "name: on")).name == "on"


def test_a_preset_is_resolved() -> None:
    """A preset stands for its terms; no coupon stays no coupon."""
    assert read_journey(HEAD + "coupon: {preset: strong}").resolved_coupon() == PersonalCoupon(percent=20, valid_days=7)
    assert read_journey(HEAD).resolved_coupon() is None


def test_business_hours_keep_working_days() -> None:
    """`business` takes Saturday and Sunday off the days that are named."""
    definition = read_journey(HEAD + "sending: {hours: business, weekdays: [sun, fri, mon]}")
    assert definition.sending.open_weekdays() == (Weekday.MON, Weekday.FRI)
    assert definition.sending.weekdays == (Weekday.MON, Weekday.FRI, Weekday.SUN)
    assert str(definition.sending.opening()) == "08:00-18:00"


def test_templates_are_listed_once_with_fallbacks() -> None:
    """A template in one language is one entry."""
    again = "  - after: 1d\n    message: {template: winback_hello, language: en, variables: {1: x}}\n"
    definition = read_journey(AI + again)
    assert [template.name for template in definition.templates()] == ["winback_note", "winback_hello"]
    assert definition.templates()[1].variables == {}
    assert definition.message_count == 2


@pytest.mark.parametrize(
    ("text", "line", "column", "field", "words"),
    [
        # the YAML itself
        ("", 1, 1, "", "is empty"),
        ("# nothing\n", 1, 1, "", "is empty"),
        ("- a\n", 1, 1, "", "found a list"),
        ("hello\n", 1, 1, "", "found a single text"),
        ("name: hello\nkind: [", 2, 8, "", "not valid YAML"),
        ("name: hello\n\tkind: x", 2, 1, "", "a tab"),
        ("name: say: it", 1, 10, "", "in quotes"),
        ("name: hello\nkind: {a} b", 2, 11, "", "in quotes"),
        ("name: hello\x07", 1, 12, "", "U+0007"),
        ("a: b\n---\nc: d\n", 2, 1, "", "second document"),
        ("a: " + "[" * 30, 1, 23, "", "nested more than 20 deep"),
        ('a: "\\UFFFFFFFF"', 1, 1, "", "not valid YAML"),
        (HEAD + "name: again\n", 8, 1, "name", "twice, here and in line 1"),
        (changed('"1": ', '1: x, "1": '), 7, 72, "stages[0].message.variables.1", "twice, here and in line 7"),
        (changed("inactive_days: 60", "inactive_days: &days 60"), 4, 18, "audience.inactive_days", "&days names"),
        (HEAD + "watch_days: *days\n", 8, 13, "watch_days", "*days repeats"),
        (HEAD + "watch_days: !!int 5\n", 8, 13, "watch_days", "YAML tag"),
        (HEAD + "sending: !!python/object:os.system {}\n", 8, 10, "sending", "YAML tag"),
        (HEAD + "? [a]\n: b\n", 8, 3, "", "a key is a plain word"),
        (changed("hello\n", '"\\ud800"\n'), 1, 7, "name", "half a character"),
        (changed("hello\n", '"\\0"\n'), 1, 7, "name", "control character"),
        # keys
        (HEAD + "priorty: 5\n", 8, 1, "priorty", "did you mean priority?"),
        (HEAD + "sending:\n  Hours: business\n", 9, 3, "sending.Hours", "did you mean hours?"),
        (HEAD + "zzz: 5\n", 8, 1, "zzz", "known are attribution_days, audience"),
        (changed("language", "langauge"), 7, 5, "stages[0].message.language", "missing"),
        (changed("name: hello\n", ""), 1, 1, "name", "name is missing"),
        (changed("  inactive_days: 60", "  {}"), 3, 1, "audience.inactive_days", "missing"),
        (changed("after: 0d\n    ", ""), 6, 5, "stages[0].after", "after is missing"),
        (message("{language: en}"), 7, 15, "stages[0].message.language", "goes with the short form"),
        (message("{template: {name: a, language: en}, language: en}"), 7, 50, "stages[0].message.language", "inside"),
        (HEAD + "coupon: {code: A, valid_days: 3}", 8, 19, "coupon.valid_days", "this form of coupon"),
        # kinds of values
        (changed("60", "sixty"), 4, 18, "audience.inactive_days", "expected a whole number, found 'sixty'"),
        (changed("60", "6.5"), 4, 18, "audience.inactive_days", "whole number"),
        (changed("60", "9" * 5000), 4, 18, "audience.inactive_days", "whole number"),
        (changed(" 60", ""), 4, 3, "audience.inactive_days", "found nothing"),
        (changed("60", "[60]"), 4, 3, "audience.inactive_days", "found a list"),
        (changed("60", "0"), 4, 18, "audience.inactive_days", "too little; the least is 1"),
        (changed("60", "4000"), 4, 18, "audience.inactive_days", "too much; the most is 3650"),
        (changed("\n  inactive_days: 60", " soon"), 3, 11, "audience", "expected keys with values"),
        (changed("hello\n", "Hello\n"), 1, 7, "name", "letters, digits and hyphens"),
        (changed("hello\n", "x" * 64 + "\n"), 1, 7, "name", "at most 63"),
        (changed("win_back\n", "winback\n"), 2, 7, "kind", "write win_back"),
        (changed("win_back\n", "{a: b}\n"), 2, 1, "kind", "write win_back"),
        (changed("after: 0d", "after: [0d]"), 6, 5, "stages[0].after", "this is no length of time"),
        (changed("language: en", "language: en-US"), 7, 50, "stages[0].message.language", "pt_BR"),
        (changed("winback_hello", "Hello!"), 7, 25, "stages[0].message.template", "underscores"),
        (HEAD + "sending: {time_zone: shop}", 8, 22, "sending.time_zone", "one of recipient, store"),
        (HEAD + "sending: {weekdays: mon}", 8, 21, "sending.weekdays", "expected a list"),
        (HEAD + "sending: {weekdays: [mon, Tuesday]}", 8, 27, "sending.weekdays[1]", "did you mean tue?"),
        # times
        (changed("0d", "-3d"), 6, 12, "stages[0].after", "is negative"),
        (changed("0d", "3"), 6, 12, "stages[0].after", "no length of time"),
        (changed("0d", "9999mo"), 6, 12, "stages[0].after", "too long"),
        (changed("0d", "{amount: 9999, unit: mo}"), 6, 33, "stages[0].after.unit", "too long"),
        (changed(" 0d", ""), 6, 5, "stages[0].after", "nothing is no length of time"),
        (HEAD + "sending: {hours: 08:00-25:00}", 8, 18, "sending.hours", "25:00 is no time"),
        (HEAD + "sending: {hours: 08:00-08:00}", 8, 18, "sending.hours", "never open"),
        (HEAD + "sending:\n  weekdays: []", 9, 3, "sending.weekdays", "at least one day"),
        (HEAD + "sending: {weekdays: [mon, mon]}", 8, 11, "sending.weekdays", "mon is named more than once"),
        (HEAD + "sending: {hours: business, weekdays: [sat]}", 8, 28, "sending.weekdays", "Monday to Friday"),
        (HEAD + "attribution_days: 5\nwatch_days: 3", 9, 13, "watch_days", "below attribution_days"),
        (HEAD + "attribution_days: 9", 8, 19, "watch_days", "watch at least 9 days"),
        # audience
        (changed("60", "60\n  inactive_days_max: 59"), 5, 22, "audience.inactive_days_max", "nobody can qualify"),
        (
            changed("60", "60\n  last_order_total: {min: 20, max: 19.99}"),
            5, 36, "audience.last_order_total.max", "max (19.99) is below min (20)",
        ),
        (changed("60", "60\n  last_order_total: {}"), 5, 3, "audience.last_order_total.max", "the range is empty"),
        (changed("60", "60\n  last_order_total: {min: 1e99}"), 5, 27, "audience.last_order_total.min", "nine digits"),
        (changed("60", "60\n  last_order_total: {min: NaN}"), 5, 27, "audience.last_order_total.min", "amount"),
        (changed("60", "60\n  last_order_total: {min: much}"), 5, 27, "audience.last_order_total.min", "amount"),
        # coupon
        (HEAD + "coupon: {}", 8, 1, "coupon.amount", "worth nothing"),
        (HEAD + "coupon: {percent: 5, amount: 5}", 8, 30, "coupon.amount", "both percent and amount"),
        (HEAD + "coupon: {code: A, percent: 5}", 8, 1, "coupon", "has code and percent"),
        (HEAD + "coupon: {code: COME-BACK}", 8, 16, "coupon.code", "letters and digits"),
        (HEAD + "coupon: {code: SIXTEENLETTERS16}", 8, 16, "coupon.code", "at most 15"),
        (HEAD + "coupon: {percent: 5, prefix: EIGHTLET}", 8, 30, "coupon.prefix", "1 to 7 capital letters"),
        (HEAD + "coupon: {percent: 101}", 8, 19, "coupon.percent", "the most is 100"),
        (HEAD + "coupon: {amount: 0}", 8, 18, "coupon.amount", "more than 0"),
        (HEAD + "coupon: {preset: gentel}", 8, 18, "coupon.preset", "did you mean gentle?"),
        (HEAD + "coupon: TEN", 8, 9, "coupon", "keys with values"),
        (variables('{"1": "{coupon.code}"}'), 7, 59, "stages[0].message.variables.1", "has no coupon"),
        (
            HEAD + "  - after: 1d\n    message: {text: '{coupon.expires_on}', template: {name: a, language: en}}\n",
            9, 21, "stages[1].message.text", "has no coupon",
        ),
        (
            variables('{"1": "{coupon.expires_on}"}') + "coupon: {code: A}",
            7, 59, "stages[0].message.variables.1", "a fixed code has no date",
        ),
        # messages
        (message("{}"), 7, 5, "stages[0].message.template", "says nothing"),
        (message("{text: Hi}"), 7, 5, "stages[0].message.template", "text needs a template"),
        (message("{text: Hi, template: a, language: en, fallback: {name: b, language: en}}"),
         7, 52, "stages[0].message.fallback", "the message has no ai"),
        (message(f"{{text: {'x' * 4097}, template: a, language: en}}"),
         7, 21, "stages[0].message.text", "most is 4096"),
        (message("{text: '{ai.text}', template: a, language: en}"), 7, 21, "stages[0].message.text", "with ai only"),
        (message("{text: 'Hi {', template: a, language: en}"), 7, 21, "stages[0].message.text", "not closed"),
        (message("{text: 'Hi {}', template: a, language: en}"), 7, 21, "stages[0].message.text", "names nothing"),
        (message("{text: 'Hi {name}', template: a, language: en}"), 7, 21, "stages[0].message.text", "nothing fills"),
        (changed("      fallback: {template: winback_hello, language: en}\n", "", AI),
         6, 5, "stages[0].message.fallback", "ai needs a fallback"),
        (changed('      template: {name: winback_note, language: en, variables: {"1": "{ai.text}"}}\n', "", AI),
         6, 5, "stages[0].message.template", "ai needs a template"),
        (changed("{ai.text}", "Hello", AI), 8, 7, "stages[0].message.template", "shows what the model writes"),
        (changed("winback_hello, language: en", 'b, language: en, variables: {1: "{ai.text}"}', AI),
         9, 60, "stages[0].message.fallback.variables.1", "the fallback cannot use"),
        (changed("mode: smart", "mode: goal", AI), 7, 7, "stages[0].message.ai.goal", "needs a goal"),
        (changed("mode: smart", "mode: smart, goal: x", AI), 7, 31, "stages[0].message.ai.goal", "mode: goal only"),
        (changed("mode: smart", "mode: clever", AI), 7, 18, "stages[0].message.ai.mode", "smart, goal"),
        (changed("ai: {mode: smart}", "ai: {mode: smart}\n      text: Hi", AI),
         7, 7, "stages[0].message.ai", "both text and ai"),
        (variables('{"1": "{ai.text}"}'), 7, 59, "stages[0].message.variables.1", "nothing fills {ai.text}"),
        (variables('{"1": "{customer.frist_name}"}'), 7, 59, "stages[0].message.variables.1", "customer.first_name?"),
        (variables('{"1": {customer.first_name|friend}}'), 7, 54, "stages[0].message.variables.1", "in quotes"),
        (variables('{"1": a, "3": b}'), 7, 42, "stages[0].message.variables", "leaves out variable 2"),
        (variables('{"1": a, name: b}'), 7, 42, "stages[0].message.variables", "mixes counted variables"),
        (variables('{"First Name": b}'), 7, 68, "stages[0].message.variables.First Name", "names no variable"),
        (variables('{"0": b}'), 7, 59, "stages[0].message.variables.0", "names no variable"),
        (variables('{"1": ""}'), 7, 59, "stages[0].message.variables.1", "empty variable"),
        (variables('{"1": }'), 7, 54, "stages[0].message.variables.1", "found nothing"),
        (variables('{"1": "a\\nb"}'), 7, 59, "stages[0].message.variables.1", "line break"),
        (variables('{"1": "a\\tb"}'), 7, 59, "stages[0].message.variables.1", "a tab"),
        (variables('{"1": "a     b"}'), 7, 59, "stages[0].message.variables.1", "four spaces"),
        (variables(f'{{"1": "{"x" * 1025}"}}'), 7, 59, "stages[0].message.variables.1", "1025 characters"),
        (changed("stages:", "stages: []\nx:"), 5, 1, "stages", "0 stages; it takes 1 to 30"),
        (HEAD + HEAD[HEAD.index("  - after") :] * 30, 5, 1, "stages", "31 stages; it takes 1 to 30"),
    ],
)  # fmt: skip
def test_each_problem_has_its_place_and_its_words(text: str, line: int, column: int, field: str, words: str) -> None:
    """Every rule of a journey file, broken once, is reported where its author has to look."""
    found = [problem for problem in problems(text) if words in problem.text]
    assert [(problem.line, problem.column, problem.field) for problem in found] == [(line, column, field)], problems(
        text
    )


@pytest.mark.parametrize("kind", ["follow_up", "abandoned_cart", "tracking"])
def test_a_kind_of_a_later_version_is_the_only_problem(kind: str) -> None:
    """The keys of another kind mean nothing here, so nothing is said of them."""
    problem = only(f"name: X\nkind: {kind}\nrepeat: {{every: 2h, times: 3}}\n")
    assert (problem.line, problem.column, problem.field) == (2, 7, "kind")
    assert "not available in this version" in problem.text


def test_every_problem_is_reported_in_the_order_of_the_file() -> None:
    """Faults of the YAML, of single values, between values and of a missing coupon come out of one run."""
    text = """\
name: Hello
kind: win_back
audience: {inactive_days: 60, inactive_days_max: 30}
audience: {inactive_days: 60}
stages:
  - after: -1d
    message: {template: a, language: en, variables: {"1": "{coupon.code}"}}
  - after: 1d
    message: {ai: {mode: goal}}
watch_days: 1
"""
    assert [(problem.line, problem.field) for problem in problems(text)] == [
        (1, "name"),
        (3, "audience.inactive_days_max"),
        (4, "audience"),
        (6, "stages[0].after"),
        (7, "stages[0].message.variables.1"),
        (9, "stages[1].message.fallback"),
        (9, "stages[1].message.template"),
        (9, "stages[1].message.ai.goal"),
        (10, "watch_days"),
    ]


def test_the_limits_of_whatsapp_are_inclusive() -> None:
    """The longest text, variable, gap and code are accepted."""
    read_journey(message(f"{{text: {'x' * 4096}, template: a, language: en}}"))
    read_journey(variables(f'{{"1": "{"x" * 1024}"}}'))
    read_journey(variables('{"1": "a    b"}'))
    read_journey(HEAD + "coupon: {code: FIFTEENLETTERSX}")
    read_journey(HEAD + "coupon: {amount: 5.00, prefix: SEVENLT}")
    read_journey(HEAD + HEAD[HEAD.index("  - after") :] * 29)


def test_the_error_says_everything_in_one_text() -> None:
    """The exception's own text is what the command line prints."""
    with pytest.raises(JourneyFileError) as raised:
        read_journey(changed("60", "sixty"))
    assert str(raised.value) == ("line 4, column 18: audience.inactive_days: expected a whole number, found 'sixty'")


def test_a_flood_of_problems_is_cut_and_counted() -> None:
    """A file that is something else does not print thousands of lines."""
    found = problems("".join(f"k{number}: x\n" for number in range(500)))
    assert len(found) == 201
    assert "and 304 more" in found[-1].text


def test_a_spoiled_value_is_one_problem() -> None:
    """An alias is refused once; that nothing stands in its place is not said as well."""
    assert "repeats a value" in only(changed("60", "*days")).text


def test_instructions_to_the_model_are_not_filled() -> None:
    """Braces in them are plain text; a variable that happens to be called ai is filled like any other."""
    read_journey(changed("mode: smart", "mode: goal, goal: 'mention {coupon.code}', extra: 'not {this'", AI))
    assert "has no coupon" in only(variables('{ai: "{coupon.code}"}')).text


def test_a_large_file_is_refused_unread() -> None:
    """More than 256 KiB is no journey."""
    assert "at most 262,144" in only("#" * 262_145).text
    with pytest.raises(JourneyFileError):
        read_journey_bytes(b"#" * 262_145)


def test_bytes_that_are_not_utf8_have_a_place() -> None:
    """The first byte that is not UTF-8 is named by line and column."""
    with pytest.raises(JourneyFileError) as raised:
        read_journey_bytes("name: hello\nkind: café".encode("latin-1"))
    assert [(problem.line, problem.column) for problem in raised.value.problems] == [(2, 10)]


def test_a_byte_order_mark_is_no_problem() -> None:
    """Files from Windows editors are read."""
    assert read_journey_bytes(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode()) == read_journey(HEAD)
    assert read_journey("\ufeff" + HEAD) == read_journey(HEAD)


_SCRAPS = st.lists(
    st.sampled_from(
        [*HEAD.splitlines(keepends=True), *AI.splitlines(keepends=True), "coupon: {code: A}\n",
         "{", "}", "[", "- ", ": ",
         "&a ", "*a ", "!!int ", "? ", "|\n", "'", '"', "\t", "\n", "---\n", "...\n", "%YAML 1.1\n", "<<: ", "\\ud83d",
         "1e9",
         "{ai.text}", "{coupon.code}", "#", "  ", "@", "`", ">", "null", "~", "\r", "\x85", "\u2028", "%TAG ! x\n"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@st.composite
def _damaged_examples(draw: st.DrawFn) -> str:
    """An example with a few pieces cut out, doubled or put in, which gets past the parser more often than noise."""
    text = draw(st.sampled_from([path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        text = text[:start] + draw(st.one_of(_SCRAPS, st.just(text[start:end] * 2), st.just(""))) + text[end:]
    return text


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.binary(max_size=200), _SCRAPS.map(str.encode), st.text(max_size=80).map(lambda text: text.encode()))
)
@example(b"\xff\xfe")
@example(b"%YAML 9.9\n---\na: b")
@example(b"audience: {last_order_total: {min: 0e999999999}}")
@example(b"audience: {last_order_total: {min: 1e-999999999}}")
@example(b"a: !<tag> {}")
def test_any_bytes_are_a_journey_or_a_journey_file_error(data: bytes) -> None:
    """Nothing else ever comes out, and every problem has a place inside or just behind the file."""
    try:
        read_journey_bytes(data)
    except JourneyFileError as error:
        found = error.problems
    else:
        return
    assert found
    assert found == sorted(found)
    for problem in found:
        assert min(problem.line, problem.column) >= 1
        assert problem.text
