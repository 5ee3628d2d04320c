"""Scripts can rely on what `--json` prints: its schema in `docs/`, and each document to the byte."""

import json
import os
import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from temporalio.client import Client

from cli.documents import DOCUMENTS
from cli.schemas import FOLDER, schemas
from cli.validate import read_definition
from composition import system_clock
from models.enums import (
    AttemptStatus,
    ConsentState,
    EnrollmentState,
    EventKind,
    ExitReason,
    HoldReason,
    JourneyState,
    PrivacyRequestKind,
    SendState,
    TemplateStatus,
)
from models.money import Money
from models.tables import Customer, EntryDecision, Journey, PrivacyRequest, Send, SendAttempt, Template, TimelineEntry
from storage.customers import lock_customer
from storage.enrollments import close_enrollment
from storage.events import record_event
from storage.journeys import publish
from storage.orders import OrderFacts, apply_order
from tests.cli.conftest import SALT, WABA, Answer, Scene, edit
from tests.silences import cart_journey, follow_up, leave_cart, speak
from tests.worlds import DEFINITION, World

GOLDEN = Path(__file__).parent / "golden"
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = START + timedelta(days=1)
VOLATILE = re.compile(r"enr-[0-9a-f-]{36}|http://127\.0\.0\.1:\d+|/[^\s\"]*/(?=[\w.-]+\.(?:json|yaml|csv|db))")


def check(name: str, answer: Answer, *, code: int = 0, document: str | None = None) -> Any:
    """The answer is one document that fits its schema and is the recorded one; the document."""
    assert answer.code == code, answer.err
    found = json.loads(answer.out)
    schema = json.loads((FOLDER / f"{document or name}.json").read_text())
    jsonschema.validate(found, schema, format_checker=jsonschema.FormatChecker())
    said = VOLATILE.sub("*", answer.out)
    golden = GOLDEN / f"{name}.json"
    if os.environ.get("REKINDLE_WRITE_GOLDEN"):
        golden.write_text(said)
    assert said == golden.read_text()
    return found


@pytest.fixture
async def seeded(scene: Scene) -> Scene:
    """A store with four customers: one in a journey, one who bought, one held out, one who never entered."""
    scene.clock = NOW
    world = World(scene.database, scene.cipher, now=START)
    await world.add_store(salt=SALT, waba_id=WABA)
    await _templates(scene)
    await _running(world)
    await _bought(world)
    held_out = await world.customer(
        "+447700900003", external_id="3", first_name="Cy", last_order_external_id="9003", last_order_at=START
    )
    await world.enroll(held_out, id="enr-control", state=EnrollmentState.CONTROL, horizon_at=START + timedelta(days=8))
    outsider = await world.customer(
        "+447700900004",
        external_id="4",
        first_name="Di\x1b[31m",
        consent=ConsentState.NEVER_SUBSCRIBED,
        last_order_external_id="9004",
        last_order_at=START - timedelta(days=70),
        last_order_minor=4990,
        last_order_currency="USD",
    )
    async with scene.database.write() as session:
        journey = await session.get(Journey, 1)
        assert journey is not None
        journey.state = JourneyState.ACTIVE
        session.add(
            EntryDecision(
                store_id=world.store_id,
                journey_id=1,
                version_id=1,
                customer_id=outsider,
                at=START,
                outcome="no_consent",
                seen="never subscribed",
                threshold="subscribed",
            )
        )
    return scene


async def _templates(scene: Scene) -> None:
    async with scene.database.write() as session:
        session.add(
            Template(
                waba_id=WABA,
                name="winback_hello",
                language="en",
                status=TemplateStatus.APPROVED,
                category="MARKETING",
                variables=["1"],
                body="Hi {{1}}, it has been a while!",
                synced_at=START,
            )
        )


async def _running(world: World) -> None:
    """Two messages out, the first of which failed once; the second stage is held."""
    customer = await world.customer("+447700900001", external_id="1", first_name="Ana", language="en")
    enrollment = await world.enroll(customer, id="enr-running", stage=0)
    first = await world.claim(enrollment)
    async with world.database.write() as session:
        attempt = await session.get(SendAttempt, first)
        assert attempt is not None
        attempt.status, attempt.error_code, attempt.failed_at = AttemptStatus.FAILED, 131016, START
        send = await session.get(Send, attempt.send_id)
        assert send is not None
        send.state = SendState.FAILED
    second = await world.claim(enrollment)
    async with world.database.write() as session:
        attempt = await session.get(SendAttempt, second)
        assert attempt is not None
        attempt.status, attempt.wamid = AttemptStatus.DELIVERED, "wamid.1"
        attempt.accepted_at, attempt.delivered_at = START, START + timedelta(minutes=1)
        send = await session.get(Send, attempt.send_id)
        assert send is not None
        send.state, send.settled_at = SendState.ACCEPTED, START
        row = await session.get(Customer, customer)
        assert row is not None
        facts = await session.get(type(await world.one(_enrollment(), enrollment)), enrollment)
        assert facts is not None
        facts.stage, facts.state = 1, EnrollmentState.HOLDING
        facts.hold_reason, facts.hold_key = HoldReason.TEMPLATE_HELD, "template:x"
        session.add(
            TimelineEntry(
                enrollment_id=enrollment, at=NOW, stage=1, what="holding", reason=HoldReason.TEMPLATE_HELD.value
            )
        )


async def _bought(world: World) -> None:
    """An order long after the attribution window, which is somebody else's."""
    customer = await world.customer("+447700900002", external_id="2", first_name="Ben")
    enrollment = await world.enroll(customer, id="enr-bought", after_event_id=0)
    async with world.database.write() as session:
        row = await lock_customer(session, customer)
        facts = OrderFacts("5001", START + timedelta(hours=2), START + timedelta(hours=2), Money(4990, "USD"))
        order = await apply_order(session, row, facts, received_at=START + timedelta(hours=2), source="shopify")
        assert order.attributed_enrollment_id is None
        open_row = await session.get(_enrollment(), enrollment)
        assert open_row is not None
        reason = await close_enrollment(session, open_row, reason=ExitReason.COMPLETED, now=START + timedelta(hours=2))
        assert reason is ExitReason.PURCHASED
        await record_event(
            session,
            row,
            kind=EventKind.CUSTOMER_REPLIED,
            exit_reason=ExitReason.CUSTOMER_REPLIED,
            occurred_at=START + timedelta(hours=3),
            received_at=START + timedelta(hours=3),
            source="whatsapp",
            dedupe_key="whatsapp:x",
        )


def _enrollment() -> Any:
    from models.tables import Enrollment  # noqa: PLC0415 - keeps mypy from narrowing session.get's answer

    return Enrollment


def test_the_schemas_in_docs_are_current() -> None:
    """`python -m cli.schemas` would change nothing."""
    written = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert written == schemas()


def test_every_document_has_a_golden() -> None:
    """No document is left without a recorded example."""
    recorded = {path.stem for path in GOLDEN.glob("*.json")}
    assert {name for name in DOCUMENTS if not any(one.startswith(name) for one in recorded)} == set()


async def test_status_of_a_customer_whose_message_is_held(seeded: Scene) -> None:
    """Attempts with the error explained, the text as shown, and what it waits for."""
    found = check("status-held", await seeded.run("status", "07700 900001", "--json"), document="status")
    assert found["enrollments"][0]["hold"]["reason"] == "template_held"
    assert [one["status"] for one in found["enrollments"][0]["messages"][0]["attempts"]] == ["failed", "delivered"]


async def test_status_of_a_customer_who_bought_elsewhere(seeded: Scene) -> None:
    """An order that attribution gives to nobody is not the journey's success."""
    answer = await seeded.run("status", "--workflow-id", "enr-bought", "--json")
    found = check("status-bought", answer, document="status")
    assert found["enrollments"][0]["exit"]["reason"] == "purchased_elsewhere"


async def test_status_of_a_customer_held_out(seeded: Scene) -> None:
    """The control group's customer is told as such, with the end of it."""
    check("status-control", await seeded.run("status", "+44 7700 900003", "--json"), document="status")


async def test_status_of_a_customer_who_never_entered(seeded: Scene) -> None:
    """The decision on record and every rule of every active journey, now."""
    found = check("status-outside", await seeded.run("status", "447700900004", "--json"), document="status")
    assert found["why_not"][0]["reason"] == "no_consent"


async def test_status_for_a_person_cannot_steer_the_terminal(seeded: Scene) -> None:
    """A customer's name with an escape sequence in it is shown without."""
    answer = await seeded.run("status", "07700 900004")
    assert answer.code == 0
    assert "\x1b" not in answer.out
    assert "Di\ufffd[31m" in answer.out
    assert "never entered" in answer.out
    assert "447700900004" not in answer.out


async def test_status_for_a_person_tells_the_story(seeded: Scene) -> None:
    """Stage, hold and the explained error stand in the text."""
    answer = await seeded.run("status", "07700 900001")
    assert "template_held: the template cannot be sent at present" in answer.out
    assert "code 131016" in answer.out
    assert "Hi you, it has been a while!" in answer.out


async def test_why_not_without_the_shop(seeded: Scene) -> None:
    """The rules are evaluated on what is known, and stderr says that the shop was not asked."""
    answer = await seeded.run("why-not", "lapsed-60-days", "07700900004", "--json")
    found = check("why-not", answer)
    assert found["refreshed"] is False
    assert "the shop was not asked" in answer.err


async def test_why_not_of_a_follow_up_and_a_cart_journey(seeded: Scene) -> None:
    """Silence and cart stand among the rules, each with its value and what is asked."""
    for definition in (follow_up(column="quoted", times=3), cart_journey(cart={"minimum": "30"})):
        async with seeded.database.write() as session:
            await publish(session, 1, definition, now=START)
    await speak(seeded.database, 4, number_id=1, at=START, board_column="new")
    await leave_cart(seeded.database, 4, store_id=1, at=NOW - timedelta(minutes=20))
    for kind, name in (("follow-up", "silent"), ("cart", "cart")):
        answer = await seeded.run("why-not", name, "07700900004", "--json")
        found = check(f"why-not-{kind}", answer, document="why-not")
        assert found["verdict"]["reason"] == {"silent": "filter:column", "cart": "no_consent"}[name]


async def test_journeys(seeded: Scene) -> None:
    """Every state and every exit has its count, purchases split."""
    found = check("journeys", await seeded.run("journeys", "--json"))
    (line,) = found["journeys"]
    assert (line["exits"]["purchased"], line["exits"]["purchased_elsewhere"]) == (0, 1)
    assert set(line["exits"]) == {*ExitReason, "purchased_elsewhere"}
    assert "lapsed-60-days" in (await seeded.run("journeys")).out


async def test_templates(seeded: Scene) -> None:
    """The mirror as it is."""
    check("templates", await seeded.run("templates", "--json"))
    assert "APPROVED" in (await seeded.run("templates")).out


async def test_store_list(seeded: Scene) -> None:
    """No secret is among it."""
    answer = await seeded.run("store", "list", "--json")
    check("store-list", answer)
    assert "token" not in answer.out


async def test_validate(scene: Scene) -> None:
    """A good file's summary, and a bad file's problems."""
    check("validate", await scene.run("validate", "examples/win_back.yaml", "--json"))
    for kind in ("follow_up", "abandoned_cart"):
        answer = await scene.run("validate", f"examples/{kind}.yaml", "--json")
        check(f"validate-{kind.replace('_', '-')}", answer, document="validate")
    bad = Path(scene.environment["REKINDLE_DATABASE_URL"].partition("///")[2]).with_name("bad.yaml")
    bad.write_text("name: x\nname: y\nkind: win_back\naudience: {inactive_days: &a 0}\n")
    answer = await scene.run("validate", str(bad), "--json")
    check("validate-bad", answer, code=1, document="validate")
    assert f"{bad}:2:1: name: this key stands twice" in answer.err


async def test_a_failure_is_a_document_too(seeded: Scene) -> None:
    """What stands on stderr stands in it."""
    answer = await seeded.run("status", "+447700900099", "--json")
    found = check("failure", answer, code=3)
    assert answer.err.strip() == found["problems"][0]


async def test_import(seeded: Scene, tmp_path: Path) -> None:
    """A file with bad rows imports nobody and lists them all; without them everybody but the suppressed."""
    file = tmp_path / "people.csv"
    file.write_text(
        "customer_id,phone,first_name,consent,consent_at\n"
        "10,07700 900010,Eve,yes,2026-01-01\n"
        "11,12,Flo,yes,\n"
        "12,07700 900012,Gil,maybe,\n"
        "10,07700 900013,Hal,yes,\n"
        "14,07700 900014,Ian,yes,2027-01-01\n"
    )
    answer = await seeded.run("customers", "import", str(file), "--json")
    found = check("customers-import-bad", answer, code=1, document="customers-import")
    assert [one["line"] for one in found["bad_rows"]] == [3, 4, 5, 6]
    check(
        "customers-import",
        await seeded.run("customers", "import", str(file), "--skip-bad-rows", "--json"),
    )


async def test_opt_out_ends_what_runs_and_keeps_a_reimport_out(seeded: Scene, temporal: Client, tmp_path: Path) -> None:
    """The customer is out of marketing, and the number is on the suppression list for good."""
    assert temporal is not None
    check("customers-opt-out", await seeded.run("customers", "opt-out", "07700 900004", "--json"))
    file = tmp_path / "people.csv"
    file.write_text("customer_id,phone,consent\n99,07700 900004,yes\n")
    answer = await seeded.run("customers", "import", str(file), "--json")
    assert json.loads(answer.out)["suppressed"] == 1
    status = json.loads((await seeded.run("status", "07700 900004", "--json")).out)
    assert (status["customer"]["opt_out_source"], status["why_not"][0]["reason"]) == ("operator", "unsubscribed")


async def test_erase_forgets_a_person_for_good(seeded: Scene, temporal: Client, tmp_path: Path) -> None:
    """Nothing of the person can be looked up any more, the journey is told, and an import leaves the number out."""
    assert temporal is not None
    refused = await seeded.spawn("customers", "erase", "07700 900001")
    assert (refused.code, b"Ana" in seeded.stored()) == (2, True)
    found = check("customers-erase", await seeded.run("customers", "erase", "07700 900001", "--yes", "--json"))
    assert (found["known"], found["delivered"]) == (True, True)
    assert (await seeded.run("status", "07700 900001")).code == 3
    answer = await seeded.run("customers", "erase", "#1", "--yes", "--json")
    assert json.loads(answer.out)["known"]
    file = tmp_path / "people.csv"
    file.write_text("customer_id,phone,consent\n99,07700 900001,yes\n")
    answer = await seeded.run("customers", "import", str(file), "--json")
    assert json.loads(answer.out)["suppressed"] == 1


async def test_export_tells_a_person_everything_and_meets_their_request(
    seeded: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is its owner's alone, holds chats and messages, and the open request is met; strangers have none."""
    monkeypatch.chdir(tmp_path)
    async with seeded.database.write() as session:
        for number in range(2):
            session.add(
                PrivacyRequest(
                    store_id=1,
                    kind=PrivacyRequestKind.DATA_REQUEST,
                    dedupe_key=f"data_request:{number}",
                    customer_id=1,
                    received_at=START,
                )
            )
    findings = json.loads((await seeded.run("doctor", "--json")).out)["findings"]
    [open_request] = [one for one in findings if one["subject"].endswith("privacy")]
    assert "'#1'" in open_request["advice"]
    found = check("customers-export", await seeded.run("customers", "export", "#1", "--out", "ana.json", "--json"))
    assert found["requests_fulfilled"] == 2
    told = json.loads((tmp_path / "ana.json").read_text())
    assert (told["customer"][0]["first_name"], len(told["send_attempts"])) == ("Ana", 2)
    assert (tmp_path / "ana.json").stat().st_mode & 0o077 == 0
    assert (await seeded.run("customers", "export", "07700 900001", "--out", "ana.json")).code == 0
    assert (await seeded.run("customers", "export", "07700 900077", "--out", "no.json")).code == 3
    assert (await seeded.run("customers", "export", "#1", "--out", "no/where.json")).code == 1
    findings = json.loads((await seeded.run("doctor", "--json")).out)["findings"]
    assert not [one for one in findings if one["subject"].endswith("privacy")]


async def test_stop_of_a_journey_whose_workflows_are_gone(seeded: Scene, temporal: Client) -> None:
    """One is told, and once only; control is left alone."""
    assert temporal is not None
    found = check("stop", await seeded.run("stop", DEFINITION.name, "--yes", "--json"))
    assert found["told"] == 1
    again = json.loads((await seeded.run("stop", DEFINITION.name, "--yes", "--json")).out)
    assert again["told"] == 0


async def test_an_export_is_its_owners_alone_even_in_a_file_of_everybodys(seeded: Scene, tmp_path: Path) -> None:
    """A file that was there keeps nothing of its mode."""
    out = tmp_path / "person.json"
    out.touch(0o644)
    answer = await seeded.run("customers", "export", "#1", "--out", str(out))
    assert answer.code == 0, answer.err
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


async def test_a_number_of_the_shops_that_is_missing_erases_nobody(seeded: Scene) -> None:
    """A lonely # is a slip of the hand, and no customer without a number."""
    answer = await seeded.run("customers", "erase", "#", "--yes")
    assert (answer.code, "after the #" in answer.err) == (2, True)


@pytest.fixture
def store_file(tmp_path: Path, world: Scene) -> Path:
    """What `store add --from` reads: a second store on the sandbox."""
    path = tmp_path / "store.json"
    path.write_text(
        json.dumps(
            {
                "name": "second",
                "time_zone": "Europe/Madrid",
                "currency": "EUR",
                "languages": ["es"],
                "stop_words": ["Odhlásit"],
                "region": "ES",
                "phone_number_id": "900000000000002",
                "waba_id": "800000000000002",
                "shop_domain": "second.myshopify.com",
                "shop_endpoint": world.environment["SANDBOX_SHOP"],
                "whatsapp_token": "secret-one",
                "whatsapp_app_secret": "secret-two",
                "whatsapp_verify_token": "secret-three",
                "shop_token": "secret-four",
                "shop_webhook_secret": "secret-five",
            }
        )
    )
    return path


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


def rewrite(path: Path, **changes: str) -> None:
    """What the file says, without its stop words and with these changes."""
    told = {key: value for key, value in json.loads(path.read_text()).items() if key != "stop_words"}
    path.write_text(json.dumps(told | changes))


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


async def test_doctor_without_anything_running(seeded: Scene) -> None:
    """Every fault has its line and its advice, and none stops the others."""
    found = check("doctor", await seeded.run("doctor", "--json"), code=1)
    faults = " ".join(one["subject"] for one in found["findings"] if one["state"] == "fault")
    assert all(word in faults for word in ("whatsapp", "shopify", "gateway", "temporal"))


@pytest.mark.usefixtures("worker")
async def test_launch_and_history(world: Scene, journey_file: Path, tmp_path: Path) -> None:
    """A launch's account, with its days by their place."""
    world.customer(1)
    world.customer(2, consent=ConsentState.NEVER_SUBSCRIBED)
    answer = await world.run("launch", str(journey_file), "--yes", "--json")
    days = sorted(set(re.findall(r"\d{4}-\d\d-\d\d", answer.out)))
    for position, day in enumerate(days):
        answer.out = answer.out.replace(day, f"2030-01-0{position + 1}")
    check("launch", answer)
    saved = await world.run("history", "aud-1-1", "--out", str(tmp_path / "history.json"), "--json")
    saved.out = re.sub(r'"events": \d+', '"events": 1', saved.out)
    check("history", saved)


@pytest.mark.usefixtures("worker")
async def test_launch_of_a_follow_up(world: Scene, tmp_path: Path) -> None:
    """Its account is a win-back's, with what it watches instead of a launch."""
    path = tmp_path / "follow_up.yaml"
    path.write_text(
        "name: silent\nkind: follow_up\nrepeat: {every: 2h, times: 1}\n"
        "message: {template: winback_hello, language: en, variables: {'1': friend}}\n"
        "sending: {hours: '00:00-24:00', time_zone: store}\n"
    )
    now = system_clock()
    async with world.database.write() as session:
        for number in (1, 2, 3):
            session.add(Customer(store_id=1, external_id=str(number), phone=f"+447700900{number:03}"))
    for number in (1, 2, 3):
        ago = timedelta(hours=3) if number < 3 else timedelta(minutes=5)
        await speak(world.database, number, number_id=1, at=now - ago, now=now)
    answer = await world.run("launch", str(path), "--yes", "--json")
    day = min(re.findall(r"\d{4}-\d\d-\d\d", answer.out))
    answer.out = answer.out.replace(day, "2030-01-01")
    check("launch-follow-up", answer, document="launch")


async def test_publish_golden(world: Scene, journey_file: Path) -> None:
    """A new version of a journey that nobody is in, field by field."""
    world.clock = NOW
    await _templates(world)
    async with world.database.write() as session:
        journey, _ = await publish(session, 1, read_definition(journey_file), now=START)
        journey.state = JourneyState.ACTIVE
    edit(journey_file, ("after: 3d", "after: 2d"))
    check("publish", await world.run("publish", str(journey_file), "--yes", "--json"))
