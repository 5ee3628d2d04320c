"""The ledger on the command line."""

import json

from temporalio.client import Client

from cli.credits import credit_findings
from cli.readiness import credit_warning
from models.tables import Store
from tests.cli.conftest import Scene
from tests.cli.recorded import NOW, check
from tests.worlds import DEFINITION


async def test_a_ledger_from_its_opening_to_its_end(world: Scene, temporal: Client) -> None:
    """Without one nothing is counted; opened, paid in, priced, listed and closed, each says what is left."""
    assert temporal is not None
    world.clock = NOW
    assert "nothing is counted" in (await world.run("credits")).out
    assert json.loads((await world.run("credits", "open", "--balance", "100", "--json")).out)["available"] == 100
    added = await world.run("credits", "add", "20", "--note", "invoice 7")
    assert "120 credits left" in added.out
    assert "a message costs 3" in (await world.run("credits", "price", "--message", "3")).out
    priced = await world.run("credits", "price", "--analysis", "2")
    assert "for a conversation's review 2" in priced.out
    check("credits", await world.run("credits", "list", "--json"))
    assert "invoice 7" in (await world.run("credits", "list")).out
    first = json.loads((await world.run("credits", "list", "--limit", "1", "--json")).out)
    older = await world.run("credits", "list", "--before", str(first["next"]), "--json")
    assert [one["kind"] for one in json.loads(older.out)["lines"]] == ["opening"]
    assert "no ledger" in (await world.run("credits", "close")).out


async def test_what_cannot_be_done_with_a_ledger(world: Scene) -> None:
    """Paying into none, opening a second, a payment of nothing, no price at all: each says why."""
    refused = await world.run("credits", "add", "5")
    assert refused.code == 1
    assert "credits open" in refused.err
    assert (await world.run("credits", "open")).code == 0
    assert (await world.run("credits", "open")).code == 1
    assert (await world.run("credits", "add", "0")).code == 2
    assert (await world.run("credits", "add", "5", "--note", "x" * 201)).code == 2
    assert (await world.run("credits", "price")).code == 2


def test_doctor_and_launch_say_when_credits_run_short() -> None:
    """Nothing without a ledger; a fault at zero; a warning when a launch needs more than there is."""
    store = Store(slug="shop", time_zone="Europe/London", currency="EUR", salt_secret="x", created_at=NOW)
    assert credit_findings(store) == []
    assert credit_warning(store, DEFINITION, 1000) is None
    store.credits = 0
    assert [one.state for one in credit_findings(store)] == ["fault"]
    store.credits = 20
    assert [one.state for one in credit_findings(store)] == ["ok"]
    assert credit_warning(store, DEFINITION, 10) is None
    assert "22 are needed for 22 messages" in (credit_warning(store, DEFINITION, 11) or "")
