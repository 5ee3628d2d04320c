"""`doctor`: each thing that can break is broken, and has its line, its stable name, and what to do."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select
from temporalio.client import Client

from cli.checks import Check
from cli.temporal import ensure_store_watches, start_watch
from composition import system_clock
from models.enums import EnrollmentState, HoldReason, JourneyState, LaunchState, SendState, TemplateStatus
from models.journey import WinBack
from models.tables import (
    Customer,
    Enrollment,
    Journey,
    JourneyWatch,
    Launch,
    Number,
    Send,
    Shop,
    Store,
    Template,
)
from sandbox.shopify.state import DiscountRecord, OrderRecord
from storage.daily_selections import keep_on
from storage.publishing import publish
from storage.stores import find_store
from tests.cli.conftest import WABA, Scene
from tests.silences import follow_up

NAME = "quiet"
SUPPORT = Path(__file__).parents[2] / "docs" / "support.md"
DAY = timedelta(days=1)


def win_back(**changes: Any) -> WinBack:
    """A win-back of one message."""
    message = {"template": "winback_hello", "language": "en", "variables": {"1": "friend"}}
    return WinBack.model_validate(
        {
            "name": NAME,
            "kind": "win_back",
            "audience": {"inactive_days": 60},
            "stages": [{"after": "0d", "message": message}],
            "sending": {"hours": "00:00-24:00", "time_zone": "store", **changes.pop("sending", {})},
        }
        | changes
    )


async def launched(world: Scene, definition: Any = None) -> int:
    """An active journey of the world's store, whose last selection got through; its id."""
    now = system_clock()
    async with world.database.write() as session:
        known = (await session.exec(select(Template.id))).first()
        if known is None:
            template = Template(
                waba_id=WABA, name="winback_hello", language="en", status=TemplateStatus.APPROVED, synced_at=now
            )
            template.variables = ["1"]
            session.add(template)
        journey, version = await publish(session, 1, definition or win_back(), now=now)
        journey.state = JourneyState.ACTIVE
        assert journey.id is not None
        assert version.id is not None
        launch = Launch(
            store_id=1,
            journey_id=journey.id,
            version_id=version.id,
            state=LaunchState.DONE,
            requested_at=now - DAY,
            finished_at=now - DAY,
            considered=7,
        )
        session.add(launch)
        return journey.id


async def doctor(world: Scene, journey: str | None = NAME) -> dict[str, list[dict[str, Any]]]:
    """What `doctor J --json` found, by check; the exit code is 1 exactly when there is a fault."""
    answer = await world.run("doctor", *([journey] if journey else []), "--json")
    found = json.loads(answer.out)
    faults = [one for one in found["findings"] if one["state"] == "fault"]
    assert (answer.code, found["ok"]) == ((1, False) if faults else (0, True))
    by_check: dict[str, list[dict[str, Any]]] = {}
    for one in found["findings"]:
        by_check.setdefault(one["check"], []).append(one)
    return by_check


async def put(world: Scene, row: object) -> None:
    """Something is so."""
    async with world.database.write() as session:
        session.add(row)


async def change(world: Scene, table: type[Any], **values: Any) -> None:
    """The only row of a table is otherwise."""
    async with world.database.write() as session:
        row = (await session.exec(select(table))).one()
        for name, value in values.items():
            setattr(row, name, value)


def test_every_check_has_its_line_in_the_document() -> None:
    """Scripts and alarms read these names; a new one is documented, a removed one noticed."""
    written = re.findall(r"^\| `(\w+)` \|", SUPPORT.read_text(), re.MULTILINE)
    assert written == [one.value for one in Check]


async def test_a_healthy_journey(world: Scene) -> None:
    """Every step of the list has its line, each of them well but for what is not running here."""
    await launched(world)
    found = await doctor(world)
    well = {
        Check.WHATSAPP_NUMBER,
        Check.WHATSAPP_QUALITY,
        Check.WHATSAPP_PAYMENT,
        Check.SHOP,
        Check.SHOP_ORDERS,
        Check.JOURNEY_STATE,
        Check.JOURNEY_TEMPLATES,
        Check.JOURNEY_HOURS,
        Check.JOURNEY_CAPS,
        Check.JOURNEY_LAUNCH,
        Check.JOURNEY_PASSAGES,
    }
    assert {one for one in well if {line["state"] for line in found[one]} != {"ok"}} == set()
    assert {one for one, lines in found.items() if any(line["state"] == "fault" for line in lines)} == {
        Check.GATEWAY,
        Check.TEMPORAL,
    }
    assert "7 considered" in found["journey_launch"][0]["text"]


@pytest.mark.parametrize(
    ("discount", "text"),
    [
        (None, "does not exist in the shop"),
        ({"ends_at": system_clock() - DAY}, "Shopify says it is expired"),
        ({"starts_at": system_clock() + DAY}, "Shopify says it is scheduled"),
        ({"usage_limit": 1}, "is used up: 1 of 1 uses"),
        ({"customer_ids": (1,)}, "is for named customers only"),
        ({"usage_limit": 2}, None),
    ],
    ids=["missing", "ended", "not begun", "used up", "for others", "live"],
)
async def test_the_coupon(world: Scene, discount: dict[str, Any] | None, text: str | None) -> None:
    """It must exist, be active, not be used up, and be for everybody."""
    await launched(world, win_back(coupon={"code": "BACK10"}))
    world.customer(1)
    now = system_clock()
    world.shop.put_order(OrderRecord(1, 1, now - DAY, Decimal(10), "USD", discount_codes=("back10",)))
    if discount is not None:
        live = DiscountRecord(1, "BACK10", "x", starts_at=now - 9 * DAY)
        world.shop.put_discount(replace(live, **discount))
    [line] = (await doctor(world))["journey_coupon"]
    assert line["state"] == ("ok" if text is None else "fault")
    assert (text or "the coupon BACK10 is live") in line["text"]
    assert text is None or line["advice"]


@pytest.mark.parametrize(
    ("status", "quality", "state", "advice"),
    [
        (TemplateStatus.PAUSED, None, "fault", "Meta has paused it for its quality"),
        (TemplateStatus.DISABLED, None, "fault", "`templates substitute OLD NEW`"),
        (TemplateStatus.FLAGGED, None, "warning", "may be paused next"),
        (TemplateStatus.APPROVED, "RED", "warning", "rewrite it before Meta pauses it"),
        (TemplateStatus.APPROVED, "GREEN", "ok", None),
    ],
)
async def test_each_template_by_name(
    world: Scene, status: TemplateStatus, quality: str | None, state: str, advice: str | None
) -> None:
    """Its name, language and status, and what becomes of messages with it."""
    await launched(world)
    await change(world, Template, status=status, quality=quality)
    [line] = (await doctor(world))["journey_templates"]
    assert line["state"] == state
    assert line["text"].startswith("template winback_hello (en) is")
    assert status.value in line["text"]
    assert line["advice"] is None if advice is None else advice in line["advice"]


async def test_a_journey_that_stands_still(world: Scene) -> None:
    """Paused for the bill: the cause in words, what mends it, and that Meta wants to be paid."""
    await launched(world)
    now = system_clock()
    await change(world, Journey, state=JourneyState.PAUSED, state_reason="payment_problem")
    await change(world, Number, paused_reason="refused:131042", paused_until=now + DAY)
    found = await doctor(world)
    assert "paused: because there is a problem with paying Meta" in found["journey_state"][0]["text"]
    assert "correct the billing at Meta" in found["journey_state"][0]["advice"]
    [payment] = found["whatsapp_payment"]
    assert (payment["state"], "131042" in payment["text"]) == ("fault", True)
    assert "billing" in payment["advice"]


async def test_the_shop(world: Scene) -> None:
    """Disconnected, or without the scope for older orders: then nobody's silence can be told."""
    await launched(world, win_back(audience={"inactive_days": 90}))
    world.shop.scopes = world.shop.scopes - {"read_all_orders"}
    await change(world, Shop, sees_all_orders=False)
    found = await doctor(world)
    assert [line["state"] for line in (*found["shop_orders"], *found["journey_orders"])] == ["fault", "fault"]
    assert "read_all_orders" in found["shop_orders"][0]["advice"]
    await change(world, Shop, uninstalled_at=system_clock())
    world.shop.token = "another"
    found = await doctor(world)
    assert "the merchant removed the app" in found["shop"][0]["text"]
    assert [line["state"] for line in found["shop"]] == ["fault", "fault"]


async def test_hours_caps_and_credits(world: Scene) -> None:
    """Closed until when, full for today, and how many messages the credits still reach."""
    now = system_clock()
    tomorrow = (now + DAY).strftime("%a").lower()
    journey = await launched(
        world, win_back(sending={"hours": "09:00-10:00", "weekdays": [tomorrow], "max_per_day": 1})
    )
    await change(world, Store, credits=5, message_credits=3)
    async with world.database.write() as session:
        for number in range(2):
            customer = Customer(store_id=1, external_id=str(number))
            session.add(customer)
            await session.flush()
            session.add(_enrollment(journey, customer.id, number, now, due_at=now + DAY))
    found = await doctor(world)
    [hours], [caps], [funds] = found["journey_hours"], found["journey_caps"], found["journey_credits"]
    assert "closed now, opens" in hours["text"]
    assert f"{now + DAY:%Y-%m-%d} 09:00" in hours["text"]
    assert (caps["state"], caps["text"]) == ("warning", "2 of 1 new entrants today: the day is full")
    assert (funds["state"], "enough for 1 of its messages" in funds["text"]) == ("warning", True)
    assert "at least 6 for 2 message(s)" in funds["text"]
    await change(world, Store, credits=2)
    assert (await doctor(world))["journey_credits"][0]["state"] == "fault"


def _enrollment(journey: int, customer: int | None, number: int, now: Any, **values: Any) -> Enrollment:
    facts: dict[str, Any] = {
        "id": f"enr-{number}",
        "store_id": 1,
        "journey_id": journey,
        "version_id": 1,
        "customer_id": customer,
        "entry_key": str(number),
        "priority": 50,
        "state": EnrollmentState.WAITING,
        "selected_at": now,
        "entered_at": now,
    }
    return Enrollment(**(facts | values))


async def test_who_is_stuck(world: Scene) -> None:
    """Selected and never begun, overdue, held, parked: each with its number; and a launch that broke off."""
    now = system_clock()
    journey = await launched(world)
    states: list[dict[str, Any]] = [
        {"state": EnrollmentState.STARTING, "selected_at": now - timedelta(hours=1)},
        {"state": EnrollmentState.WAITING, "due_at": now - timedelta(hours=2)},
        {"state": EnrollmentState.HOLDING, "hold_reason": HoldReason.NO_CREDITS},
    ]
    async with world.database.write() as session:
        for number, values in enumerate(states):
            customer = Customer(store_id=1, external_id=str(number))
            session.add(customer)
            await session.flush()
            session.add(_enrollment(journey, customer.id, number, now, **values))
        await session.flush()
        session.add(
            Send(store_id=1, journey_id=journey, enrollment_id="enr-2", customer_id=3, stage=0, state=SendState.PARKED)
        )
    await change(world, Launch, state=LaunchState.FAILED, error="the shop went away")
    found = await doctor(world)
    unstarted, overdue = found["journey_passages"]
    assert (unstarted["state"], overdue["state"]) == ("fault", "fault")
    assert unstarted["text"].startswith("1 customer(s) were selected")
    assert overdue["text"].startswith("1 customer(s) are overdue")
    assert "see that a worker runs" in overdue["advice"]
    assert "(no_credits)" in found["journey_holds"][0]["text"]
    assert found["journey_parked"][0]["text"].startswith("of 1 message(s) nobody knows")
    assert "ended before its time: the shop went away" in found["journey_launch"][0]["text"]


async def test_without_a_name_only_what_is_wrong_is_told(world: Scene) -> None:
    """A healthy journey is one line among many; a sick one keeps its lines."""
    await launched(world)
    found = await doctor(world, None)
    assert "journey_hours" not in found
    assert found["journey_state"][0]["text"] == "active; templates and coupon are well, and nobody in it is overdue"
    await change(world, Template, status=TemplateStatus.PAUSED)
    found = await doctor(world, None)
    assert [line["state"] for line in found["journey_templates"]] == ["fault"]
    assert "journey_state" not in found


async def test_a_time_zone_that_this_machine_does_not_know(world: Scene) -> None:
    """It is named with what to do, and the other commands say where to look instead of breaking down."""
    await launched(world)
    await change(world, Store, time_zone="Mars/Phobos")
    for name in (NAME, None):
        found = await doctor(world, name)
        assert found["stores"][0]["state"] == "fault"
        assert "'Mars/Phobos' is unknown on this machine" in found["stores"][0]["text"]
        assert "tzdata" in found["stores"][0]["advice"]
    assert "time zone is unknown on this machine" in (await world.run("journeys")).err


async def test_what_has_to_run(world: Scene, temporal: Client) -> None:
    """Nobody polls the queues, no watch runs, no upkeep, no schedule: each is a fault until it is there."""
    watched = await launched(world, follow_up())
    quiet = await launched(world)
    async with world.database.write() as session:
        session.add(JourneyWatch(journey_id=watched, store_id=1))
        await keep_on(
            session, await session.get_one(Journey, quiet), at="09:00", limit=None, only_new=False, now=system_clock()
        )
    found = await doctor(world, "silent")
    states: Callable[[str], list[str]] = lambda check: [line["state"] for line in found[check]]  # noqa: E731 - of `found`
    assert set(states("worker")) == {"fault"}
    assert {line["text"] for line in found["worker"]} >= {
        "nobody polls rekindle",
        "nobody polls shopify-example.myshopify.com",
    }
    assert (states("journey_workflow"), states("store_workflows")) == (["fault"], ["fault", "fault"])
    assert "its WatchWorkflow does not run" in found["journey_workflow"][0]["text"]
    [schedule] = (await doctor(world))["journey_schedule"]
    assert (schedule["state"], schedule["text"]) == ("fault", "its Temporal schedule is missing")
    async with world.database.read() as session:
        parts = await find_store(session, None)
    await ensure_store_watches(temporal, parts)
    await start_watch(temporal, 1, watched, DAY)
    found = await doctor(world, "silent")
    assert (states("journey_workflow"), states("store_workflows")) == (["ok"], ["ok", "ok"])


async def test_a_launch_that_nobody_carries_on(world: Scene, temporal: Client) -> None:
    """The selection says that it is under way, and its workflow is gone."""
    assert temporal is not None
    await launched(world)
    await change(world, Launch, state=LaunchState.STARTING)
    [line] = (await doctor(world))["journey_workflow"]
    assert (line["state"], line["text"]) == ("fault", "a selection is under way, and its AudienceWorkflow does not run")
    assert "`launch` the file again" in line["advice"]
