"""A database of before the holdout's arm was on record knows, once it is brought up to date, who was held out."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlmodel import select

from models.tables import Enrollment
from storage.engine import Database
from storage.schema import _run_migrations
from tests.databases import RowsOfOld, database_of_old

_AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


def _at(day: int) -> datetime:
    return _AT + timedelta(days=day)


class _Rows(RowsOfOld):
    """Passages and decisions as they were."""

    def enrollment(self, name: str, *, day: int, customer: int = 1, **values: Any) -> None:
        """A passage that is over."""
        told = {"state": "closed", "exit_reason": "completed", "entry_key": name} | values
        moments = {"selected_at": _at(day), "entered_at": _at(day), "closed_at": _at(day + 1)}
        self.put("enrollment", id=name, customer_id=customer, **moments, **told)

    def decision(self, outcome: str, *, day: int, customer: int = 1) -> None:
        """What was decided about the customer, where it was not the same as before."""
        key = self.connection.execute(text("SELECT count(*) + 1 FROM entry_decision")).scalar_one()
        self.put("entry_decision", id=key, customer_id=customer, outcome=outcome, at=_at(day))


def _world(connection: Connection) -> None:
    rows = _Rows(connection)
    rows.put("store", time_zone="Europe/Madrid", languages=[])
    rows.put("number")
    for customer in (1, 2, 3, 4):
        rows.put("customer", id=customer, consent="subscribed")
    rows.put("journey", name="quiet", kind="win_back", state="active")
    rows.put("journey_version")
    rows.put("conversation", context={})
    rows.put("tracking_run", state="done", trigger="schedule")
    for analysis in (1, 2):
        rows.put("conversation_analysis", id=analysis, last_key=f"message-{analysis}")
    rows.put("review", analysis_id=1, outcome="control")

    # Held out twice with nothing decided in between: the second time said nothing new.
    rows.decision("control", day=0)
    rows.enrollment("control-first", day=0)
    rows.enrollment("control-again", day=90)
    # Held out, then, as the percentage was lowered, written to, then out of reach of the rules.
    rows.decision("control", day=0, customer=2)
    rows.enrollment("control-before", day=0, customer=2)
    rows.decision("entered", day=90, customer=2)
    rows.enrollment("entered-after", day=90, customer=2)
    rows.decision("re_entry", day=95, customer=2)
    # Both of a daily review, which decided nothing of the sort; the first one was held out.
    rows.enrollment("control-reviewed", day=0, customer=3, analysis_id=1)
    rows.enrollment("entered-reviewed", day=2, customer=3, analysis_id=2)
    # One that runs, and one that is held out now.
    rows.decision("entered", day=0, customer=4)
    rows.enrollment("entered-and-sent", day=0, customer=4)
    rows.put("send", enrollment_id="entered-and-sent", customer_id=4, state="accepted", parameters=[])
    rows.enrollment("control-still", day=90, customer=4, state="control", exit_reason=None)


@pytest.fixture(params=["sqlite", "postgres"])
async def old_database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    """A database as the release before left it."""
    async with database_of_old(request, tmp_path, revision="0004", fill=_world) as database:
        yield database


async def test_an_upgrade_knows_who_was_held_out(old_database: Database) -> None:
    """Over or not, of a launch or of a review: an arm is what it was, though it was not written down as such."""
    async with old_database.write() as session:
        await (await session.connection()).run_sync(_run_migrations)
    async with old_database.read() as session:
        arms = {one.id: one.control for one in await session.exec(select(Enrollment))}
    assert arms == {name: name.startswith("control") for name in arms}
    assert len(arms) == 8
