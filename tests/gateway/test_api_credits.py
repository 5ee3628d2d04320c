"""The ledger over the API."""

from storage.credits import add_credits, open_ledger
from tests.gateway.staff import Staff


async def test_support_sees_what_is_left_and_why(staff: Staff) -> None:
    """The balance with its lines, newest first and page by page; a store without a ledger has none."""
    assert (await staff.get("/credits"))["available"] is None
    async with staff.world.database.write() as session:
        await open_ledger(session, staff.world.store_id, 5, now=staff.world.now)
        await add_credits(session, staff.world.store_id, 2, note="invoice 7", now=staff.world.now)
    page = await staff.get("/credits?limit=1", key=staff.support)
    assert (page["available"], page["lines"][0]["note"]) == (7, "invoice 7")
    rest = await staff.get(f"/credits?before={page['next']}")
    assert [one["kind"] for one in rest["lines"]] == ["opening"]
