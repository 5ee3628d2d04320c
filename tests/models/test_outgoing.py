"""What others read of our events is what the document shows and the schemas say."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from models.enums import OutgoingKind
from models.outgoing import DATA, body_schema

_DOCUMENT = Path(__file__).parents[2] / "docs" / "webhooks.md"
SAMPLES = {
    found["type"]: found
    for found in (json.loads(one) for one in re.findall(r"```json\n(.*?)```", _DOCUMENT.read_text("utf-8"), re.DOTALL))
}


@pytest.mark.parametrize("kind", OutgoingKind)
def test_every_kind_has_a_true_sample_and_a_schema_that_is_named(kind: OutgoingKind) -> None:
    """The sample fits the schema with every key that there is, and the page leads to the schema."""
    sample = SAMPLES[kind.value]
    jsonschema.validate(sample, body_schema(kind), format_checker=jsonschema.FormatChecker())
    assert set(sample["data"]) == set(DATA[kind].model_fields)
    assert f"schemas/webhook.{kind.value}.json" in _DOCUMENT.read_text("utf-8")


def test_a_receiver_that_checks_the_schema_survives_a_new_key() -> None:
    """Keys are added with time: no schema forbids one that it does not know."""
    for kind in OutgoingKind:
        sample = json.loads(json.dumps(SAMPLES[kind.value]))
        sample["data"]["new"] = sample["new"] = 1
        jsonschema.validate(sample, body_schema(kind))
