"""Keys of the staff API, and pausing, on the command line."""

import json
import re

from temporalio.client import Client

from models.enums import JourneyState
from models.tables import Journey
from tests.cli.conftest import Answer, Scene
from tests.cli.recorded import NOW, check, seeded
from tests.worlds import DEFINITION

__all__ = ["seeded"]

KEY = re.compile(r"rk_[a-z0-9]{8}(_[\w-]{43})?")


def without_keys(answer: Answer) -> Answer:
    """The answer with its keys taken out, which are other ones each time."""
    return Answer(answer.code, KEY.sub("rk_********", answer.out), answer.err)


async def test_a_key_is_shown_once_and_listed_without_its_secret(world: Scene) -> None:
    """Created, listed, revoked: only the first shows the whole key, and the database never has it."""
    world.clock = NOW
    created = await world.run("keys", "create", "the console", "--role", "support", "--json")
    check("keys-create", without_keys(created))
    found = json.loads(created.out)
    secret, prefix = found["secret"], found["key"]["prefix"]
    assert secret.startswith(f"{prefix}_")
    assert secret.removeprefix(prefix).encode() not in world.stored()
    listed = await world.run("keys", "list", "--json")
    check("keys-list", without_keys(listed))
    assert secret not in listed.out
    check("keys-revoke", without_keys(await world.run("keys", "revoke", prefix, "--json")))
    shown = await world.run("keys", "list")
    assert "the console" in shown.out
    assert shown.out.count("2026-03-03") == 2


async def test_a_new_key_alone_goes_to_standard_output(world: Scene) -> None:
    """A script takes the key as it is; what a person should know goes to stderr."""
    answer = await world.run("keys", "create", "a script", "--role", "marketer")
    assert KEY.fullmatch(answer.out.strip())
    assert "only time" in answer.err


async def test_keys_that_cannot_be(world: Scene) -> None:
    """An unknown role or an empty name is wrong usage, an unknown prefix is nothing found."""
    assert (await world.run("keys", "create", "x", "--role", "owner")).code == 2
    assert (await world.run("keys", "create", " ", "--role", "support")).code == 2
    assert (await world.run("keys", "create", "x")).code == 2
    assert (await world.run("keys", "revoke", "rk_nothing1")).code == 3
    assert "no keys yet" in (await world.run("keys", "list")).out


async def test_pause_and_resume(seeded: Scene, temporal: Client) -> None:
    """Each says where the journey stands now; repeated, that nothing changed; a stopped one is refused."""
    assert temporal is not None
    check("pause", await seeded.run("pause", DEFINITION.name, "--reason", "stock is out", "--json"))
    assert "paused already" in (await seeded.run("pause", DEFINITION.name)).out
    check("resume", await seeded.run("resume", DEFINITION.name, "--json"))
    async with seeded.database.write() as session:
        journey = await session.get_one(Journey, 1)
        journey.state = JourneyState.STOPPED
    for verb in ("pause", "resume"):
        answer = await seeded.run(verb, DEFINITION.name)
        assert (answer.code, "is stopped" in answer.err) == (1, True)
