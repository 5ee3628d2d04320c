"""Statistics over HTTP: the command line's documents, and refusals that help."""

from typing import Any

import pytest

from tests.counted import COUNTS, NAME, count_one_of_each
from tests.gateway.staff import Staff


@pytest.fixture
async def counted(staff: Staff) -> Staff:
    """The journey with one passage of every sort."""
    await count_one_of_each(staff.world)
    return staff


async def test_support_may_read_every_number(counted: Staff) -> None:
    """Each with its key, split if asked for."""
    found = await counted.get(f"/journeys/{NAME}/stats?by=coupon", key=counted.support)
    assert {key: number for key, number in found["numbers"].items() if number} == COUNTS
    assert [(row["coupon"], row["headline"]["started"]) for row in found["rows"]] == [
        ("BACK10", 13),
        ("personal 10%", 2),
    ]
    assert found["time_zone"] == "Europe/London"


async def test_a_number_is_opened_page_by_page(counted: Staff) -> None:
    """As many rows as it says, none of them twice, numbers masked."""
    rows: list[Any] = []
    after = ""
    while True:
        page = await counted.get(f"/journeys/{NAME}/stats/list?key=started&limit=5{after}", key=counted.support)
        rows += page["rows"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len({row["enrollment"] for row in rows}) == len(rows) == COUNTS["started"]
    assert rows[0]["phone"] == "+44 ******* 001"


async def test_a_period_counts_whole_days_of_the_store(counted: Staff) -> None:
    """From inclusive, to exclusive, in numbers and lists alike."""
    days = "from=2026-03-29&to=2026-03-31"
    found = await counted.get(f"/journeys/{NAME}/stats?{days}")
    assert (found["first_day"], found["end_day"], found["orders"]["total"]) == ("2026-03-29", "2026-03-31", 1)
    listed = await counted.get(f"/journeys/{NAME}/stats/list?key=orders&{days}")
    assert [row["amount"]["amount"] for row in listed["rows"]] == ["25.00"]


async def test_what_cannot_be_answered_is_refused(counted: Staff) -> None:
    """With a sentence that does not repeat what was sent."""
    for path, status, said in (
        (f"/journeys/{NAME}/stats/list?key=nonsense", 422, "the keys are: started, "),
        (f"/journeys/{NAME}/stats?from=2026-03-29&to=2026-03-28", 422, "later than `from`"),
        (f"/journeys/{NAME}/stats?by=moon", 422, "not what this address takes"),
        ("/journeys/nobody/stats", 404, "no journey of that name"),
        ("/journeys/nobody/stats/list?key=started", 404, "no journey of that name"),
    ):
        response = await counted.ask("GET", path)
        assert response.status_code == status
        assert said in response.json()["detail"]
        assert "nonsense" not in response.text
