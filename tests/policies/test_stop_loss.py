"""When a journey has lost too many of its messages."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import AttemptStatus, SendState
from policies.stop_loss import LEAST, OPT_OUT_WITHIN, Fate, fate_of, led_to_opt_out, loss_of

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
FATES = st.lists(st.sampled_from(Fate), max_size=200)


@given(FATES, st.integers(0, 100))
def test_it_is_exceeded_exactly_when_the_lost_are_more_than_the_share_of_the_decided(
    fates: list[Fate], percent: int
) -> None:
    """Counted naively, over enough decided messages, and never when it is switched off."""
    decided = [one for one in fates if one is not Fate.OPEN]
    lost = [one for one in decided if one is not Fate.WELL]
    expected = percent > 0 and len(decided) >= LEAST and len(lost) / len(decided) > percent / 100
    assert loss_of(fates).exceeds(percent) == expected


@given(FATES, st.integers(1, 100))
def test_another_message_that_arrives_never_trips_it(fates: list[Fate], percent: int) -> None:
    """More that went well, once there are enough to judge, makes it no worse."""
    before = loss_of(fates)
    after = loss_of([*fates, Fate.WELL])
    assert not after.exceeds(percent) or before.exceeds(percent) or before.decided < LEAST


@given(FATES)
def test_a_message_is_lost_once(fates: list[Fate]) -> None:
    """What failed and what drove somebody away add up, and are never more than were decided."""
    loss = loss_of(fates)
    assert loss.lost == loss.failed + loss.opted_out <= loss.decided


def test_ten_percent_of_two_hundred_is_twenty() -> None:
    """Twenty of two hundred are not more than ten percent; one more is."""
    assert not loss_of([Fate.FAILED] * 20 + [Fate.WELL] * 180).exceeds(10)
    assert loss_of([Fate.FAILED] * 20 + [Fate.OPTED_OUT] + [Fate.WELL] * 179).exceeds(10)


@pytest.mark.parametrize(
    ("state", "status", "code", "fate"),
    [
        (SendState.ACCEPTED, AttemptStatus.DELIVERED, None, Fate.WELL),
        (SendState.ACCEPTED, AttemptStatus.FAILED, 131026, Fate.FAILED),
        (SendState.FAILED, AttemptStatus.FAILED, 132000, Fate.FAILED),
        (SendState.FAILED, AttemptStatus.FAILED, 130429, Fate.OPEN),
        (SendState.FAILED, AttemptStatus.FAILED, None, Fate.OPEN),
        (SendState.FAILED, AttemptStatus.FAILED, 131047, Fate.OPEN),
        (SendState.SKIPPED, AttemptStatus.FAILED, 131047, Fate.FAILED),
        (SendState.SKIPPED, AttemptStatus.FAILED, 131049, Fate.FAILED),
        (SendState.IN_FLIGHT, AttemptStatus.CLAIMED, None, Fate.OPEN),
        (SendState.UNKNOWN, AttemptStatus.UNKNOWN, None, Fate.OPEN),
        (SendState.PARKED, AttemptStatus.UNKNOWN, None, Fate.WELL),
    ],
)
def test_what_counts_as_lost(state: SendState, status: AttemptStatus, code: int | None, fate: Fate) -> None:
    """A failure counts when nothing follows by itself; what nobody knows yet does not count at all."""
    assert fate_of(state, status, code, opted_out=False) is fate
    assert fate_of(state, status, code, opted_out=True) is Fate.OPTED_OUT


@given(st.timedeltas(timedelta(days=-30), timedelta(days=30)))
def test_an_opt_out_belongs_to_the_message_of_the_three_days_before_it(after: timedelta) -> None:
    """Later than that only to a passage that still runs, and never to a message that came after it."""
    came_later = after < timedelta(minutes=-1)
    assert led_to_opt_out(AT, AT + after, still_in_it=True) == (not came_later)
    assert led_to_opt_out(AT, AT + after, still_in_it=False) == (not came_later and after <= OPT_OUT_WITHIN)
