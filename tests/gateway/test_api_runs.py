"""Reading what the runs of a tracking journey came to."""

from datetime import timedelta

from tests.gateway.staff import Staff
from tests.reviewing import Reviews, tracking
from tests.worlds import NOON


async def test_support_reads_what_a_run_came_to(staff: Staff) -> None:
    """The list with its counts, and a run's conversations in pages; what is not there is a 404."""
    reviews = Reviews(staff.world)
    await reviews.launch(tracking(max_conversations=2))
    for n in range(3):
        customer = await staff.world.customer(f"+44770090030{n}", external_id=f"{n}")
        await reviews.say(customer, NOON - timedelta(hours=n + 1))
    run = await reviews.consider("run-1", now=NOON)
    await reviews.finish(run, now=NOON)
    found = await staff.get("/journeys/daily-review/runs", key=staff.support)
    assert [(one["considered"], one["waiting"], one["left_out"]["limit"]) for one in found["runs"]] == [(3, 2, 1)]
    assert found["conversations"] is None
    path = f"/journeys/daily-review/runs/{run.id}"
    first = await staff.get(f"{path}?limit=2", key=staff.support)
    rest = await staff.get(f"{path}?limit=2&after={first['next']}", key=staff.support)
    listed = [one["customer_id"] for page in (first, rest) for one in page["conversations"]]
    assert (listed, rest["next"]) == (["0", "1", "2"], None)
    assert (await staff.ask("GET", "/journeys/daily-review/runs/9")).status_code == 404
    assert (await staff.ask("GET", "/journeys/nobody/runs")).status_code == 404
