"""Connections to PostgreSQL that were lost while nobody used them: replaced before a transaction begins on one.

SQLAlchemy can ask the server each time that a connection is taken, which is three round trips before the first
statement. A server that goes away closes its connections, though, and the driver knows that without asking. Only a
connection that has been idle for a while may be lost in silence (a router forgot it), so only such a one is asked.
"""

import time
from typing import Any, Final

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

ASK_AFTER_S: Final = 1.0
"""How long a connection must have been idle, in seconds, for the server to be asked."""
_LEFT_AT: Final = "left at"


def replace_lost_connections(engine: Engine, *, ask_after_s: float = ASK_AFTER_S) -> None:
    """Look at each pooled connection of the engine that is taken, and open a new one in a lost one's place."""

    def taken(connection: Any, record: Any, _taken_by: Any) -> None:
        left_at = record.info.get(_LEFT_AT)
        if left_at is None:
            return  # it was opened a moment ago
        if connection.driver_connection.is_closed():
            raise InvalidatePoolError
        if time.monotonic() - left_at >= ask_after_s and not _answers(engine, connection):
            raise InvalidatePoolError

    event.listen(engine, "checkout", taken)
    event.listen(engine, "checkin", _left)


def _left(_connection: Any, record: Any) -> None:
    record.info[_LEFT_AT] = time.monotonic()


def _answers(engine: Engine, connection: Any) -> bool:
    driver: Any = engine.dialect.loaded_dbapi
    try:
        return engine.dialect.do_ping(connection)
    except (OSError, driver.Error):
        return False
