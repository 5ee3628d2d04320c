"""The 24-hour service window."""

from datetime import UTC, datetime, timedelta

from policies.windows import service_window_open

WROTE = datetime(2026, 5, 5, 12, tzinfo=UTC)


def test_the_window_closes_ten_minutes_early() -> None:
    """Free text stops 23:50 hours after the customer's message, to the moment."""
    edge = WROTE + timedelta(hours=23, minutes=50)
    assert service_window_open(WROTE, edge - timedelta(microseconds=1))
    assert not service_window_open(WROTE, edge)


def test_the_margin_can_be_chosen() -> None:
    """Without a margin the window is 24 hours."""
    assert service_window_open(WROTE, WROTE + timedelta(hours=23, minutes=59), timedelta(0))
    assert not service_window_open(WROTE, WROTE + timedelta(hours=24), timedelta(0))


def test_a_customer_who_never_wrote_has_no_window() -> None:
    """Without an inbound message only templates go."""
    assert not service_window_open(None, WROTE)
