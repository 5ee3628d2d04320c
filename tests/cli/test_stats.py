"""A journey's numbers as a marketer and a script read them, and what stands behind each."""

import json
from typing import Any

import pytest

from tests.around.names import SALT
from tests.cli.conftest import WABA, Scene
from tests.cli.recorded import check
from tests.counted import COUNTS, CREDITS, NAME, at, count_one_of_each
from tests.worlds import World


@pytest.fixture
async def counted(scene: Scene) -> Scene:
    """The journey with one passage of every sort."""
    scene.clock = at(24 * 30)
    world = World(scene.database, scene.cipher, now=at(0))
    await world.add_store(salt=SALT, waba_id=WABA)
    await count_one_of_each(world)
    return scene


async def test_stats_as_a_document(counted: Scene) -> None:
    """Every number under its key, the five first, split by version."""
    found = check("stats", await counted.run("stats", NAME, "--by", "version", "--json"))
    assert {key: number for key, number in found["numbers"].items() if number} == COUNTS
    assert {name: found["headline"][name] for name in ("started", "exited", "purchased", "completed")} == {
        "started": 15,
        "exited": 4,
        "purchased": 1,
        "completed": 4,
    }
    assert found["headline"]["revenue"]["total"] == [
        {"amount": "10.00", "currency": "EUR"},
        {"amount": "76.00", "currency": "USD"},
    ]
    assert sum(found["states"].values()) + sum(found["exits"].values()) == found["headline"]["started"]
    assert found["credits"] == CREDITS
    assert found["revenue_per_credit"][1] == {"amount": "6.9091", "currency": "USD"}
    assert found["opt_outs"]["customer_rate"] == pytest.approx(1 / 8, abs=1e-4)
    assert [row["version"] for row in found["rows"]] == [1, 2]


def keyed(figures: dict[str, Any]) -> dict[str, int]:
    """Every count of the document under the key that should open it."""
    found = {name: figures["headline"][name] for name in ("started", "exited", "purchased", "completed")}
    found |= {name: figures[name] for name in ("control", "paced")}
    for name, start in (
        ("states", "state"),
        ("exits", "closed"),
        ("exited", "exited"),
        ("holding", "holding"),
        ("left_out", "left_out"),
    ):
        found |= {f"{start}:{word}": number for word, number in figures[name].items()}
    found["orders"] = figures["orders"]["total"]
    found |= {f"orders:{word}": number for word, number in figures["orders"].items() if word != "total"}
    lines = [("messages", figures["all_messages"]), *((f"stage:{line['stage']}", line) for line in figures["stages"])]
    for start, line in lines:
        found |= {f"{start}:{word}": line[word] for word in ("sent", "possibly_sent", "read", "replied", "failed")}
        found[f"{start}:delivered"] = line["received"]
        found["opted_out" if start == "messages" else f"{start}:opted_out"] = line["opted_out"]
        found |= {f"{start}:state:{word}": number for word, number in line["messages"].items()}
        found |= {f"{start}:skipped:{word}": number for word, number in line["skipped"].items()}
        found |= {f"{start}:failed:{one['code'] or 'no_code'}": one["messages"] for one in line["failures"]}
    return found


async def test_the_document_and_its_keys_say_the_same(counted: Scene) -> None:
    """No count stands in the document without a key, and none under its key says something else."""
    found = json.loads((await counted.run("stats", NAME, "--json")).out)
    sums = {"closed", "left_out", "messages:skipped", "stage:1:skipped", "stage:2:skipped"}
    assert keyed(found) == {key: number for key, number in found["numbers"].items() if key not in sums}
    assert found["rows"] is None


async def test_a_number_opened_as_a_document(counted: Scene) -> None:
    """The customers behind it, their numbers masked, page by page."""
    found = check("stats-list", await counted.run("stats", NAME, "--list", "closed", "--limit", "3", "--json"))
    assert [row["first_name"] for row in found["rows"]] == ["Cai", "Eli", "Dee"]
    assert [row["reason"] for row in found["rows"]] == ["purchased_elsewhere", "unsubscribed", "customer_replied"]
    assert {row["phone"] for row in found["rows"]} == {"+44 ******* 003", "+44 ******* 005", "+44 ******* 004"}
    answer = await counted.run("stats", NAME, "--list", "closed", "--after", found["next"], "--json")
    following = json.loads(answer.out)
    assert (len(following["rows"]), following["next"]) == (7, None)


async def test_behind_the_last_row_there_is_nothing_which_is_not_nobody(counted: Scene) -> None:
    """Of a number that counts fifteen it is never said that nobody counts."""
    answer = await counted.run("stats", NAME, "--list", "started", "--after", "no-such-row")
    assert "Nothing of started comes after no-such-row" in answer.out
    assert "Nobody" not in answer.out
    answer = await counted.run("stats", NAME, "--list", "closed:failed")
    assert "Nobody and nothing counts as closed:failed" in answer.out


async def test_stats_for_a_person(counted: Scene) -> None:
    """The five, the partition, the stages with what failed in words, the money, and the holdout's answer."""
    answer = await counted.run("stats", NAME, "--by", "day")
    assert answer.code == 0
    for words in (
        "76.00 USD",
        "purchased_elsewhere",
        "the customer bought, but not because of this journey",
        "1 failed with 131049: Meta limits how much marketing",
        "1 skipped, meta_declined",
        "opted out: 1 customers (12.50%)",
        "time to reply 2:00:00, nine in ten within 1 day, 0:00:00 (4)",
        "not enough data yet",
        "2026-03-29",
    ):
        assert words in answer.out
    assert "447700900" not in answer.out


async def test_a_number_opened_for_a_person(counted: Scene) -> None:
    """A table with the columns that say something."""
    answer = await counted.run("stats", NAME, "--list", "orders", "--from", "2026-03-29", "--to", "2026-03-31")
    assert "25.00 USD" in answer.out
    assert "40.00 USD" not in answer.out
    assert "seen" not in answer.out
    nobody = await counted.run("stats", NAME, "--list", "closed:rejected")
    assert "Nobody and nothing counts as closed:rejected." in nobody.out


async def test_what_cannot_be_answered_is_refused(counted: Scene) -> None:
    """With the reason, and with what could be asked instead."""
    for words, code, said in (
        ((NAME, "--list", "exited:bored"), 2, "the keys are: started, exited, exited:unsubscribed"),
        ((NAME, "--from", "2026-03-29", "--to", "2026-03-29"), 2, "later than --from"),
        ((NAME, "--after", "enr-Ann"), 2, "belong to --list"),
        ((NAME, "--list", "started", "--by", "day"), 2, "--from and --to"),
        ((NAME, "--by", "moon"), 2, "moon"),
        (("nothing-like-it",), 3, "there is no journey 'nothing-like-it'"),
    ):
        answer = await counted.run("stats", *words)
        assert (words, answer.code) == (words, code)
        assert said in answer.err
