"""A store that sends, on each kind of database."""

import pytest

from storage.engine import Database
from tests.refusing import Sending
from tests.worlds import make_world


@pytest.fixture
async def sending(database: Database) -> Sending:
    """A store with one approved template, on each kind of database."""
    sending = Sending(await make_world(database))
    await sending.open()
    return sending
