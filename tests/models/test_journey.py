"""Tests of models.journey where it is used without a file, and of its reference in docs/."""

import json
import re
import textwrap
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from models import coupon, journey, message, sending
from models.cart import Cart
from models.conversations import Conversations
from models.definition import Strict
from models.enums import JourneyKind
from models.journey import COUPON_PRESETS, JourneyDefinition, MoneyRange, PersonalCoupon, Span, parse_definition_json
from models.journey_file import JourneyFileError, read_journey
from models.journey_wording import _KEYS, _TOP_KEYS
from models.placeholders import known_paths

EXAMPLES = Path(__file__).parents[2] / "examples"
REFERENCE = (Path(__file__).parents[2] / "docs" / "journey-file.md").read_text(encoding="utf-8")

PARTS: list[type[BaseModel]] = sorted(
    {
        thing
        for module in (coupon, journey, message, sending)
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Strict) and thing not in (Strict, Span)
    },
    key=lambda part: part.__name__,
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_the_reference_names_every_key(part: type[BaseModel]) -> None:
    """A key that the model takes is in a table of docs/journey-file.md."""
    in_tables = {
        key
        for line in REFERENCE.splitlines()
        if line.startswith("|")
        for key in re.findall(r"`([a-z_]+)`", "".join(line.split("|")[1:3]))
    }
    assert set(part.model_fields) <= in_tables


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_an_unknown_key_is_compared_with_the_keys_of_its_part(part: type[BaseModel]) -> None:
    """Each part's keys are known at one place of the file, so that a misspelled one finds its neighbour."""
    assert any(set(part.model_fields) <= set(known) for known in [*_KEYS.values(), *_TOP_KEYS.values()])


def test_the_reference_names_every_placeholder_and_every_kind() -> None:
    """What may stand in braces and after `kind:` is in docs/journey-file.md."""
    paths = {path for kind in JourneyKind for path in known_paths(kind)} | {"context.<key>"}
    assert all(f"`{{{path}}}`" in REFERENCE for path in paths)
    assert all(f"`{kind}`" in REFERENCE for kind in JourneyKind)


def test_the_reference_states_the_defaults() -> None:
    """A default in a table is the model's."""
    shared: list[type[BaseModel]] = [JourneyDefinition, PersonalCoupon, sending.SendingRules]
    own: dict[str, type[BaseModel]] = {"audience": journey.Audience, "conversations": Conversations, "cart": Cart}
    sections = dict.fromkeys(shared, REFERENCE)
    sections |= {part: REFERENCE.partition(f"`{key}`\n\n")[2] for key, part in own.items()}
    for part, section in sections.items():
        for key, field in part.model_fields.items():
            if isinstance(field.default, int | str | Span) and not isinstance(field.default, bool):
                row = next(line for line in section.splitlines() if line.startswith(f"| `{key}` |"))
                assert row.split("|")[4].strip(' `"') == str(field.default), key


def test_the_reference_states_the_presets() -> None:
    """The terms of each preset stand in its row."""
    for name, terms in COUPON_PRESETS.items():
        assert f"| `{name}` | {terms.percent} percent | {terms.valid_days} days |" in REFERENCE


def test_the_reference_shows_what_the_reader_says() -> None:
    """The wrong file of the last section gives exactly the lines that stand below it."""
    section = REFERENCE.partition("in one go.")[2]
    wrong, said = (textwrap.dedent(block) for block in re.findall(r"(?:^ {4}.*\n)+", section, re.MULTILINE))
    with pytest.raises(JourneyFileError) as raised:
        read_journey(wrong)
    assert str(raised.value) == said.strip()


RELEASED = {
    "win_back.yaml": "254ea09ee8a3e67de81047aef2bc4964c401a8f5f4668a2a6b356ce3583e93f0",
    "win_back_minimal.yaml": "a2424e20ff5d0cebe2508703dee5cc99a11ed1561a68ee41d934075727461bc6",
    "win_back_personal_coupon.yaml": "af3653f9229974cd644d9cb2711b33ef6bf7b05776a21475b62479fd743a308a",
}
"""What version 0.1.0 wrote into its databases for these files."""


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_a_released_win_back_keeps_its_hash(name: str) -> None:
    """A file that was launched before is no new version now, and its stored form is read as what it was."""
    definition = read_journey((EXAMPLES / name).read_text(encoding="utf-8"))
    assert definition.content_hash() == RELEASED[name]
    stored = json.dumps(json.loads(definition.model_dump_json()), sort_keys=True)
    assert parse_definition_json(stored).content_hash() == RELEASED[name]


@pytest.mark.parametrize("text", ["90m", "60h", "7d", "1mo", "0d"])
def test_a_span_is_its_own_text(text: str) -> None:
    """A length of time reads and writes the same text."""
    assert str(Span.model_validate(text)) == text


@pytest.mark.parametrize(
    "value", ["7", "d", "7 days", "1.5d", "-1d", "100000m", "121mo", 7, None, {"amount": -1, "unit": "d"}]
)
def test_what_is_no_span_is_refused(value: object) -> None:
    """A number without a unit, a fraction, a negative or an endless time is none."""
    with pytest.raises(ValidationError):
        Span.model_validate(value)


def test_money_is_compared_by_worth() -> None:
    """Trailing zeros do not make another definition."""
    assert MoneyRange(min=Decimal("5.00")).model_dump_json() == MoneyRange(min=Decimal(5)).model_dump_json()
    assert MoneyRange(max=Decimal(500)).model_dump(mode="json")["max"] == "500"


def test_a_definition_cannot_be_changed() -> None:
    """A version is for life: nothing assigns to it."""
    definition = read_journey((EXAMPLES / "win_back_minimal.yaml").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError):
        definition.priority = 1  # type: ignore[misc]  # that it is refused is the point
