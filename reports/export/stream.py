"""A report's rows as they come: customer by customer, each one's in the order in which they happened."""

from collections.abc import AsyncGenerator, Iterator

from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import Journey
from reports.export.absences import absence_rows
from reports.export.columns import ReportRow
from reports.export.context import Context
from reports.export.messages import message_rows
from reports.export.orders import order_rows
from storage.engine import Database
from storage.rates import rates_of
from storage.report_facts import PersonFacts
from storage.report_rows import PAGE, orders_of_others, people_page, reported
from storage.statistics.period import Period


async def context_of(session: AsyncSession, journey: Journey, period: Period) -> Context:
    """What the journey's rows are written with."""
    about = await reported(session, journey)
    return Context.of(about, await rates_of(session, about.store_id), period)


async def row_pages(
    database: Database, context: Context, *, page: int = PAGE
) -> AsyncGenerator[tuple[int, list[ReportRow]], None]:
    """Pages of rows, each with how many customers it is about.

    Each page is a transaction of its own: what happens meanwhile may stand in a later page, and nobody who reads
    slowly keeps the database waiting. Nothing stands in two pages.
    """
    after = 0
    while True:
        async with database.read() as session:
            people = await people_page(session, context.about, after=after, limit=page)
        if not people:
            break
        after = people[-1].key
        yield len(people), [row for person in people for row in rows_of(person, context)]
    after = 0
    while True:
        async with database.read() as session:
            people = await orders_of_others(session, context.about, after=after, limit=page)
        if not people:
            break
        after = people[-1].orders[-1].id
        yield 0, [row for person in people for row in rows_of(person, context)]


def rows_of(person: PersonFacts, context: Context) -> list[ReportRow]:
    """A customer's rows inside the period, oldest first."""
    return sorted((row for row in _all_rows(person, context) if context.holds(row.at)), key=lambda row: row.at)


def _all_rows(person: PersonFacts, context: Context) -> Iterator[ReportRow]:
    told_of = set()
    for passage in person.passages:
        if passage.control:
            continue
        for row in message_rows(person, passage, context):
            told_of.add(passage.id)
            yield row
    yield from order_rows(person, context)
    yield from absence_rows(person, context, told_of=told_of)
