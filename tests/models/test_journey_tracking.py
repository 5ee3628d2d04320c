"""Tests of tracking files."""

import json

import pytest

from models.enums import BuyingIntent
from models.journey import JourneyDefinition, Tracking, parse_definition_json
from models.journey_file import read_journey
from tests.models.journey_files import EXAMPLES, only, problems
from tests.models.test_journey import REFERENCE

TRACKING = "name: daily-review\nkind: tracking\n"
ISSUE = """\
name: daily-review
kind: tracking
run_at: "09:00"
weekdays: [mon, tue, wed, thu, fri]
window_hours: 24
sensitivity: medium
wait_days: 0
max_conversations: 200
watch_days: 7
restart_days: 90
max_attempts: 3
auto_send: false
instructions: "Do not offer discounts. Mention free shipping."
template: {name: tracking_note, language: es, variables: {"1": "{ai.text}"}}
sending: {hours: "08:00-22:00", time_zone: store}
"""


def tracking(text: str) -> Tracking:
    """The tracking journey that the text describes."""
    definition = read_journey(text)
    assert isinstance(definition, Tracking)
    return definition


def test_every_key_has_a_default() -> None:
    """A name and a kind make a review of every day, whose messages wait for approval."""
    definition = tracking(TRACKING)
    assert (definition.priority, definition.run_at, len(definition.weekdays)) == (55, "09:00", 7)
    assert (definition.needs_approval, definition.templates(), definition.control_percent) == (True, [], 0)
    assert (definition.watch_days, definition.attribution_days) == (7, 5)


def test_the_example_is_what_it_is_for() -> None:
    """The example writes its keys out and says what the short form means."""
    definition = tracking((EXAMPLES / "smart_tracking.yaml").read_text(encoding="utf-8"))
    assert definition == tracking(ISSUE)
    assert definition.content_hash() == tracking(ISSUE).content_hash()
    assert [one.name for one in definition.templates()] == ["tracking_note"]


def test_the_stored_form_is_read_back_as_it_was() -> None:
    """The definition's one stage stands in its JSON, though no file has it, and changes neither it nor its hash."""
    for text in (ISSUE, TRACKING, TRACKING + "watch_days: 3\nact: event\nauto_send: true\n"):
        definition = tracking(text)
        stored = definition.model_dump_json()
        assert len(json.loads(stored)["stages"]) == 1
        assert parse_definition_json(stored) == definition
        assert parse_definition_json(stored).content_hash() == definition.content_hash()


def test_attribution_fits_into_a_short_watch() -> None:
    """It is 5 days, or the watch where that is shorter; written out it must fit by itself."""
    assert tracking(TRACKING + "watch_days: 3\n").attribution_days == 3
    assert tracking(TRACKING + "watch_days: 30\n").attribution_days == 5
    assert only(TRACKING + "watch_days: 3\nattribution_days: 5\n").field == "watch_days"
    problem = only(TRACKING + "attribution_days: 9\n")
    assert (problem.line, problem.field) == (3, "watch_days")


@pytest.mark.parametrize(("written", "means"), [("9:00", "09:00"), ('"09:00"', "09:00"), ("00:00", "00:00")])
def test_a_time_of_day_needs_no_quotes(written: str, means: str) -> None:
    """9:00 is a time and not a number of minutes."""
    assert tracking(TRACKING + f"run_at: {written}\n").run_at == means


def test_the_sensitivity_takes_this_level_and_above() -> None:
    """No intent at all is never taken."""
    taken = {
        word: [intent.value for intent in BuyingIntent if tracking(TRACKING + f"sensitivity: {word}\n").takes(intent)]
        for word in ("low", "medium", "high")
    }
    assert taken == {"low": ["low", "medium", "high"], "medium": ["medium", "high"], "high": ["high"]}


def test_approval_is_asked_for_unless_both_say_no() -> None:
    """`auto_send` sends by itself, and the sending rules can still ask for approval."""
    assert not tracking(TRACKING + "auto_send: true\n").needs_approval
    assert tracking(TRACKING + "auto_send: true\nsending: {approval: required}\n").needs_approval


@pytest.mark.parametrize(
    ("line", "field", "words"),
    [
        ("run_at: 25:00", "run_at", "times run from 00:00 to 23:59"),
        ("run_at: 09:60", "run_at", "no time of day"),
        ('run_at: "09:00:30"', "run_at", "has seconds"),
        ("run_at: 24:00", "run_at", 'write run_at: "00:00"'),
        ("run_at: 9am", "run_at", 'such as run_at: "09:00"'),
        ("run_at: [9]", "run_at", "expected a text"),
        ("weekdays: []", "weekdays", "no run would ever begin"),
        ("weekdays: [mon, mon]", "weekdays", "mon is named more than once"),
        ("weekdays: [monday]", "weekdays[0]", "did you mean mon?"),
        ("window_hours: 36", "window_hours", "write one of 12, 24, 48, 72"),
        ("window_hours: 24h", "window_hours", "did you mean 24?"),
        ("sensitivity: none", "sensitivity", "write one of low, medium, high"),
        ("wait_days: 31", "wait_days", "the most is 30"),
        ("watch_days: 31", "watch_days", "the most is 30"),
        ("restart_days: 29", "restart_days", "the least is 30"),
        ("act: mesage", "act", "did you mean message?"),
        ("auto_send: maybe", "auto_send", "expected true or false"),
        ('instructions: ""', "instructions", "empty"),
        ("template: tracking_note", "template", "expected keys with values"),
        ("template: {name: a, language: es}", "template", "no variable of the template shows what the model writes"),
        (
            'template: {name: a, language: es, variables: {"1": "{ai.text} {coupon.code}"}}',
            "template.variables.1",
            "a tracking journey has no coupon",
        ),
        (
            'template: {name: a, language: es, variables: {"1": "{ai.text} {context.x}"}}',
            "template.variables.1",
            "only a journey of kind follow_up",
        ),
        ('template: {nam: a, name: a, language: es, variables: {"1": "{ai.text}"}}', "template.nam", "mean name?"),
        ("stages: []", "stages", "one message, which is written for each conversation"),
        ("coupon: {code: A}", "coupon", "a tracking journey has no coupon"),
        ("audience: {inactive_days: 3}", "audience", "a journey of kind tracking has no audience (win_back has)"),
        ("repeat: {every: 2h, times: 3}", "repeat", "a journey of kind tracking has no repeat"),
        ('hours: "08:00-12:00"', "hours", "stands under sending"),
        ("conversations: {column: x}", "conversations.column", "only a follow_up has column"),
        ("conversations: {consnt: x}", "conversations.consnt", "did you mean consent?"),
        ('sending: {hours: "08:00-25:00"}', "sending.hours", "25:00 is no time of day"),
        ("run_att: 09:00", "run_att", "did you mean run_at?"),
        ("stage: []", "stage", "unknown key; known are act"),
    ],
)
def test_a_fault_has_its_line_and_a_sentence(line: str, field: str, words: str) -> None:
    """Each stands alone, at its own place, in words for whoever wrote the file."""
    problem = only(f"{TRACKING}{line}\n")
    assert (problem.line, problem.field) == (3, field)
    assert words in problem.text


def test_all_faults_are_named_at_once() -> None:
    """One reading finds them all, in the order of the file."""
    found = problems(
        TRACKING + "run_at: 25:00\nstages: []\nwindow_hours: 5\ntemplate: {name: a, language: es}\ncoupon: {code: A}\n"
    )
    assert [one.field for one in found] == ["run_at", "stages", "window_hours", "template", "coupon"]


def test_a_file_without_a_kind_is_known_by_its_keys() -> None:
    """A forgotten kind is the one problem, also beside `conversations`, which a follow-up has too."""
    problem = only("name: a\nrun_at: 09:00\nconversations: {control_percent: 5}\n")
    assert "such as kind: tracking" in problem.text


def test_the_reference_states_the_defaults() -> None:
    """A default in the table of the review's keys is the model's."""
    section = REFERENCE.partition("## A daily review: `tracking`\n")[2]
    for key, field in Tracking.model_fields.items():
        if isinstance(field.default, int | str) and (key not in JourneyDefinition.model_fields or key == "watch_days"):
            row = next(line for line in section.splitlines() if line.startswith(f"| `{key}` |"))
            assert row.split("|")[4].strip(' `"') == str(field.default).replace("False", "false"), key


def test_a_key_of_the_sending_rules_is_told_where_it_stands() -> None:
    """The run's own weekdays are no key of the other kinds, whose days stand under `sending`."""
    text = "name: a\nkind: follow_up\nrepeat: {every: 2h, times: 1}\nweekdays: [mon]\n"
    assert only(text).text == "weekdays stands under sending"
