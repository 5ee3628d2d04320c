"""A worker for which the minutes of a stage's delay are shorter: `python -m tests.chaos.brisk_worker SECONDS`.

Orchestration is given the moments at which stages are due and never computes one, so no workflow can tell. Everything
else is `worker.py` itself.
"""

import quick_start  # noqa: F401 - for its effect

import sys
from datetime import datetime
from typing import Any
from unittest import mock

from policies.schedule import due_after
from worker import main


def brisk(minute_s: float, *args: Any) -> datetime:
    """The real due moment with minutes of so many seconds."""
    anchor: datetime = args[2]
    return anchor + (due_after(*args) - anchor) * (minute_s / 60)


if __name__ == "__main__":
    seconds = float(sys.argv[1])
    with mock.patch("activities.outcomes.due_after", lambda *args: brisk(seconds, *args)):
        sys.exit(main())
