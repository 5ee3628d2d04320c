"""A selection on another day: what it writes down where its answer is the one of before, and where it is not."""

from datetime import timedelta

from models.enums import LeftOut
from models.tables import EntryDecision
from storage.engine import Database
from tests.selecting import selecting, win_back


async def test_a_daily_selection_writes_down_what_is_new(database: Database) -> None:
    """The same order a day later is the same reason; a newer order, or another threshold, is one of its own."""
    shop = await selecting(database)
    shop.customer(1, silent_days=70)
    await shop.launch(win_back(recent_order_days=100))
    shop.world.now += timedelta(days=1)
    await shop.launch(win_back(recent_order_days=100))
    rows = await shop.world.rows(EntryDecision)
    assert [(one.outcome, one.seen) for one in rows] == [
        (LeftOut.RECENT_ORDER, "last order 70 days 0 hours ago"),
    ]
    shop.order(1, silent_days=65)
    await shop.launch(win_back(recent_order_days=100))
    await shop.launch(win_back(recent_order_days=120))
    rows = await shop.world.rows(EntryDecision)
    assert [(one.seen, one.threshold) for one in rows[1:]] == [
        ("last order 65 days 0 hours ago", "no order in 100 x 24 hours"),
        ("last order 65 days 0 hours ago", "no order in 120 x 24 hours"),
    ]
