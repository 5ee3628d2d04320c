"""What each kind of refusal leads to, for the message and for everybody else, on both databases."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from temporalio.exceptions import ApplicationError

from activities.health import check_store
from activities.outcomes import template_key
from gateway.app import GatewaySettings, create_app
from models.audience import ConsentRule
from models.enums import (
    ExitReason,
    HoldReason,
    JourneyState,
    LeftOut,
    PauseCause,
    SendState,
    SkipReason,
    TemplateStatus,
)
from models.orchestration import StageStep
from models.tables import (
    Customer,
    Enrollment,
    Journey,
    Number,
    Send,
    SendAttempt,
    SignalIntent,
    Store,
    StoreEvent,
    Template,
)
from policies.eligibility import reachability
from policies.whatsapp_reactions import Reaction, may_follow, pacing_of, reaction_for
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from storage.credits import credits_key
from storage.engine import Database
from storage.enrollments import enrollment_facts, set_holding
from storage.entry import considered
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.pausing import pause
from storage.reachability import note_unreachable
from storage.senders import allow_country, end_pause
from storage.shoppers import take_phone
from storage.statuses import Report, StatusPiece
from storage.substitutions import end_substitution, substitute
from storage.template_states import lift_blocks, locked_template
from storage.templates import TemplateFacts, mirror
from tests.refusing import Sending
from tests.worlds import (
    NOON,
    SHOP,
    WABA,
    World,
    later,
    make_world,
    shopify_headers,
    text_message,
    whatsapp_body,
    whatsapp_headers,
)

CATALOGUE = Path(__file__).parents[2].parent / "shared" / "reference" / "whatsapp_error_codes.json"
OTHER = "+447700900124"


@pytest.fixture
async def sending(database: Database) -> Sending:
    """A store with one approved template, on each kind of database."""
    sending = Sending(await make_world(database))
    await sending.open()
    return sending


async def failed(sending: Sending, enrollment: str, code: int, *, attempt: int = 1, minutes: float = 1) -> None:
    """WhatsApp tells by webhook that the first stage's message failed."""
    await told(sending, enrollment, Report.FAILED, attempt=attempt, at=later(minutes=minutes), code=code)


async def told(
    sending: Sending, enrollment: str, report: Report, *, attempt: int, at: datetime, code: int | None = None
) -> None:
    """WhatsApp tells by webhook what became of the first stage's message."""
    world = sending.world
    known = await wamid(sending, enrollment, attempt)
    piece = StatusPiece(f"st:{enrollment}:{attempt}", world.number_id, known, report, at, None, code)
    world._made += 1
    delivery = Delivery("whatsapp", "whatsapp", f"key-{world._made}", "{}", at, world.store_id)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=(piece,)))


async def wamid(sending: Sending, enrollment: str, attempt: int) -> str:
    """WhatsApp's id of an attempt's message."""
    row = await sending.world.one(SendAttempt, f"{enrollment}:1:1:{attempt}")
    return str(row.wamid)


async def events(world: World) -> list[tuple[str, object]]:
    """What the store's people are told, with the code."""
    return [(row.kind.value, row.detail.get("code")) for row in await world.rows(StoreEvent)]


async def broadcasts(world: World) -> list[str]:
    """Which keys are released."""
    return [row.broadcast_key for row in await world.rows(SignalIntent) if row.broadcast_key is not None]


# --- tried again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "pauses"),
    [
        (131056, [4, 16, 64, 256]),
        (130429, [10, 20, 40]),
        (131016, [60, 120, 240]),
        (131053, [30, 120]),
        (80007, [300]),
    ],
)
async def test_a_code_is_tried_again_at_its_own_pace(sending: Sending, code: int, pauses: list[int]) -> None:
    """Each try has the documented pause before it, longer by a quarter or a minute at most, and never shorter."""
    enrollment = await sending.ready()
    for tries, wanted in enumerate(pauses, start=1):
        sending.meta.codes = [code]
        with pytest.raises(ApplicationError) as raised:
            await sending.send(enrollment, attempt=tries)
        found = raised.value.next_retry_delay
        assert found is not None
        assert wanted <= found.total_seconds() <= wanted + max(1, min(wanted / 4, 60))
    assert len(sending.meta.posted) == len(pauses)


async def test_what_whatsapp_asks_for_is_waited_for(sending: Sending) -> None:
    """The usage header names minutes: the stage holds so long, and the attempt tells with which code."""
    enrollment = await sending.ready()
    sending.meta.codes = [80007]
    usage = {"1": [{"type": "whatsapp", "estimated_time_to_regain_access": 40}]}
    sending.meta.headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
    result = await sending.send(enrollment)
    assert (result.step, result.hold_reason) == (StageStep.HOLD, HoldReason.META_RETRY_LATER)
    assert result.hold_until is not None
    assert later(minutes=40) <= result.hold_until <= later(minutes=42)
    (attempt,) = await sending.world.rows(SendAttempt)
    assert attempt.error_code == 80007


async def test_a_picture_that_meta_cannot_fetch_is_tried_three_times(sending: Sending) -> None:
    """After that it is the message that is wrong, and nobody else sends it."""
    enrollment = await sending.ready()
    sending.meta.codes = [131053] * 3
    for tries in (1, 2):
        with pytest.raises(ApplicationError):
            await sending.send(enrollment, attempt=tries)
    result = await sending.send(enrollment, attempt=3)
    assert (result.step, result.hold_reason) == (StageStep.HOLD, HoldReason.TEMPLATE_HELD)
    assert await events(sending.world) == [("template.blocked", 131053)]


async def test_a_fault_that_stays_skips_the_message_at_last(sending: Sending) -> None:
    """131000 is tried for hours, at longer and longer pauses, and then given up for this send alone."""
    enrollment = await sending.ready()
    at = NOON
    most = pacing_of(131000).most
    assert most is not None
    for tries in range(1, most + 1):
        sending.meta.codes = [131000]
        try:
            result = await sending.send(enrollment, at=at, attempt=1 if tries > 3 else tries)
        except ApplicationError as error:
            at += error.next_retry_delay or timedelta(0)
        else:
            at = result.hold_until or at
        await sending.draft(enrollment, at=at)
    assert result.step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert send.skip_reason is SkipReason.REQUEST_REFUSED
    assert at > later(hours=1)
    sending.meta.codes = []
    assert (await sending.send(await sending.ready(OTHER))).step is StageStep.ACCEPTED


# --- the person ------------------------------------------------------------------------------------------------------


async def test_nobody_asks_again_for_somebody_unreachable(sending: Sending) -> None:
    """131026 ends the journey; another one's claim ends without a request, until 30 days are over."""
    enrollment = await sending.ready()
    sending.meta.codes = [131026]
    result = await sending.send(enrollment)
    assert result.exit is not None
    assert result.exit.reason is ExitReason.UNDELIVERABLE
    (customer,) = await sending.world.rows(Customer)
    assert (customer.unreachable_code, customer.unreachable_until) == (131026, later(days=30))
    assert (await sending.send(enrollment, at=later(days=29))).step is StageStep.EXIT
    assert len(sending.meta.posted) == 1
    await sending.draft(enrollment, at=later(days=30))
    assert (await sending.send(enrollment, at=later(days=30))).step is StageStep.ACCEPTED


async def test_metas_experiment_keeps_marketing_from_a_person(sending: Sending) -> None:
    """130472 skips the stage and every later marketing template for 30 days, without a request each."""
    enrollment = await sending.ready()
    sending.meta.codes = [130472]
    assert (await sending.send(enrollment)).step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert send.skip_reason is SkipReason.META_DECLINED
    (customer,) = await sending.world.rows(Customer)
    assert customer.unreachable_code == 130472


async def test_a_blocked_country_is_left_alone_by_the_account(sending: Sending) -> None:
    """130497 says nothing of the number: the next one of that country is skipped unasked, another country's is sent."""
    sending.meta.codes = [130497]
    assert (await sending.send(await sending.ready())).step is StageStep.SKIPPED
    assert (await sending.send(await sending.ready(OTHER))).step is StageStep.SKIPPED
    assert len(sending.meta.posted) == 1
    assert (await sending.send(await sending.ready("+5511999990001"))).step is StageStep.ACCEPTED
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason is None
    assert await events(sending.world) == [("sender.paused", 130497)]
    async with sending.world.database.write() as session:
        assert await allow_country(session, WABA, "GB")
    assert (await sending.send(await sending.ready("+447700900125"))).step is StageStep.ACCEPTED


# --- the template ----------------------------------------------------------------------------------------------------


async def test_a_wrong_request_blocks_its_message_and_nobody_asks_again(sending: Sending) -> None:
    """132000: the sender holds, the next one holds without a request, and one event tells of it."""
    sending.meta.codes = [132000]
    first = await sending.send(await sending.ready())
    second = await sending.send(await sending.ready(OTHER))
    assert [one.hold_reason for one in (first, second)] == [HoldReason.TEMPLATE_HELD] * 2
    assert len(sending.meta.posted) == 1
    keys = {row.hold_key for row in await sending.world.rows(Enrollment)}
    assert len(keys) == 1
    assert await events(sending.world) == [("template.blocked", 132000)]
    async with sending.world.database.write() as session:
        template = await locked_template(session, WABA, "winback_hello", "en")
        assert template is not None
        assert lift_blocks(session, template, now=NOON) == 1
    assert set(await broadcasts(sending.world)) == keys
    assert (await sending.send("enr-2")).step is StageStep.ACCEPTED


@pytest.mark.parametrize(("body", "released"), [("Hello {{1}}", False), ("Dear {{1}}", True)])
async def test_another_content_at_meta_releases_what_was_blocked(sending: Sending, body: str, released: bool) -> None:  # noqa: FBT001 - pytest hands it in
    """The list that Meta tells with the same content releases nobody; a changed template everybody."""
    enrollment = await sending.ready()
    sending.meta.codes = [132012]
    await sending.send(enrollment)
    (row,) = await sending.world.rows(Enrollment)
    listed = TemplateFacts(
        name="winback_hello",
        language="en",
        status=TemplateStatus.APPROVED,
        category="MARKETING",
        named_variables=False,
        variables=("1",),
        copy_code_index=None,
        body=body,
    )
    async with sending.world.database.write() as session:
        await mirror(session, WABA, [listed], now=later(minutes=5))
    assert await broadcasts(sending.world) == ([row.hold_key] if released else [])
    (template,) = await sending.world.rows(Template)
    assert bool(template.blocks) is not released


@pytest.mark.parametrize("code", [132005, 132018, 131062, 137000])
async def test_one_customers_values_block_nobody_else(sending: Sending, code: int) -> None:
    """What is wrong with one message alone skips that one."""
    sending.meta.codes = [code]
    assert (await sending.send(await sending.ready())).step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert send.skip_reason is SkipReason.REQUEST_REFUSED
    assert (await sending.send(await sending.ready(OTHER))).step is StageStep.ACCEPTED
    assert await events(sending.world) == []


async def test_a_dead_template_skips_everybody_after_one_request(sending: Sending) -> None:
    """132016 marks the mirror: the next customer is skipped unasked, and people are told once."""
    sending.meta.codes = [132016]
    for phone in ("+447700900123", OTHER):
        assert (await sending.send(await sending.ready(phone))).step is StageStep.SKIPPED
    assert len(sending.meta.posted) == 1
    assert await events(sending.world) == [("template.status_changed", 132016)]


# --- the sender ------------------------------------------------------------------------------------------------------


async def test_after_a_pause_one_message_finds_out(sending: Sending) -> None:
    """When the time of a pause is over one goes and the others go on holding; its way to the customer releases them."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(3)]
    sending.meta.codes = [131048]
    first = await sending.send(enrollments[0])
    assert (first.hold_reason, first.hold_until) == (HoldReason.SENDER_PAUSED, later(days=1))
    second = await sending.send(enrollments[1])
    assert second.hold_until is not None
    assert later(days=1, minutes=10) <= second.hold_until <= later(days=1, minutes=40)
    at = later(days=1)
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    sending.meta.codes = [131048]
    assert (await sending.send(enrollments[0], at=at)).hold_until == later(days=2)
    assert (await sending.send(enrollments[1], at=at)).hold_reason is HoldReason.SENDER_PAUSED
    assert len(sending.meta.posted) == 2
    at = later(days=2)
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollments[0], at=at)).step is StageStep.ACCEPTED
    assert (await sending.send(enrollments[1], at=at)).hold_reason is HoldReason.SENDER_PAUSED
    await told(sending, enrollments[0], Report.SENT, attempt=3, at=at)
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason is None
    assert f"number:{number.phone_number_id}" in await broadcasts(sending.world)
    assert (await sending.send(enrollments[1], at=at)).step is StageStep.ACCEPTED
    assert await events(sending.world) == [("sender.paused", 131048)]


@pytest.mark.parametrize("code", [131048, 131042])
async def test_a_probe_that_meta_takes_and_drops_releases_nobody(sending: Sending, code: int) -> None:
    """Meta tells such a code by webhook too: that a message was taken says nothing before one is reported as sent."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [code]
    at = (await sending.send(enrollments[0])).hold_until
    assert at is not None
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollments[0], at=at)).step is StageStep.ACCEPTED
    assert (await sending.send(enrollments[1], at=at)).step is StageStep.HOLD
    await failed(sending, enrollments[0], code, attempt=2, minutes=(at - NOON).total_seconds() / 60 + 0.1)
    at += timedelta(minutes=10)
    await sending.draft(enrollments[1], at=at)
    assert (await sending.send(enrollments[1], at=at)).step is StageStep.HOLD
    assert len(sending.meta.posted) == 2
    assert await broadcasts(sending.world) == []


async def test_two_probes_of_which_nothing_bad_is_told_end_a_pause(sending: Sending) -> None:
    """Statuses can be lost: the second message that Meta takes five minutes later is proof enough."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(3)]
    sending.meta.codes = [131048]
    at = (await sending.send(enrollments[0])).hold_until
    assert at is not None
    for enrollment in enrollments[:2]:
        await sending.draft(enrollment, at=at)
        assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
        assert (await broadcasts(sending.world) == []) is (enrollment == enrollments[0])
        at += timedelta(minutes=5)
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason is None


async def test_only_one_of_many_probes_at_once(sending: Sending) -> None:
    """While the probe is on its way, nobody else posts."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [131031]
    await sending.send(enrollments[0])
    at = later(days=1)
    for enrollment in enrollments:
        await sending.draft(enrollment, at=at)
    sending.meta.codes = [131056]
    with pytest.raises(ApplicationError):
        await sending.send(enrollments[0], at=at)
    assert (await sending.send(enrollments[1], at=at)).hold_reason is HoldReason.SENDER_PAUSED
    assert len(sending.meta.posted) == 2


async def test_a_bill_pauses_the_stores_journeys_until_it_is_paid(sending: Sending) -> None:
    """131042: the journeys pause for that reason, a probe goes all the same when its time has come, and they go on."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [131042]
    first = await sending.send(enrollments[0])
    assert (first.hold_reason, first.technical) == (HoldReason.SENDER_PAUSED, False)
    (journey,) = await sending.world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.PAUSED, PauseCause.PAYMENT_PROBLEM)
    assert (await sending.send(enrollments[1])).hold_reason is HoldReason.JOURNEY_PAUSED
    at = first.hold_until
    assert at is not None
    await sending.draft(enrollments[0], at=at)
    assert (await sending.send(enrollments[0], at=at)).step is StageStep.ACCEPTED
    await told(sending, enrollments[0], Report.SENT, attempt=2, at=at)
    (journey,) = await sending.world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.ACTIVE, None)
    assert f"journey:{journey.id}" in await broadcasts(sending.world)
    assert [kind for kind, _ in await events(sending.world)] == ["sender.paused", "journey.paused", "journey.resumed"]


async def test_a_bill_lets_nobody_probe_for_a_journey_that_staff_have_paused(sending: Sending) -> None:
    """A person's pause is no payment's: nothing of that journey goes."""
    enrollment = await sending.ready()
    sending.meta.codes = [131042]
    at = (await sending.send(enrollment)).hold_until
    assert at is not None
    async with sending.world.database.write() as session:
        await pause(session, sending.world.store_id, "lapsed-60-days", now=NOON)
    await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollment, at=at)).hold_reason is HoldReason.JOURNEY_PAUSED
    async with sending.world.database.write() as session:
        assert await end_pause(session, sending.world.number_id, now=at)
    (journey,) = await sending.world.rows(Journey)
    assert journey.state is JourneyState.PAUSED


async def test_a_refused_token_pauses_the_store_once(sending: Sending) -> None:
    """190: two customers who meet it make one event, nobody's hold clock runs, and the journey says why."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    sending.meta.codes = [190]
    result = await sending.send(enrollments[0])
    assert (result.hold_reason, result.technical) == (HoldReason.CREDENTIAL, False)
    assert (await sending.send(enrollments[1])).hold_reason is HoldReason.JOURNEY_PAUSED
    assert [kind for kind, _ in await events(sending.world)] == ["credential.refused", "journey.paused"]
    (journey,) = await sending.world.rows(Journey)
    assert journey.state_reason == PauseCause.CREDENTIAL_REFUSED


# --- told by webhook -------------------------------------------------------------------------------------------------


async def test_a_window_that_meta_calls_closed_leads_to_the_template(sending: Sending) -> None:
    """131047 comes by webhook alone, after the text was taken: the template goes, in the same stage, as attempt 2."""
    enrollment = await sending.ready(free_text="Still there?", last_inbound_at=later(hours=-23))
    assert (await sending.send(enrollment)).step is StageStep.ACCEPTED
    assert sending.meta.bodies[0]["type"] == "text"
    await failed(sending, enrollment, 131047)
    (intent,) = await sending.world.rows(SignalIntent)
    assert (intent.signal, intent.payload) == (
        "attempt_settled",
        {"attempt_id": f"{enrollment}:1:1:1", "failed": True},
    )
    assert (await sending.reopen(enrollment)).step is StageStep.STALE
    assert (await sending.send(enrollment, at=later(minutes=1))).step is StageStep.ACCEPTED
    assert sending.meta.bodies[1]["type"] == "template"
    assert sending.meta.posted == [f"{enrollment}:1:1:1", f"{enrollment}:1:1:2"]


async def test_metas_limit_for_a_person_told_by_webhook_is_met_a_day_later_twice(sending: Sending) -> None:
    """131049 by webhook: a day's pause, another attempt, and after the third the stage is skipped."""
    enrollment = await sending.ready()
    at = NOON
    for attempt in (1, 2):
        assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
        await failed(sending, enrollment, 131049, attempt=attempt, minutes=1 + (at - NOON).total_seconds() / 60)
        result = await sending.reopen(enrollment, at=at)
        assert (result.step, result.hold_reason) == (StageStep.HOLD, HoldReason.META_RETRY_LATER)
        assert result == await sending.reopen(enrollment, at=at), "a repeated activity says the same"
        assert result.hold_until is not None
        assert timedelta(hours=24) <= result.hold_until - at <= timedelta(hours=25)
        at = result.hold_until
        await sending.draft(enrollment, at=at)
    assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
    await failed(sending, enrollment, 131049, attempt=3, minutes=1 + (at - NOON).total_seconds() / 60)
    assert (await sending.reopen(enrollment, at=at)).step is StageStep.SKIPPED
    (send,) = await sending.world.rows(Send)
    assert (send.state, send.skip_reason, send.attempt) == (SendState.SKIPPED, SkipReason.META_DECLINED, 3)


async def test_a_message_that_meta_takes_and_drops_again_and_again_is_given_up(sending: Sending) -> None:
    """130429 by webhook each time: each round has the whole hold clock, so the tries themselves must have an end."""
    enrollment = await sending.ready()
    at = NOON
    for attempt in range(1, 7):
        assert (await sending.send(enrollment, at=at)).step is StageStep.ACCEPTED
        await failed(sending, enrollment, 130429, attempt=attempt, minutes=(at - NOON).total_seconds() / 60)
        result = await sending.reopen(enrollment, at=at)
        if result.step is StageStep.SKIPPED:
            break
        assert result.hold_until is not None
        at = result.hold_until + timedelta(minutes=1)
        await sending.draft(enrollment, at=at)
    (send,) = await sending.world.rows(Send)
    assert (send.state, send.skip_reason, send.attempt) == (SendState.SKIPPED, SkipReason.META_DECLINED, 6)


async def test_a_late_failure_of_an_earlier_attempt_spoils_no_later_one(sending: Sending) -> None:
    """The first attempt's failure, told once more after the second was taken, opens nothing."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    await failed(sending, enrollment, 131016)
    result = await sending.reopen(enrollment)
    assert result.hold_until is not None
    await sending.draft(enrollment, at=result.hold_until)
    assert (await sending.send(enrollment, at=result.hold_until)).step is StageStep.ACCEPTED
    assert (await sending.reopen(enrollment, at=result.hold_until)).step is StageStep.ACCEPTED
    (send,) = await sending.world.rows(Send)
    assert (send.state, send.attempt) == (SendState.ACCEPTED, 2)


async def test_a_failure_told_when_the_journey_is_further_on_is_recorded_and_no_more(sending: Sending) -> None:
    """With the next stage held already nobody is told to open the first one again."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    async with sending.world.database.write() as session:
        row = await session.get(Enrollment, enrollment)
        assert row is not None
        row.stage = 2
    await failed(sending, enrollment, 131049)
    assert await sending.world.intents() == []
    (send,) = await sending.world.rows(Send)
    assert send.state is SendState.ACCEPTED


async def test_a_message_that_arrived_is_not_sent_again(sending: Sending) -> None:
    """A failure that another device reports after a delivery opens nothing."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    async with sending.world.database.write() as session:
        send = await session.get(Send, 1)
        assert send is not None
        send.received_at = NOON
    await failed(sending, enrollment, 131049)
    assert await sending.world.intents() == []
    assert (await sending.reopen(enrollment)).step is StageStep.ACCEPTED


@pytest.mark.parametrize("code", [131048, 131042])
async def test_a_webhook_stops_the_sender_as_an_answer_does(sending: Sending, code: int) -> None:
    """Told of one message, it holds everybody's."""
    enrollment = await sending.ready()
    await sending.send(enrollment)
    await failed(sending, enrollment, code)
    (number,) = await sending.world.rows(Number)
    assert number.paused_reason == f"refused:{code}"
    result = await sending.send(await sending.ready(OTHER))
    assert result.step is StageStep.HOLD
    assert len(sending.meta.posted) == 1


async def test_every_code_has_an_effect_by_answer_and_by_webhook(sending: Sending) -> None:
    """All codes of the reference, one after the other: a message that was not sent is never called accepted."""
    if not CATALOGUE.exists():
        pytest.skip("the reference files are not here")
    rows = json.loads(CATALOGUE.read_text())
    for index, row in enumerate(rows):
        code = row["code"]
        reaction = reaction_for(code, None, row["http"], is_transient=False)
        enrollment = await sending.ready(f"+4477009{index:05d}")
        sending.meta.codes = [code]
        try:
            step = (await sending.send(enrollment)).step
        except ApplicationError:
            assert reaction is Reaction.RETRY_SOON, code
        else:
            assert step is not StageStep.ACCEPTED, code
        if may_follow(reaction):
            other = await sending.ready(f"+4477008{index:05d}")
            await _heal(sending)
            assert (await sending.send(other)).step is StageStep.ACCEPTED, code
            await failed(sending, other, code)
            result = await sending.reopen(other)
            assert result.step in {StageStep.HOLD, StageStep.SKIPPED, StageStep.STALE}, code
        await _heal(sending)


async def _heal(sending: Sending) -> None:
    async with sending.world.database.write() as session:
        number = await session.get(Number, sending.world.number_id)
        journey = await session.get(Journey, 1)
        template = await session.get(Template, 1)
        assert number is not None
        assert journey is not None
        assert template is not None
        number.paused_reason = number.paused_until = number.probe_at = None
        number.credential_ok, number.blocked_countries = True, {}
        template.status, template.blocks = TemplateStatus.APPROVED, {}
        journey.state, journey.state_reason = JourneyState.ACTIVE, None


# --- a template that stands for another ------------------------------------------------------------------------------


async def test_a_template_that_stands_for_a_dead_one_is_sent_in_its_place(sending: Sending) -> None:
    """The version names a dead template: with staff's decision the other one goes, and the send says for which."""
    await sending.open("winback_new")
    first = await sending.ready()
    async with sending.world.database.write() as session:
        template = await locked_template(session, WABA, "winback_hello", "en")
        store = await session.get(Store, sending.world.store_id)
        assert template is not None
        assert store is not None
        template.status = TemplateStatus.DISABLED
        await substitute(
            session, store, WABA, old="winback_hello", new="winback_new", language="en", journey_id=None, now=NOON
        )
    assert (await sending.send(first)).step is StageStep.ACCEPTED
    assert sending.meta.bodies[0]["template"]["name"] == "winback_new"  # type: ignore[index]
    (send,) = await sending.world.rows(Send)
    assert (send.template_name, send.substituted_for) == ("winback_new", "winback_hello")
    second = await sending.ready(OTHER)
    async with sending.world.database.write() as session:
        store = await session.get(Store, sending.world.store_id)
        assert store is not None
        await end_substitution(session, store, old="winback_hello", language=None, journey_id=None, now=NOON)
    assert (await sending.send(second)).step is StageStep.SKIPPED
    assert (await sending.world.rows(Send))[1].skip_reason is SkipReason.TEMPLATE_DEAD


# --- whom nobody asks again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "template_needed", "enters"),
    [(131026, True, False), (131026, False, False), (130472, True, False), (130472, False, True)],
)
async def test_somebody_unreachable_does_not_enter(
    sending: Sending,
    code: int,
    template_needed: bool,  # noqa: FBT001 - pytest hands it in
    enters: bool,  # noqa: FBT001 - as above
) -> None:
    """Left out with code and date as seen, for 30 days; an open chat is closed only to whom nothing reaches."""
    person = await sending.world.customer(OTHER, unreachable_code=code, unreachable_at=NOON)
    async with sending.world.database.write() as session:
        customer = await session.get(Customer, person)
        assert customer is not None
        customer.unreachable_until = later(days=30)
    for now, expected in ((later(days=29), enters), (later(days=30), True)):
        async with sending.world.database.read() as session:
            (found,) = await considered(session, 1, [person], suppression_key=b"key", now=now)
        (rule,) = [
            one
            for one in reachability(found.candidate, ConsentRule.SUBSCRIBED, template_needed=template_needed)
            if one.rule == LeftOut.MARKETING_NOT_DELIVERABLE.value
        ]
        assert rule.passed is expected
        assert (f"code {code} on 2026-11-22" in rule.seen) is (now < later(days=30))


async def test_a_sign_of_life_lifts_it(sending: Sending) -> None:
    """A message of theirs, a delivery or another number: whoever was unreachable is written to again."""
    world = sending.world
    enrollment = await sending.ready()
    await sending.send(enrollment)
    for sign in ("message", "delivery", "number"):
        async with world.database.write() as session:
            customer = await session.get(Customer, 1)
            assert customer is not None
            note_unreachable(customer, 131026, at=later(minutes=-1))
            assert customer.unreachable_code == 131026
            if sign == "number":
                await take_phone(session, customer, "+447700900777", None, now=NOON)
        if sign == "message":
            raw = whatsapp_body(messages=[text_message("Hello?")])
            app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                answer = await client.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))
            assert answer.status_code == 200
        if sign == "delivery":
            known = await wamid(sending, enrollment, 1)
            piece = StatusPiece("st:delivered", world.number_id, known, Report.DELIVERED, NOON, None, None)
            delivery = Delivery("whatsapp", "whatsapp", "key-delivered", "{}", NOON, world.store_id)
            await ingest_whatsapp(world.database, delivery, WhatsAppPieces(statuses=(piece,)))
        (row,) = await world.rows(Customer)
        assert (row.unreachable_code, row.unreachable_until) == (None, None), sign
        async with world.database.write() as session:
            customer = await session.get(Customer, 1)
            assert customer is not None
            customer.last_inbound_at = None


async def test_an_app_that_was_removed_pauses_the_stores_journeys(sending: Sending) -> None:
    """Shopify's `app/uninstalled` says at once what the next check would find out."""
    world = sending.world
    await sending.ready()
    raw = json.dumps({"id": 1, "myshopify_domain": SHOP}).encode()
    headers = shopify_headers(raw, topic="app/uninstalled")
    app = create_app(world.database, world.cipher, GatewaySettings(), None, world.clock)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        assert (await client.post("/webhooks/shopify", content=raw, headers=headers)).status_code == 200
    (journey,) = await world.rows(Journey)
    assert (journey.state, journey.state_reason) == (JourneyState.PAUSED, PauseCause.SHOP_DISCONNECTED)
    assert [kind for kind, _ in await events(world)] == ["credential.refused", "journey.paused"]


@pytest.mark.parametrize("mended", [True, False])
async def test_a_health_check_releases_who_held_after_the_release(sending: Sending, *, mended: bool) -> None:
    """A claim that saw the fault a moment before it was mended writes its hold down when the broadcast is expanded."""
    enrollments = [await sending.ready(f"+{447700900100 + number}") for number in range(2)]
    (template,), (store,) = await sending.world.rows(Template), await sending.world.rows(Store)
    keys = [f"{template_key(WABA, template.name, template.language)}#version", credits_key(store.id)]
    reasons = [HoldReason.TEMPLATE_HELD, HoldReason.NO_CREDITS]
    async with sending.world.database.write() as session:
        (await session.get_one(Store, store.id)).credits = 100 if mended else 0
        (await session.get_one(Template, template.id)).blocks = {} if mended else {"version": {"code": 132000}}
        for enrollment, key, reason in zip(enrollments, keys, reasons, strict=True):
            facts = await enrollment_facts(session, enrollment)
            set_holding(session, facts.enrollment, reason=reason, key=key, until=None, now=NOON)
    http = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503)))
    services = replace(sending.services, whatsapp=WhatsAppClient(http), shopify=ShopifyClient(http))
    await check_store(services, store.id, now=later(minutes=10))
    assert set(await broadcasts(sending.world)) == (set(keys) if mended else set())
