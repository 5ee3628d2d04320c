"""What `store add` is told of a number: how it is warmed up, and how fast it may send."""

import json
from pathlib import Path

import pytest
from sqlmodel import select

from models.tables import Number, SignalIntent
from storage.stores import all_stores
from tests.cli.conftest import Scene

ADD = ("store", "add", "--from")
TOLD = {
    "name": "shop",
    "time_zone": "Europe/London",
    "currency": "GBP",
    "languages": ["en"],
    "phone_number_id": "900000000000001",
    "waba_id": "800000000000001",
    "shop_domain": "example.myshopify.com",
    "whatsapp_token": "secret-a",
    "whatsapp_app_secret": "secret-b",
    "whatsapp_verify_token": "secret-c",
    "shop_token": "secret-d",
    "shop_webhook_secret": "secret-e",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """What the store is added from."""
    path = tmp_path / "store.json"
    path.write_text(json.dumps(TOLD))
    return path


def say(file: Path, **changes: object) -> None:
    """What the file says with these changes."""
    file.write_text(json.dumps(TOLD | changes))


async def number(scene: Scene) -> Number:
    """The store's number."""
    async with scene.database.read() as session:
        return (await all_stores(session))[0].number


async def test_a_number_is_warmed_up_on_request_only(scene: Scene, file: Path) -> None:
    """None by default; an option or the file sets it, leaving it out keeps it, `none` ends it and frees who waits."""
    assert (await scene.run(*ADD, str(file))).code == 0
    assert (await number(scene)).warm_up is None
    renew = (*ADD, str(file), "--replace")
    assert (await scene.run(*renew, "--warm-up", "start=20")).code == 0
    assert (await scene.run(*renew)).code == 0
    assert (await number(scene)).warm_up == "start=20,grow=1.5,ceiling=tier"
    say(file, warm_up={"start": 30, "grow": 1.2, "ceiling": 500})
    assert (await scene.run(*renew)).code == 0
    assert (await number(scene)).warm_up == "start=30,grow=1.2,ceiling=500"
    listed = json.loads((await scene.run("store", "list", "--json")).out)["stores"][0]["sender"]
    assert listed["warm_up"] == {"start": 30, "grow": "1.2", "ceiling": "500", "day": 1}
    assert listed["allowance"] == 30
    assert (await scene.run(*renew, "--warm-up", "none")).code == 0
    assert (await number(scene)).warm_up is None
    async with scene.database.read() as session:
        told = [one.broadcast_key for one in await session.exec(select(SignalIntent))]
    assert "allowance:900000000000001" in told


async def test_a_numbers_speed_is_kept_until_it_is_given_anew(scene: Scene, file: Path) -> None:
    """80 messages a second unless told; a renewal without it leaves what was given."""
    assert (await scene.run(*ADD, str(file))).code == 0
    assert (await number(scene)).messages_per_second is None
    assert (await scene.run(*ADD, str(file), "--replace", "--messages-per-second", "20")).code == 0
    assert (await scene.run(*ADD, str(file), "--replace")).code == 0
    assert (await number(scene)).messages_per_second == 20
    assert "20 messages a second" in " ".join((await scene.run("store", "list")).out.split())


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"warm_up": "start=0"}, "start counts people"),
        ({"warm_up": {"begin": 5}}, "warm_up is {"),
        ({"warm_up": 5}, "warm_up is {"),
        ({"messages_per_second": "80"}, "a number from 1 to 1000"),
        ({"messages_per_second": 0}, "a number from 1 to 1000"),
    ],
)
async def test_what_makes_no_sense_is_refused(scene: Scene, file: Path, told: dict[str, object], said: str) -> None:
    """Before anything is stored, and in a line that says what would do."""
    say(file, **told)
    answer = await scene.run(*ADD, str(file))
    assert (answer.code, said in answer.err) == (1, True), answer.err
