"""The order in which claims and exit events were committed, as the database itself saw it.

Clocks cannot tell: a claim's time is taken before its transaction, an event's before the wait for the customer's lock.
So triggers write both into one table, numbered in the order of commits. SQLite has one writer at a time, so that the
order of writing is that of commits. On PostgreSQL the number is drawn while the transaction commits, under a lock that
is held until it has; there a claim's commit is also slow, by a fault of its own, so that a lock that is missing shows.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, select

from models.tables import CustomerEvent, Enrollment
from storage.engine import Database, DatabaseUnavailableError

_LOOK_S = 0.02

_SQLITE = (
    "CREATE TABLE chaos_commit (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, subject TEXT)",
    """CREATE TRIGGER chaos_claim AFTER INSERT ON send_attempt
    BEGIN INSERT INTO chaos_commit (kind, subject) VALUES ('claim', NEW.id); END""",
    """CREATE TRIGGER chaos_exit AFTER INSERT ON customer_event WHEN NEW.exit_reason IS NOT NULL
    BEGIN INSERT INTO chaos_commit (kind, subject) VALUES ('exit', NEW.id); END""",
)
_POSTGRES = (
    "CREATE TABLE chaos_commit (seq bigserial PRIMARY KEY, kind text, subject text)",
    """CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_ARGV[0] = 'claim' THEN
            PERFORM set_config('application_name', NEW.id, true);
            PERFORM pg_sleep(0.05 + random() * 0.2);
        END IF;
        PERFORM pg_advisory_xact_lock(7302);
        INSERT INTO chaos_commit (kind, subject) VALUES (TG_ARGV[0], NEW.id::text);
        RETURN NULL;
    END $$""",
    """CREATE CONSTRAINT TRIGGER chaos_claim AFTER INSERT ON send_attempt
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chaos_note('claim')""",
    """CREATE CONSTRAINT TRIGGER chaos_exit AFTER INSERT ON customer_event
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.exit_reason IS NOT NULL)
    EXECUTE FUNCTION chaos_note('exit')""",
)


async def watch_commits(database: Database) -> None:
    """Have every commit of a claim and of an exit event numbered from now on."""
    async with database.write() as session:
        connection = await session.connection()
        for statement in _SQLITE if database.is_sqlite else _POSTGRES:
            await connection.execute(text(statement))


async def tell_of_claims(database: Database, tell: Callable[[str], None]) -> None:
    """Tell of each claim on PostgreSQL while its commit is slow, until cancelled."""
    under_way = text("SELECT application_name FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    while not database.is_sqlite:
        await asyncio.sleep(_LOOK_S)
        with suppress(DatabaseUnavailableError, SQLAlchemyError, OSError):
            async with database.read() as session:
                for attempt_id in (await (await session.connection()).execute(under_way)).scalars():
                    tell(str(attempt_id))


async def claims_after_exit(database: Database) -> tuple[list[str], int, int]:
    """The attempts that were claimed after an event that ends their enrollment; how many claims, how many exits."""
    async with database.read() as session:
        connection = await session.connection()
        rows = (await connection.execute(text("SELECT kind, subject FROM chaos_commit ORDER BY seq"))).all()
        events = {str(one.id): one for one in await session.exec(select(CustomerEvent))}
        enrollments = {one.id: one for one in await session.exec(select(Enrollment).order_by(col(Enrollment.id)))}
    return late_claims([(str(kind), str(subject)) for kind, subject in rows], events, enrollments), *_counted(rows)


def late_claims(
    commits: Sequence[tuple[str, str]], events: dict[str, CustomerEvent], enrollments: dict[str, Enrollment]
) -> list[str]:
    """The attempts whose claim stands behind an event that ends their enrollment."""
    ended: dict[int, list[CustomerEvent]] = {}
    late = []
    for kind, subject in commits:
        if kind == "exit":
            event = events[subject]
            ended.setdefault(event.customer_id, []).append(event)
            continue
        enrollment = enrollments[subject.split(":")[0]]
        if any(_ends(event, enrollment) for event in ended.get(enrollment.customer_id, ())):
            late.append(subject)
    return late


def _ends(event: CustomerEvent, enrollment: Enrollment) -> bool:
    return (event.id or 0) > enrollment.after_event_id and event.enrollment_id in (None, enrollment.id)


def _counted(rows: Sequence[Sequence[object]]) -> tuple[int, int]:
    kinds = [row[0] for row in rows]
    return kinds.count("claim"), kinds.count("exit")
