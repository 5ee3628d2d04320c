"""The number that writes, and what it may do."""

from reports.documents.base import Document


class WarmUpView(Document):
    """A number's warm-up; `day` counts the days on which it sends, today's included."""

    start: int
    grow: str
    ceiling: str
    day: int


class SenderView(Document):
    """A store's number, its limits on new recipients in 24 hours, and what is used of them.

    `daily_limit` is the portfolio's, null for none or none told; `allowance` the number's own, while it is warmed up or
    of low quality. Counts are null where nothing is counted yet.
    """

    quality: str | None
    daily_limit: int | None
    recipients: int | None
    allowance: int | None
    allowance_recipients: int | None
    warm_up: WarmUpView | None
    messages_per_second: int
