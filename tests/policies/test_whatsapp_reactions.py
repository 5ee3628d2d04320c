"""What each error of the Cloud API leads to."""

import json
from pathlib import Path

import pytest

from policies.whatsapp_reactions import (
    KNOWN_CODES,
    Reaction,
    blocks_template,
    explain,
    gets_nothing,
    may_follow,
    pacing_of,
    reaction_for,
)

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
    expected = {row["code"]: CLASSES[row["cls"]] for row in rows} | {130497: Reaction.COUNTRY_BLOCKED}
    wrong = {
        row["code"]: (row["cls"], react(row["code"], status=row["http"]))
        for row in rows
        if react(row["code"], status=row["http"]) is not expected[row["code"]]
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


@pytest.mark.parametrize(
    ("code", "pauses"),
    [
        (131056, [4, 16, 64, 256, 900]),
        (130429, [10, 20, 40, 80, 160, 900]),
        (80007, [300, 600, 900, 900]),
        (4, [300, 600, 900, 900]),
        (131016, [60, 120, 240, 480, 900, 900]),
        (131000, [60, 240, 960, 3600, 3600]),
        (131053, [30, 120]),
        (134101, [600, 900]),
        (132069, [3600, 3600]),
        (133015, [300, 600]),
        (None, [2, 4, 8, 16, 32, 900, 900]),
    ],
)
def test_each_code_has_its_own_pace(code: int | None, pauses: list[int]) -> None:
    """Seconds before the next try, as Meta documents them where it does."""
    pacing = pacing_of(code)
    assert [pacing.pause(tries).total_seconds() for tries in range(1, len(pauses) + 1)] == pauses


@pytest.mark.parametrize(("code", "most"), [(1, 6), (131000, 6), (131053, 3), (131056, None), (2, None), (None, None)])
def test_what_does_not_pass_becomes_a_fault_of_ours(code: int | None, most: int | None) -> None:
    """After so many tries the same request is called wrong; what only needs time is tried for as long as it is held."""
    pacing = pacing_of(code)
    assert pacing.most == most
    assert not pacing.is_over(5 if most is None else most - 1)
    assert pacing.is_over(most) if most is not None else not pacing.is_over(1000)
    assert pacing.then is (Reaction.REQUEST_BUG if most is not None else None)


def test_every_code_that_is_tried_again_soon_waits_before_it() -> None:
    """No code is tried again without a pause, and none less often than hourly."""
    for code in KNOWN_CODES:
        if react(code) is Reaction.RETRY_SOON:
            pauses = [pacing_of(code).pause(tries).total_seconds() for tries in range(1, 20)]
            assert 1 <= min(pauses) <= max(pauses) <= 3600
            assert pauses == sorted(pauses)


def test_which_bugs_are_everybodys() -> None:
    """Drift and unknown codes block a message; one customer's values, and what no code explains, do not."""
    assert all(blocks_template(code) for code in (100, 131008, 132000, 132012, 999_999))
    assert not any(blocks_template(code) for code in (None, 131030, 131062, 132005, 132008, 132018, 137000, 131000))


def test_whom_nothing_reaches() -> None:
    """Who is not on WhatsApp gets nothing; whom Meta keeps marketing from still gets an answer."""
    assert gets_nothing(131026)
    assert not gets_nothing(130472)
    assert not gets_nothing(None)


def test_only_what_says_not_sent_may_be_followed() -> None:
    """A stage is opened again for every word but those of the person, and the one that says nothing."""
    closed = {reaction for reaction in Reaction if not may_follow(reaction)}
    assert closed == {Reaction.RECIPIENT_OPTOUT, Reaction.RECIPIENT_PERMANENT, Reaction.UNKNOWN_OUTCOME}
