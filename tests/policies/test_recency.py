"""Within so many days, in blocks of 24 hours."""

from datetime import UTC, datetime, timedelta

import pytest

from policies.recency import within_days

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "days", "within"),
    [
        (timedelta(days=5), 5, False),
        (timedelta(days=5) - timedelta(microseconds=1), 5, True),
        (timedelta(0), 1, True),
        (timedelta(0), 0, False),
        (-timedelta(minutes=1), 1, True),
    ],
)
def test_blocks_of_24_hours_end_exactly(ago: timedelta, days: int, within: bool) -> None:  # noqa: FBT001 - a table
    """Exactly N days ago is out, a moment less is in, and zero switches the rule off."""
    assert within_days(NOW - ago, NOW, days) is within


def test_what_never_happened_is_not_recent() -> None:
    """Nothing on record is never within."""
    assert not within_days(None, NOW, 90)
