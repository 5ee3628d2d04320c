from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import ConsentState
from policies.opt_out import OptOut, OptOutSource, StopFacts, is_newer_consent, opt_out_of

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def after(hours: int) -> datetime:
    """So many hours after noon."""
    return NOON + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (StopFacts(), None),
        (StopFacts(stopped_at=after(1), stopped_source="operator"), OptOut(after(1), "operator")),
        (StopFacts(meta_stop_at=after(1)), OptOut(after(1), "whatsapp_preference")),
        (StopFacts(meta_stop_at=after(1), meta_resume_at=after(2)), None),
        (StopFacts(meta_stop_at=after(2), meta_resume_at=after(1)), OptOut(after(2), "whatsapp_preference")),
        (StopFacts(meta_stop_at=after(1), meta_resume_at=after(1)), OptOut(after(1), "whatsapp_preference")),
        (
            StopFacts(stopped_at=after(1), stopped_source="stop_word", meta_stop_at=after(1)),
            OptOut(after(1), "stop_word"),
        ),
        (
            StopFacts(stopped_at=after(1), stopped_source="stop_word", meta_resume_at=after(2)),
            OptOut(after(1), "stop_word"),
        ),
        (
            StopFacts(
                stopped_at=after(1), stopped_source="stop_word", consent=ConsentState.SUBSCRIBED, consent_at=after(2)
            ),
            None,
        ),
        (
            StopFacts(meta_stop_at=after(1), consent=ConsentState.SUBSCRIBED, consent_at=after(2)),
            OptOut(after(1), "whatsapp_preference"),
        ),
        (
            StopFacts(consent=ConsentState.UNSUBSCRIBED, consent_at=after(3), meta_stop_at=after(1)),
            OptOut(after(3), "consent_withdrawn"),
        ),
        (StopFacts(consent=ConsentState.REDACTED), None),
    ],
)
def test_the_newest_reason_that_holds_keeps_a_customer_out(facts: StopFacts, expected: OptOut | None) -> None:
    """Consent lifts a word to us, a resume one to Meta, each only when it is newer; nothing lifts the other's."""
    assert opt_out_of(facts) == expected


@pytest.mark.parametrize("state", [ConsentState.PENDING, ConsentState.NEVER_SUBSCRIBED])
def test_only_a_yes_lifts_a_stop(state: ConsentState) -> None:
    """A consent that is not given yet lets nobody be written to again."""
    facts = StopFacts(stopped_at=after(1), stopped_source="operator", consent=state, consent_at=after(2))
    assert opt_out_of(facts) == OptOut(after(1), OptOutSource.OPERATOR)


@given(st.permutations([(state, after(hour)) for state in ConsentState for hour in (0, 1)]))
def test_the_newest_consent_stands_in_any_order(told: list[tuple[ConsentState, datetime]]) -> None:
    """Whatever comes first, the latest moment wins, and within it the strictest answer."""
    known, known_at = ConsentState.NEVER_SUBSCRIBED, None
    for state, at in told:
        if is_newer_consent(state, at, known, known_at):
            known, known_at = state, at
    assert (known, known_at) == (ConsentState.REDACTED, after(1))
