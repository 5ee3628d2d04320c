"""What each error of the Cloud API leads to."""

import json
from pathlib import Path

import pytest

from policies.whatsapp_reactions import KNOWN_CODES, Reaction, explain, reaction_for

CATALOGUE = Path(__file__).parents[2].parent / "shared" / "reference" / "whatsapp_error_codes.json"
CLASSES = {
    "RETRY_SOON": Reaction.RETRY_SOON,
    "RETRY_24H": Reaction.RETRY_24H,
    "WINDOW_CLOSED": Reaction.WINDOW_CLOSED,
    "RECIPIENT_OPTOUT": Reaction.RECIPIENT_OPTOUT,
    "RECIPIENT_PERMANENT": Reaction.RECIPIENT_PERMANENT,
    "RECIPIENT_COOLDOWN": Reaction.RECIPIENT_COOLDOWN,
    "TEMPLATE_PAUSED": Reaction.TEMPLATE_HELD,
    "TEMPLATE_DEAD": Reaction.TEMPLATE_DEAD,
    "REQUEST_BUG": Reaction.REQUEST_BUG,
    "SENDER_PAUSE": Reaction.SENDER_PAUSED,
    "AUTH_FATAL": Reaction.CREDENTIAL_FATAL,
    "IGNORE": Reaction.UNKNOWN_OUTCOME,
}


def react(code: int | None, *, subcode: int | None = None, status: int = 400, transient: bool = False) -> Reaction:
    """The reaction to one error."""
    return reaction_for(code, subcode, status, transient)


def test_the_table_agrees_with_the_catalogue() -> None:
    """Every code of the reference has the reaction of its class, and no other code is in the table."""
    if not CATALOGUE.exists():
        pytest.skip("the reference files are not here")
    rows = json.loads(CATALOGUE.read_text())
    assert {row["code"] for row in rows} == KNOWN_CODES
    wrong = {
        row["code"]: (row["cls"], react(row["code"], status=row["http"]))
        for row in rows
        if react(row["code"], status=row["http"]) is not CLASSES[row["cls"]]
    }
    assert wrong == {}


def test_a_known_code_means_the_same_whatever_the_http_status() -> None:
    """Meta changes statuses; a failed status webhook has none."""
    for code in KNOWN_CODES:
        assert (
            len({react(code, status=status, transient=t) for status in (0, 200, 400, 500) for t in (True, False)}) == 1
        )


@pytest.mark.parametrize(
    ("code", "subcode", "expected"),
    [
        (100, None, Reaction.REQUEST_BUG),
        (100, 33, Reaction.CREDENTIAL_FATAL),
        (100, 2494010, Reaction.REQUEST_BUG),
        (131049, None, Reaction.RETRY_24H),
        (131050, None, Reaction.RECIPIENT_OPTOUT),
        (131047, None, Reaction.WINDOW_CLOSED),
        (230, None, Reaction.CREDENTIAL_FATAL),
        (300, None, Reaction.REQUEST_BUG),
        (133099, None, Reaction.SENDER_PAUSED),
        (134000, None, Reaction.REQUEST_BUG),
    ],
)
def test_codes_subcodes_and_ranges(code: int, subcode: int | None, expected: Reaction) -> None:
    """Code 100 has two meanings, and two ranges are known beyond their listed codes."""
    assert react(code, subcode=subcode) is expected


def test_an_unknown_code_is_tried_again_only_where_meta_says_it_passes() -> None:
    """A server fault or `is_transient` allows another try; anything else waits for a person."""
    assert react(999_999, status=500) is Reaction.RETRY_SOON
    assert react(999_999, transient=True) is Reaction.RETRY_SOON
    assert react(999_999) is Reaction.REQUEST_BUG
    assert react(999_999, status=0) is Reaction.REQUEST_BUG


@pytest.mark.parametrize("status", [0, 200, 302, 408, 500, 502, 504])
def test_no_readable_answer_may_have_been_sent(status: int) -> None:
    """Without an error body nothing is posted again, also when the answer calls itself transient."""
    assert react(None, status=status, transient=True) is Reaction.UNKNOWN_OUTCOME


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, Reaction.CREDENTIAL_FATAL),
        (403, Reaction.CREDENTIAL_FATAL),
        (404, Reaction.REQUEST_BUG),
        (429, Reaction.RETRY_SOON),
    ],
)
def test_a_gateways_refusal_was_not_sent(status: int, expected: Reaction) -> None:
    """A 4xx without Graph's body is still a refusal."""
    assert react(None, status=status) is expected


def test_every_code_is_explained_in_plain_words() -> None:
    """Staff get a sentence for any code, and one that names an unknown code."""
    for code in [None, 250, 133099, *KNOWN_CODES]:
        assert 20 < len(explain(code)) < 160
        assert explain(code).endswith(".")
    assert "424242" in explain(424242)
