"""Tests of models.journey_file: what is accepted, and every kind of problem with its place."""

import pytest

from models.journey import FixedCoupon, PersonalCoupon, Weekday, parse_definition_json
from models.journey_file import JourneyFileError, read_journey, read_journey_bytes
from tests.models.journey_files import AI, EXAMPLES, HEAD, changed, message, only, problems, variables


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_every_example_is_a_journey(name: str) -> None:
    """The files that people copy are valid and survive being stored as JSON."""
    definition = read_journey_bytes((EXAMPLES / name).read_bytes())
    assert parse_definition_json(definition.model_dump_json()) == definition


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
    ("keys", "likely"),
    [
        ("audience: {inactive_days: 60, colum: x}", "win_back"),
        ("conversations: {colum: x}", "follow_up"),
        ("cart: {colum: x}", "abandoned_cart"),
    ],
)
def test_a_file_without_a_kind_is_read_as_the_kind_that_it_looks_like(keys: str, likely: str) -> None:
    """A forgotten kind is one problem, and the rest is checked by the kind that has these keys."""
    stages = "stages:\n  - after: 1d\n    message: {template: a, language: en}\n"
    missing, unknown = problems(f"name: x\n{keys}\n{stages}")
    assert (missing.line, missing.field) == (1, "kind")
    assert f"kind: {likely}" in missing.text
    assert unknown.line == 2
    assert "unknown key" in unknown.text


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
