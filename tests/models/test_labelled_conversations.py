"""Files of labelled conversations: the one that comes with the project, and ones that are wrong."""

import json
import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from models.enums import BuyingIntent, SaleStanding
from models.labelled_conversations import LabelledFileError, read_labelled

EXAMPLES = Path(__file__).parents[2] / "examples" / "labelled_conversations.jsonl"
GOOD: dict[str, Any] = {
    "id": "a-1",
    "language": "pt_BR",
    "about": "why",
    "messages": [{"from": "customer", "text": "Oi", "hours_ago": 3}, {"from": "agent", "text": "Oi!"}],
    "expected": {"intent": "none", "sale": "open", "asked_to_stop": False},
}


def test_a_conversation_is_read_with_its_label(tmp_path: Path) -> None:
    """Byte order mark, blank lines and Windows line ends are no problem."""
    file = tmp_path / "one.jsonl"
    file.write_bytes(b"\xef\xbb\xbf\r\n" + json.dumps(GOOD).encode() + b"\r\n\n")
    (one,) = read_labelled(file)
    assert (one.id, one.language, one.expected.intent) == ("a-1", "pt_BR", BuyingIntent.NONE)
    assert [(message.sender, message.hours_ago) for message in one.messages] == [("customer", 3), ("agent", None)]


def test_every_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    """All problems of all lines come in one go, without a word of what was written."""
    secret = "Ana's secret"
    lines = [
        json.dumps(GOOD),
        "{",
        json.dumps([secret]),
        json.dumps(GOOD | {"expected": {"intent": "hot", "sale": "open"}}),
        json.dumps(GOOD | {"id": "b", "expected": {"intent": "low", "sale": "open", "asked_to_stop": "no"}}),
        json.dumps(GOOD | {"id": "c", "messages": [{"from": "agent", "text": secret}]}),
        json.dumps(GOOD | {"id": "d", "messages": [{"frm": "agent", "text": secret}]}),
        json.dumps(GOOD | {"id": "e", "language": "Portuguese"}),
        json.dumps(GOOD),
        json.dumps(GOOD | {"id": "f", "messages": []}),
    ]
    file = tmp_path / "bad.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(LabelledFileError) as caught:
        read_labelled(file)
    told = str(caught.value)
    assert told.startswith("bad.jsonl: 9 lines cannot be used")
    for expected in (
        "line 2: the line is no JSON",
        "line 3: the line is no JSON object",
        "line 4: expected.intent must be 'none', 'low', 'medium' or 'high'",
        "line 4: expected.asked_to_stop is missing",
        "line 5: expected.asked_to_stop: ",
        "line 6: messages: none of them is the customer's",
        "line 7: messages.1.from is missing",
        "line 7: messages.1.frm is unknown; did you mean from?",
        "line 8: language: a language is written as WhatsApp does",
        "line 9: the id a-1 stands in line 1 already",
        "line 10: messages: it needs at least 1",
    ):
        assert expected in told, told
    assert secret not in told


@pytest.mark.parametrize("content", [None, b"", b"\n \n"])
def test_a_file_without_a_conversation_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """Neither a file that is missing nor an empty one is evaluated."""
    file = tmp_path / "none.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LabelledFileError, match=r"none\.jsonl (cannot be read|holds no conversation)"):
        read_labelled(file)


def test_the_projects_own_file_is_balanced() -> None:
    """Twenty in each of three languages, every word of every label, opt-outs, attacks and long enough to be real."""
    found = read_labelled(EXAMPLES)
    assert Counter(one.language for one in found) == {"en": 20, "es": 20, "pt": 20}
    for language in ("en", "es", "pt"):
        labels = [one.expected for one in found if one.language == language]
        intents = Counter(label.intent for label in labels)
        assert all(intents[intent] >= 2 for intent in BuyingIntent), intents
        assert {label.sale for label in labels} == set(SaleStanding)
        assert sum(label.asked_to_stop for label in labels) >= 2
        assert sum(label.intent is not BuyingIntent.NONE and label.sale is SaleStanding.OPEN for label in labels) >= 10
    attacks = [one for one in found if re.match(r"inje|inyec", one.about or "")]
    assert len(attacks) == 6
    assert all(one.about for one in found)
    assert sum(len(one.messages) for one in found) > 150


def test_no_two_of_them_are_alike() -> None:
    """Variations of one conversation would count one judgement many times."""
    said = {one.id: " ".join(message.text for message in one.messages) for one in read_labelled(EXAMPLES)}
    for first, second in combinations(said, 2):
        matcher = SequenceMatcher(None, said[first], said[second], autojunk=False)
        assert matcher.real_quick_ratio() < 0.7 or matcher.quick_ratio() < 0.75 or matcher.ratio() < 0.6, (
            first,
            second,
        )


def test_nobody_in_it_can_be_reached() -> None:
    """No phone numbers, addresses or links."""
    text = EXAMPLES.read_text("utf-8")
    assert not re.search(r"\+?\d[\d ]{7,}\d|@|https?:|www\.", text)
