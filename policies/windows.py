"""WhatsApp's customer-service window: free text may go for 24 hours after the customer's last message."""

from datetime import datetime, timedelta

SERVICE_WINDOW = timedelta(hours=24)
"""From the customer's last message to the number; the WhatsApp Cloud API refuses free text later (code 131047)."""

SAFETY_MARGIN = timedelta(minutes=10)
"""How long before the end we stop: between our check and Meta's lie a queue and a network."""


def service_window_open(last_inbound_at: datetime | None, at: datetime, margin: timedelta = SAFETY_MARGIN) -> bool:
    """Whether a free text sent at `at` still falls inside the window, with `margin` to spare.

    Args:
        last_inbound_at: when the customer last wrote to this number; None when never.
        at: the moment of sending.
        margin: how much earlier than Meta we consider the window closed.
    """
    return last_inbound_at is not None and at < last_inbound_at + SERVICE_WINDOW - margin
