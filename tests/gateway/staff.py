"""The staff API as its callers see it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from sqlalchemy import text
from starlette.types import ASGIApp

from gateway.app import GatewaySettings, create_app
from gateway.relay import Relay
from models.enums import StaffRole
from storage.api_keys import create_key
from storage.engine import Database
from storage.schema import HEAD
from tests.worlds import World


@dataclass
class Staff:
    """A caller with a key of each role, on a world's gateway."""

    http: httpx.AsyncClient
    world: World
    marketer: str
    support: str

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """One request, as marketer unless another key is given."""
        given = {"Authorization": f"Bearer {key or self.marketer}", **(headers or {})}
        if isinstance(body, bytes):
            return await self.http.request(method, f"/api{path}", content=body, headers=given)
        return await self.http.request(method, f"/api{path}", json=body, headers=given)

    async def get(self, path: str, **options: Any) -> Any:
        """What a GET answers, which is a 200."""
        return _taken(await self.ask("GET", path, **options))

    async def post(self, path: str, body: Any = None, **options: Any) -> Any:
        """What a POST answers, which is a 200."""
        return _taken(await self.ask("POST", path, body, **options))


def _taken(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.json()


async def make_key(world: World, role: StaffRole, *, store_id: int | None = None) -> str:
    """A new key of that role."""
    async with world.database.write() as session:
        _, key = await create_key(session, store_id or world.store_id, name=f"a {role.value}", role=role, now=world.now)
        return key


def gateway(world: World, relay: Relay | None = None, **settings: Any) -> ASGIApp:
    """The world's gateway."""
    return create_app(world.database, world.cipher, GatewaySettings(**settings), relay, world.clock)


async def staff_of(world: World, http: httpx.AsyncClient) -> Staff:
    """A caller with new keys."""
    return Staff(http, world, await make_key(world, StaffRole.MARKETER), await make_key(world, StaffRole.SUPPORT))


async def stamp_schema(database: Database, revision: str = HEAD) -> None:
    """Say which schema the database has, as migrations do."""
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"
        )
        await connection.exec_driver_sql("DELETE FROM alembic_version")
        await connection.execute(text("INSERT INTO alembic_version VALUES (:revision)"), {"revision": revision})
