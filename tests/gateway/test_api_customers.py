"""Looking customers up and taking them out of marketing."""

import json
from datetime import datetime, timedelta

import pytest

from models.enums import ConsentState, JourneyState, LeftOut
from models.tables import Customer, Journey, Suppression
from policies.phones import suppression_hash
from storage.considered import considered
from storage.customers import SuppressionReason, lock_customer, suppress, suppressed
from storage.launches import Decision, append_decisions
from storage.opt_outs import change_consent
from tests.gateway.staff import Staff
from tests.worlds import PHONE, later, text_message, whatsapp_body, whatsapp_headers


@pytest.mark.parametrize(
    "who", [{"phone": PHONE}, {"phone": "07700 900123"}, {"user_id": "GB.1"}, {"reference": "77"}], ids=str
)
async def test_a_customer_is_found_in_every_way(staff: Staff, who: dict[str, str]) -> None:
    """By a phone however it is written, by WhatsApp's user id, by the shop's id: the same document, phone masked."""
    customer = await staff.world.customer(external_id="77", wa_user_id="GB.1", first_name="Ada")
    enrollment = await staff.world.enroll(customer, due_at=staff.world.now + timedelta(days=1))
    found = await staff.post("/customers/lookup", who, key=staff.support)
    assert (found["store"], found["customer"]["customer_id"], found["customer"]["first_name"]) == ("shop", "77", "Ada")
    assert PHONE.removeprefix("+") not in json.dumps(found)
    [passage] = found["enrollments"]
    assert (passage["workflow_id"], passage["state"]) == (enrollment, "waiting")
    assert passage["next_action"]["at"] == "2026-11-23T12:00:00Z"


async def test_the_story_has_what_the_customer_wrote(staff: Staff) -> None:
    """Support sees the reply that ended a journey, whoever told of it."""
    enrollment = await staff.world.enroll(await staff.world.customer())
    raw = whatsapp_body(messages=[text_message("is it still there?")])
    assert (await staff.http.post("/webhooks/whatsapp", content=raw, headers=whatsapp_headers(raw))).status_code == 200
    told = {"id": "m-1", "author": "customer", "text": "hello??", "at": later(seconds=1).isoformat()}
    staff.world.now = later(seconds=2)
    await staff.post("/conversations/c-1/messages", {"customer": {"phone": PHONE}, "messages": [told]})
    [passage] = (await staff.post("/customers/lookup", {"phone": PHONE}))["enrollments"]
    assert passage["workflow_id"] == enrollment
    lines = [one["text"] for one in passage["timeline"] if one["what"] == "customer_replied"]
    assert lines == ["the customer wrote: is it still there?", "the customer wrote: hello??"]


async def test_one_who_is_in_nothing_is_told_why(staff: Staff) -> None:
    """Every rule of every active journey is evaluated now."""
    await staff.world.enroll(await staff.world.customer("+447700900999"))
    async with staff.world.database.write() as session:
        journey = await session.get(Journey, 1)
        assert journey is not None
        journey.state = JourneyState.ACTIVE
    await staff.world.customer(consent="never_subscribed")
    found = await staff.post("/customers/lookup", {"phone": PHONE})
    assert [(one["journey"], one["may_enter"], one["reason"]) for one in found["why_not"]] == [
        ("lapsed-60-days", False, "no_consent")
    ]


async def test_a_customer_who_is_not_there_is_a_404(staff: Staff) -> None:
    """It says why they got nothing, and the sentence does not repeat whom it was asked about."""
    await staff.world.enroll(await staff.world.customer("+447700900999"))
    for path in ("/customers/lookup", "/journeys/lapsed-60-days/customers/why-not"):
        for who in ({"phone": PHONE}, {"user_id": "GB.1"}, {"reference": "77"}):
            response = await staff.ask("POST", path, who)
            told = response.json()
            assert (response.status_code, told["detail"]) == (404, "the store has no such customer")
            assert (told["answer"]["code"], "never considered" in told["answer"]["text"]) == ("unknown", True)
            assert PHONE.removeprefix("+") not in response.text


async def test_somebody_unknown_who_has_opted_out_is_told_from_others(staff: Staff) -> None:
    """An opt-out outlives the person's row: support must not have them imported and written to."""
    await staff.post("/customers/opt-out", {"phone": PHONE})
    told = (await staff.ask("POST", "/customers/lookup", {"phone": PHONE}, key=staff.support)).json()
    assert (told["answer"]["code"], told["answer"]["advice"]) == ("suppressed", "leave them alone")


@pytest.mark.parametrize(
    "who",
    [{}, {"phone": PHONE, "reference": "77"}, {"phone": "12"}, {"phone": None}, {"email": "x"}, [], None],
    ids=str,
)
async def test_nobody_or_several_are_refused(staff: Staff, who: object) -> None:
    """Exactly one way of naming somebody is taken."""
    response = await staff.ask("POST", "/customers/lookup", who)
    assert (response.status_code, bool(response.json()["problems"])) == (422, True)


async def test_an_opt_out_ends_what_runs_and_keeps_imports_out(staff: Staff) -> None:
    """Support takes a customer out: the journey hears of it, and the number is on the suppression list for good."""
    customer = await staff.world.customer(external_id="77")
    enrollment = await staff.world.enroll(customer)
    for _ in range(2):
        answer = await staff.post("/customers/opt-out", {"reference": "77"}, key=staff.support)
        assert (answer["known"], answer["customer"]["opt_out_source"]) == (True, "operator")
        staff.world.now += timedelta(seconds=1)
    row = await staff.world.one(Customer, customer)
    assert row.opted_out_at is not None
    assert (enrollment, "unsubscribed") in await staff.world.intents()
    assert len(await staff.world.rows(Suppression)) == 1


async def test_a_stranger_can_be_kept_out(staff: Staff) -> None:
    """A number that nobody has yet goes on the suppression list; any other name of a stranger is a 404."""
    answer = await staff.post("/customers/opt-out", {"phone": PHONE})
    assert (answer["known"], answer["customer"]) == (False, None)
    assert len(await staff.world.rows(Suppression)) == 1
    assert (await staff.ask("POST", "/customers/opt-out", {"user_id": "GB.1"})).status_code == 404


async def test_an_operators_opt_out_lasts_until_consent_comes_back(staff: Staff) -> None:
    """The number is on the suppression list too, which newer consent lifts and older does not."""
    customer = await staff.world.customer(external_id="77")
    await staff.post("/customers/opt-out", {"phone": PHONE})
    key = b"\x01" * 32

    async def suppressed_after(at: datetime) -> bool:
        async with staff.world.database.write() as session:
            row = await lock_customer(session, customer)
            await suppress(
                session, staff.world.store_id, PHONE, reason=SuppressionReason.OPT_OUT, key=key, now=staff.world.now
            )
            await change_consent(
                session, row, ConsentState.SUBSCRIBED, at=at, source="shopify", received_at=at, dedupe_key=str(at)
            )
            await session.flush()
            [found] = await considered(session, 1, [customer], suppression_key=key, now=at)
            assert found.candidate.opted_out is found.candidate.suppressed
            return found.candidate.suppressed

    assert await suppressed_after(staff.world.now)
    assert not await suppressed_after(staff.world.now + timedelta(minutes=1))


async def test_nothing_lifts_the_suppression_of_somebody_erased(staff: Staff) -> None:
    """Whichever of erasure and opt-out came first."""
    key = b"\x01" * 32
    orders = (
        [SuppressionReason.ERASED, SuppressionReason.OPT_OUT],
        [SuppressionReason.OPT_OUT, SuppressionReason.ERASED],
    )
    for number, reasons in enumerate(orders):
        phone = f"+55118765432{number}"
        async with staff.world.database.write() as session:
            for reason in reasons:
                await suppress(session, staff.world.store_id, phone, reason=reason, key=key, now=staff.world.now)
            hashes = [suppression_hash(form, key) for form in (phone, f"+55119{phone[5:]}")]
            assert await suppressed(session, staff.world.store_id, hashes) == dict.fromkeys(hashes)


async def test_why_not_answers_as_the_command_line_does(staff: Staff) -> None:
    """The one answer with every rule and the record, for support's key as well; a stranger is a 404."""
    await staff.world.enroll(await staff.world.customer("+447700900999"))
    customer = await staff.world.customer(external_id="77", consent="never_subscribed")
    async with staff.world.database.write() as session:
        journey = await session.get_one(Journey, 1)
        journey.state = JourneyState.ACTIVE
        made = Decision(customer, LeftOut.NO_CONSENT.value, "never subscribed", "subscribed")
        await append_decisions(session, staff.world.store_id, 1, 1, [made], now=staff.world.now)
    path = "/journeys/lapsed-60-days/customers/why-not"
    found = await staff.post(path, {"reference": "77"}, key=staff.support)
    assert (found["answer"]["code"], found["answer"]["since"]) == ("left_out", "2026-11-22T12:00:00Z")
    assert (found["refreshed"], found["verdict"]["reason"], len(found["decisions"])) == (False, "no_consent", 1)
    looked_up = await staff.post("/customers/lookup", {"reference": "77"}, key=staff.support)
    assert [(one["journey"], one["answer"]) for one in looked_up["answers"]] == [("lapsed-60-days", found["answer"])]
    for place, who in ((path, {"phone": PHONE[:-1] + "9"}), ("/journeys/none/customers/why-not", {"reference": "77"})):
        assert (await staff.ask("POST", place, who)).status_code == 404
