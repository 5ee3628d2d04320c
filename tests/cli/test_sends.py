"""Messages of which nobody knows, on the command line: listed, named by `status` and `doctor`, and settled."""

import json

import pytest

from models.enums import SendState
from models.tables import Send, SendAttempt
from storage.settling import park_open_sends
from tests.around.names import SALT
from tests.cli.conftest import WABA, Scene
from tests.cli.recorded import NOW, START, check
from tests.worlds import World

PHONE = "+447700900001"


@pytest.fixture
async def parked(scene: Scene) -> Scene:
    """A store with one message that was parked and one whose journey still waits to hear of it."""
    scene.clock = NOW
    world = World(scene.database, scene.cipher, now=START)
    await world.add_store(salt=SALT, waba_id=WABA)
    for number, state in ((1, SendState.IN_FLIGHT), (2, SendState.UNKNOWN)):
        person = await world.customer(f"+44770090000{number}", external_id=str(number), first_name="Ana")
        await world.claim(await world.enroll(person, id=f"enr-{number}"), state=state)
    async with scene.database.write() as session:
        await park_open_sends(session, "enr-1", now=NOW)
    return scene


async def test_messages_of_which_nobody_knows_are_listed(parked: Scene) -> None:
    """With their ids, since when, and what to do; other states, journeys and days when asked for."""
    check("sends-list", await parked.run("sends", "list", "--json"))
    shown = await parked.run("sends", "list")
    assert "enr-1:1:1:1" in shown.out
    assert "sends settle ID --sent" in shown.err
    for words, count in (
        (["--state", "parked"], 1),
        (["--state", "accepted", "--state", "unknown"], 1),
        (["lapsed-60-days"], 2),
        (["--from", "2026-03-02", "--to", "2026-03-03"], 2),
        (["--to", "2026-03-02"], 0),
        (["--limit", "1"], 1),
        (["--after", "1"], 1),
    ):
        answer = await parked.run("sends", "list", *words, "--json")
        assert len(json.loads(answer.out)["sends"]) == count, words
    assert "no message that is accepted" in (await parked.run("sends", "list", "--state", "accepted")).out
    assert (await parked.run("sends", "list", "nothing-here")).code == 3
    assert (await parked.run("sends", "list", "--state", "lost")).code == 2


async def test_a_message_is_settled_by_a_persons_word(parked: Scene) -> None:
    """Under its own id or its attempt's; who said so is kept and shown, and what is known cannot be settled again."""
    check("sends-settle", await parked.run("sends", "settle", "1", "--not-sent", "--by", "Ada", "--json"))
    told = await parked.run("sends", "settle", "enr-2:1:1:1", "--sent")
    assert (told.code, "message 2 counts as sent" in told.out) == (0, True)
    assert "Temporal cannot be reached" in told.err
    async with parked.database.read() as session:
        sends = [(await session.get_one(Send, number)).state for number in (1, 2)]
        said = (await session.get_one(SendAttempt, "enr-2:1:1:1")).settled_by
    assert sends == [SendState.FAILED, SendState.ACCEPTED]
    assert said
    again = await parked.run("sends", "settle", "1", "--sent")
    assert (again.code, again.err.strip()) == (
        1,
        "message 1 cannot be settled: it counts as not sent already: Ada said so",
    )
    assert "Ada said what became of it" in (await parked.run("status", PHONE)).out
    for words, code in ((["9", "--sent"], 3), (["1"], 2), (["2", "--sent", "--by", " "], 2)):
        assert (await parked.run("sends", "settle", *words)).code == code


async def test_status_and_doctor_name_what_is_parked(parked: Scene) -> None:
    """Since when, and the command that settles it; once settled neither speaks of it."""
    found = json.loads((await parked.run("status", PHONE, "--json")).out)
    [message] = found["enrollments"][0]["messages"]
    assert (message["send_id"], message["can_settle"]) == (1, True)
    shown = (await parked.run("status", PHONE)).out
    assert "sends settle 1" in shown
    assert "Mon 2026-03-02 09:00" in shown
    doctor = (await parked.run("doctor")).out
    assert "1 message(s) were sent: 1 since 2026-03-02 09:00 UTC" in doctor
    assert "sends settle ID --sent" in doctor
    await parked.run("sends", "settle", "1", "--sent")
    assert "sends settle 1" not in (await parked.run("status", PHONE)).out
    assert "parked messages" not in (await parked.run("doctor")).out
