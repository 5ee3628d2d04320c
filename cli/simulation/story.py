"""One customer of a simulation whose story is worth telling: messages, an order, an exit."""

from zoneinfo import ZoneInfo

from reports.documents import EnrollmentView
from reports.passages import enrollment_view
from storage.engine import Database
from storage.lookup import passages
from storage.simulated import someone_interesting
from storage.stores import all_stores
from storage.templates import templates_of


async def story_of(database: Database, zone: ZoneInfo) -> EnrollmentView | None:
    """The story of whoever got the most messages before buying; None if nobody bought."""
    async with database.read() as session:
        customer_id = await someone_interesting(session)
        if customer_id is None:
            return None
        parts = (await all_stores(session))[0]
        mirror = {(one.name, one.language): one for one in await templates_of(session, parts.number.waba_id)}
        story = await passages(session, customer_id)
        return enrollment_view(story[0], mirror, {}, zone) if story else None
