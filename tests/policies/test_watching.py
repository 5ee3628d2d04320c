"""When silences and carts become entries: the bounds hold in every zone, the hours and columns are kept."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.enums import LeftOut
from models.journey import Span, Unit
from policies.calendar import add_span
from policies.eligibility import Candidate
from policies.schedule import Whereabouts
from policies.watching import (
    ask_again_at,
    covers_column,
    earliest_due,
    entry_moment,
    latest_start,
    long_enough_at,
    spacing,
)
from tests.silences import cart_journey, follow_up

SINCE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LONDON = Whereabouts(customer_zone=None, phone=None, store_zone="Europe/London")
HOUR = timedelta(hours=1)

spans = st.one_of(
    st.builds(lambda n: Span(amount=n, unit=Unit.MINUTES), st.integers(1, 5000)),
    st.builds(lambda n: Span(amount=n, unit=Unit.HOURS), st.integers(1, 200)),
    st.builds(lambda n: Span(amount=n, unit=Unit.DAYS), st.integers(1, 400)),
    st.builds(lambda n: Span(amount=n, unit=Unit.MONTHS), st.integers(1, 24)),
)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2032, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the zone follows
zones = st.sampled_from(
    ["UTC", "Europe/London", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Kiritimati", "America/New_York"]
).map(ZoneInfo)


@given(span=spans, since=moments, zone=zones)
@example(span=Span(amount=1, unit=Unit.MONTHS), since=datetime(2026, 1, 31, 23, tzinfo=UTC), zone=ZoneInfo("UTC"))
@example(
    span=Span(amount=1, unit=Unit.DAYS), since=datetime(2026, 3, 28, 12, tzinfo=UTC), zone=ZoneInfo("Europe/London")
)
def test_the_bounds_leave_nobody_out(span: Span, since: datetime, zone: ZoneInfo) -> None:
    """What has lasted for the span in its zone lies within both bounds."""
    due = add_span(since, span, zone)
    assert since <= latest_start(span, due)
    assert earliest_due(span, since) <= due


@pytest.mark.parametrize(
    ("every", "minutes"), [("1m", 1), ("12m", 1), ("30m", 2.5), ("2h", 10), ("1d", 10), ("1mo", 10)]
)
def test_a_watch_looks_twelve_times_within_its_delay(every: str, minutes: float) -> None:
    """But never more often than every minute, nor less often than every ten."""
    assert spacing(follow_up(every=every)) == timedelta(minutes=minutes)


def test_an_entry_waits_for_the_hours() -> None:
    """A silence that is long enough at night enters in the morning, and on a weekday where only these are open."""
    definition = follow_up(sending={"hours": "business"})
    evening = datetime(2026, 3, 6, 17, tzinfo=UTC)
    assert long_enough_at(definition, evening, LONDON) == evening + 2 * HOUR
    assert entry_moment(definition, evening, LONDON, not_before=evening) == datetime(2026, 3, 9, 8, tzinfo=UTC)
    assert entry_moment(definition, SINCE, LONDON, not_before=SINCE + 5 * HOUR) == SINCE + 5 * HOUR
    late = SINCE + 12 * HOUR
    assert entry_moment(definition, SINCE, LONDON, not_before=late) == datetime(2026, 3, 3, 8, tzinfo=UTC)


def test_a_column_belongs_to_its_own_follow_up() -> None:
    """One for a column answers that one; one for all leaves out the columns that have one, but not chats in none."""
    quoted, general = follow_up(column="quoted"), follow_up()
    assert [covers_column(quoted, column, {"quoted"}) for column in ("quoted", "new", None)] == [True, False, False]
    assert [covers_column(general, column, {"quoted"}) for column in ("quoted", "new", None)] == [False, True, True]


def test_a_reason_that_time_heals_is_asked_about_when_it_is_over() -> None:
    """Recent orders, smart sending and journeys whose end is known; the others stand for the silence."""
    definition = cart_journey(sending={"smart_sending_days": 5, "recent_order_days": 2})
    candidate = Candidate(
        customer_id=1,
        last_marketing_at=SINCE,
        last_any_order_at=SINCE + HOUR,
        last_order_at=SINCE,
        open_enrollment_until=SINCE + 3 * HOUR,
    )
    asked = {reason: ask_again_at(reason, candidate, definition) for reason in LeftOut}
    assert {reason: at for reason, at in asked.items() if at is not None} == {
        LeftOut.SMART_SENDING: SINCE + timedelta(days=5),
        LeftOut.RECENT_ORDER: SINCE + HOUR + timedelta(days=2),
        LeftOut.IN_OTHER_JOURNEY: SINCE + 3 * HOUR,
    }
