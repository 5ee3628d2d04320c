"""What `store` answers with: add, replace, check."""

import json
from pathlib import Path

from temporalio.client import Client

from tests.cli.conftest import Scene
from tests.cli.recorded import NOW, check, rewrite, store_file

__all__ = ["store_file"]


async def test_store_add_and_replace(world: Scene, temporal: Client, store_file: Path) -> None:
    """A store is added once, renewed on request, and its secrets are in neither output nor database."""
    assert temporal is not None
    world.clock = NOW
    answer = await world.run("store", "add", "--from", str(store_file), "--json")
    check("store-add", answer)
    again = await world.run("store", "add", "--from", str(store_file))
    assert (again.code, "--replace" in again.err) == (1, True)
    assert (await world.run("store", "add", "--from", str(store_file), "--replace")).code == 0
    assert b"secret-" not in answer.out.encode() + world.stored()
    several = await world.run("journeys")
    assert (several.code, "--store" in several.err) == (2, True)
    assert (await world.run("journeys", "--store", "second")).code == 0
    assert (await world.run("journeys", "--store", "third")).code == 3


async def test_a_stores_own_stop_words(world: Scene, temporal: Client, store_file: Path) -> None:
    """Words given anew take over, none given leaves them, and one that no message could be is refused."""
    assert temporal is not None
    add = ("store", "add", "--from", str(store_file), "--replace")
    refused = await world.run(*add, "--stop-word", "!?")
    assert (refused.code, "letters or digits" in refused.err) == (1, True)
    assert (await world.run(*add)).code == 0
    assert (await world.run(*add, "--stop-word", "dość", "--stop-word", "koniec")).code == 0
    rewrite(store_file, stop_words="dość")
    assert (await world.run(*add)).code == 1
    rewrite(store_file)
    assert (await world.run(*add)).code == 0
    answer = await world.run("store", "list", "--store", "second", "--json")
    assert json.loads(answer.out)["stores"][0]["stop_words"] == ["dość", "koniec"]
    assert "dość, koniec" in (await world.run("store", "list", "--store", "second")).out


async def test_store_check(world: Scene) -> None:
    """Well but for the webhooks, which it registers on request; a refused token and the order wall are faults."""
    check("store-check", await world.run("store", "check", "--json"))
    answer = await world.run("store", "check", "--register-webhooks", "https://gateway.example", "--json")
    assert {one["state"] for one in json.loads(answer.out)["findings"] if "webhooks" in one["subject"]} == {"ok"}
    world.shop.scopes = frozenset({"read_customers"})
    answer = await world.run("store", "check")
    assert answer.code == 1
    assert "last 60 days" in answer.out
    assert "read_orders" in answer.out
