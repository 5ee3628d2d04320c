"""A store on each kind of database."""

import pytest

from storage.engine import Database
from tests.worlds import World, make_world


@pytest.fixture
async def world(database: Database) -> World:
    """A world with one store."""
    return await make_world(database)
