"""What a refusal that is about the person leads to: they are left alone until there is a sign of life."""

import httpx
import pytest

from gateway.app import GatewaySettings, create_app
from models.audience import ConsentRule
from models.enums import (
    ExitReason,
    LeftOut,
    SkipReason,
)
from models.orchestration import StageStep
from models.tables import (
    Customer,
    Number,
    Send,
)
from policies.eligibility import reachability
from storage.considered import considered
from storage.ingest import Delivery
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from storage.reachability import note_unreachable
from storage.senders import allow_country
from storage.shoppers import take_phone
from storage.statuses import Report, StatusPiece
from tests.refusing import OTHER, Sending, events, wamid
from tests.worlds import (
    NOON,
    WABA,
    later,
    text_message,
    whatsapp_body,
    whatsapp_headers,
)


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
