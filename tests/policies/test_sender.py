"""Whether a number may send, and who finds out."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from policies.sender import LAG, PROBE_ANSWERS_WITHIN, Pause, SenderState, look_again_at, sender_state

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MINUTES = st.integers(-10_000, 10_000).map(lambda minutes: timedelta(minutes=minutes))


def test_a_number_without_a_pause_sends() -> None:
    """Nothing on record keeps nobody."""
    assert sender_state(None, NOW) is SenderState.CLEAR


def test_a_pause_without_an_end_ends_by_no_clock() -> None:
    """Only somebody's word ends it, so nobody looks by themselves."""
    pause = Pause(None)
    assert sender_state(pause, NOW + timedelta(days=365)) is SenderState.PAUSED
    assert look_again_at(pause, NOW, offset=timedelta(0)) is None


@given(until=MINUTES, probe=st.none() | MINUTES, at=MINUTES)
def test_a_pause_that_is_over_lets_one_message_go_at_a_time(
    until: timedelta, probe: timedelta | None, at: timedelta
) -> None:
    """Paused until its end; then one goes, unless another went since the end and may still answer."""
    pause = Pause(NOW + until, NOW + probe if probe is not None else None)
    state = sender_state(pause, NOW + at)
    out = probe is not None and until <= probe and at < probe + PROBE_ANSWERS_WITHIN
    assert (state is SenderState.PROBE) == (at >= until and not out)
    assert state is not SenderState.CLEAR


@given(until=MINUTES, at=MINUTES, offset=st.integers(0, 1800))
def test_whoever_waits_looks_later_than_the_one_who_probes(until: timedelta, at: timedelta, offset: int) -> None:
    """Long enough after the end, and after now, for the probe's answer to release them first."""
    found = look_again_at(Pause(NOW + until), NOW + at, offset=timedelta(seconds=offset))
    assert found is not None
    assert found >= max(NOW + until, NOW + at) + LAG
    assert LAG > PROBE_ANSWERS_WITHIN
