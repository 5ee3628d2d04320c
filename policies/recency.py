"""Whether something happened too recently: the one reading of "within N days" for frequency rules.

Smart sending, recent orders and re-entry count 24-hour blocks, not calendar days; 0 days switches a rule off.
"""

from datetime import datetime, timedelta


def within_days(happened_at: datetime | None, now: datetime, days: int) -> bool:
    """Whether less than `days` blocks of 24 hours have passed since `happened_at`.

    Exactly `days` blocks ago is no longer within; a moment ahead of `now` (another system's clock) is.
    """
    return happened_at is not None and days > 0 and now - happened_at < timedelta(days=days)
