"""A number's rate as WhatsApp would see it: many messages due at one moment go out one after the other."""

from temporalio.client import Client

from bench.rate import arrivals, most_in_a_second
from storage.engine import Database

SENDS, PER_SECOND = 120, 20


async def test_a_numbers_queue_keeps_its_rate(temporal: Client, sqlite_database: Database) -> None:
    """A hundred and twenty at twenty a second take their time, and no second has many more than its share."""
    times = await arrivals(temporal, sqlite_database, sends=SENDS, per_second=PER_SECOND)
    assert len(times) == SENDS
    # What the server saved up before the first one goes at once: a second's worth at the most.
    assert times[-1] >= SENDS / PER_SECOND - 1.5
    # Twice the rate at the beginning, and some leeway for a machine that is busy with other tests.
    assert most_in_a_second(times) <= 3 * PER_SECOND
