"""The API's description is current and true: what it says is tried on a real server, and nothing makes it fall over."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.api.app import routes
from gateway.api.openapi import FILE, as_text, describe
from gateway.app import doors
from models.enums import JourneyState, StaffRole
from models.tables import Journey
from storage.engine import Database
from storage.schema import create_all
from tests.gateway.staff import Staff, gateway, make_key
from tests.worlds import make_world

DESCRIPTION = describe(doors(), routes())
SCHEMA = schemathesis.openapi.from_dict(DESCRIPTION)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# A run of a few seconds in each commit; a longer one is a matter of this number.
EXAMPLES = 5


def test_the_file_is_current() -> None:
    """`docs/openapi.json` is what the code says; `python -m gateway.api.openapi` renews it."""
    assert FILE.read_text(encoding="utf-8") == as_text(DESCRIPTION)


_FILES = {"/api/journeys/{name}/report": ["text/csv; charset=utf-8", "application/vnd.apache.parquet"]}
"""What answers with files, and in which formats."""


def test_every_operation_is_tried() -> None:
    """None is left out because its description cannot be read."""
    assert len(OPERATIONS) == sum(len(item) for item in DESCRIPTION["paths"].values())


def test_every_operation_is_described() -> None:
    """Each has words for a person, a tag of the list, and every refusal of the API has the one form."""
    tags = {tag["name"] for tag in DESCRIPTION["tags"]}
    for path, item in DESCRIPTION["paths"].items():
        for operation in item.values():
            assert operation["summary"]
            assert operation["description"]
            assert set(operation["tags"]) <= tags
            assert path.startswith("/api/") == ("security" in operation)
            if "security" not in operation:
                continue
            for status, answer in operation["responses"].items():
                taken = _FILES.get(path, ["application/json"])
                expected = taken if status == "200" else ["application/problem+json"]
                assert list(answer["content"]) == expected, (path, status)


def test_no_address_takes_a_person() -> None:
    """Phones, names and texts travel in bodies: addresses end up in access logs."""
    for item in DESCRIPTION["paths"].values():
        for operation in item.values():
            names = {one["name"] for one in operation.get("parameters", []) if one["in"] in {"path", "query"}}
            assert not names & {"phone", "user_id", "reference", "customer", "text"}


async def test_the_description_is_for_holders_of_a_key(staff: Staff) -> None:
    """The door is open to the internet, so only they are told what there is."""
    assert await staff.get("/openapi.json", key=staff.support) == DESCRIPTION
    for path in ("/api/openapi.json", "/openapi.json", "/docs", "/api/docs"):
        assert (await staff.http.get(path)).status_code in {401, 404}


# --- Does it do what it says? ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Running:
    """A server in a thread of its own, because schemathesis asks from outside any loop."""

    url: str
    marketer: str
    support: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The whole gateway on a real socket, with a journey and somebody in it."""
    path = tmp_path_factory.mktemp("openapi")
    ready: list[Running] = []
    stop: list[uvicorn.Server] = []
    started = threading.Event()

    async def serve() -> None:
        database = Database(f"sqlite+aiosqlite:///{path}/rekindle.db", throwaway=True)
        await create_all(database)
        world = await make_world(database)
        await world.enroll(await world.customer(external_id="77"))
        async with database.write() as session:
            (await session.get_one(Journey, 1)).state = JourneyState.ACTIVE
        keys = [await make_key(world, role) for role in (StaffRole.MARKETER, StaffRole.SUPPORT)]
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
            config = uvicorn.Config(gateway(world), log_config=None, log_level="critical", lifespan="off", ws="none")
            running = uvicorn.Server(config)
            ready.append(Running(f"http://127.0.0.1:{listening.getsockname()[1]}", *keys))
            stop.append(running)
            started.set()
            await running.serve(sockets=[listening])
        await database.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield ready[0]
    finally:
        stop[0].should_exit = stop[0].force_exit = True
        thread.join(30)


def try_out(operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, url: str, key: str | None) -> None:
    """Ask what the description allows, or forbids, and hold every answer against it."""
    headers = {"Authorization": f"Bearer {key}"} if key is not None else {}

    @given(case=operation.as_strategy(mode))
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case[Any]) -> None:
        for name in [one for one in case.headers if one.lower() == "authorization"]:
            del case.headers[name]
        case.call_and_validate(base_url=url, headers=headers, checks=CHECKS)

    ask()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_answers_are_as_described(
    operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode, server: Running
) -> None:
    """Whatever is sent, right or wrong, the status, the form and the content are those of the description."""
    if mode is GenerationMode.NEGATIVE and not (list(operation.iter_parameters()) or operation.body):
        pytest.skip("it takes nothing that could be wrong")
    try_out(operation, mode, server.url, server.marketer)
