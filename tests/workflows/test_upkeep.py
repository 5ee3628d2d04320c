"""A store's upkeep on the real stack: lost webhooks are made good, promises are kept, old records go."""

from datetime import timedelta

from activities import queues
from models.enums import ConsentState, ExitReason
from models.orchestration import UpkeepInput, UpkeepReport
from models.tables import AppliedPiece, ConsentWriteBack, ConversationRef, Journey, Order, Shop, WebhookUpdate
from sandbox.shopify.faults import Fault
from storage.customers import lock_customer
from storage.opt_outs import change_consent
from storage.watches import open_watch, watch_workflow_id
from tests.silences import follow_up
from tests.stack import HELLO, Stack, journey
from tests.watching import looked, silent
from workflows.ids import upkeep_workflow_id
from workflows.upkeep import UpkeepWorkflow

_HOURLY = timedelta(hours=1)


async def _keep_up(stack: Stack, *, interval: timedelta = _HOURLY) -> None:
    await stack.client.start_workflow(
        UpkeepWorkflow.run,
        UpkeepInput(store_id=stack.store.id, shop_queue=stack.store.shop_queue, interval=interval),
        id=upkeep_workflow_id(stack.store.id),
        task_queue=queues.MAIN,
    )
    await stack.until(lambda: _last(stack))


async def _last(stack: Stack) -> UpkeepReport | None:
    handle = stack.client.get_workflow_handle(upkeep_workflow_id(stack.store.id))
    report: UpkeepReport | None = await handle.query(UpkeepWorkflow.report)
    return report


async def _written_back(stack: Stack) -> list[ConsentWriteBack]:
    rows: list[ConsentWriteBack] = await stack.rows(ConsentWriteBack)
    return [one for one in rows if one.settled_at is not None]


async def test_an_order_that_no_webhook_told_ends_the_journey_within_the_hour(stack: Stack) -> None:
    """The reconciliation reads what changed at the shop and lets it in as a webhook would have."""
    person = await stack.person()
    enrollment = await stack.begin(journey(("0d", HELLO), ("30d", HELLO)), person)
    await stack.waits(enrollment, 1)
    await _keep_up(stack)
    await stack.advance(minutes=20)
    await stack.buy(person, webhook=False)
    await stack.advance(hours=1)
    assert await stack.ends(enrollment) is ExitReason.PURCHASED
    (shop,) = await stack.rows(Shop)
    assert shop.orders_cursor is not None


async def test_orders_are_read_once_more_and_change_nothing(stack: Stack) -> None:
    """Looks overlap, because the shop's list lags behind; an order stays one order."""
    person = await stack.person()
    await stack.buy(person, webhook=True)
    await _keep_up(stack)
    await stack.advance(hours=3)
    assert len(await stack.rows(Order)) == 1


async def test_a_stop_on_whatsapp_is_written_back_to_the_shop(stack: Stack) -> None:
    """Whoever writes STOP is unsubscribed at the shop too, at once and not at the next full hour."""
    person = await stack.person()
    await _keep_up(stack)
    await stack.write(person, "STOP")
    await stack.until(lambda: _written_back(stack))
    assert stack.shop.customers[person.shop_id].consent is ConsentState.UNSUBSCRIBED


async def test_a_shop_that_is_away_is_told_later(stack: Stack) -> None:
    """A withdrawn consent waits for a shop that does not answer, and is told when it does."""
    person = await stack.person()
    await _keep_up(stack)
    stack.shopify.faults.add(Fault(status=503, operation="customerWhatsAppMarketingConsentUpdate", times=2))
    await stack.write(person, "STOP")
    await stack.until(lambda: stack.rows(ConsentWriteBack, tries=1))
    assert stack.shop.customers[person.shop_id].consent is ConsentState.SUBSCRIBED
    await stack.advance(minutes=5)
    await stack.until(lambda: _written_back(stack))
    assert stack.shop.customers[person.shop_id].consent is ConsentState.UNSUBSCRIBED


async def test_a_stop_that_was_taken_back_is_not_written(stack: Stack) -> None:
    """Consent given anew at the shop while the write-back waited is not overwritten by the older stop."""
    person = await stack.person()
    await stack.write(person, "STOP")
    at = await stack.now() + timedelta(minutes=1)
    async with stack.database.write() as session:
        customer = await lock_customer(session, person.id)
        await change_consent(
            session, customer, ConsentState.SUBSCRIBED, at=at, source="shopify", received_at=at, dedupe_key="back"
        )
    await _keep_up(stack)
    (row,) = await _written_back(stack)
    assert row.outcome == "superseded"
    assert stack.shop.customers[person.shop_id].consent is ConsentState.SUBSCRIBED


async def test_raw_webhooks_go_after_their_time_and_dedupe_keys_later(stack: Stack) -> None:
    """Raw bodies are kept as long as the operator said; what tells repetitions apart is kept for a month."""
    person = await stack.person()
    await stack.write(person, "hello")
    now = await stack.now()
    async with stack.database.write() as session:
        waits = ConversationRef(store_id=stack.store.id, external_id="t-1", board_column="new", column_at=now)
        session.add(waits)
    await _keep_up(stack, interval=timedelta(days=1))
    assert await stack.rows(WebhookUpdate)
    assert await stack.rows(ConversationRef)
    await stack.advance(days=29)
    assert await stack.rows(WebhookUpdate)
    assert await stack.rows(AppliedPiece)
    await stack.advance(days=2)
    await stack.until(lambda: _none_left(stack))


async def test_a_consent_does_not_wait_for_the_hour_when_a_round_fails(stack: Stack) -> None:
    """The shop answers nothing while a full round is due; once it does again it is told within minutes."""
    person = await stack.person()
    await _keep_up(stack)
    await stack.advance(minutes=59, seconds=50)
    for operation in ("customerWhatsAppMarketingConsentUpdate", "orders("):
        stack.shopify.faults.add(Fault(status=503, operation=operation, times=10_000))
    await stack.write(person, "STOP")
    await stack.advance(minutes=6)
    assert not await _written_back(stack)
    stack.shopify.faults.clear()
    await stack.advance(minutes=12)
    await stack.until(lambda: _written_back(stack))
    assert stack.shop.customers[person.shop_id].consent is ConsentState.UNSUBSCRIBED


async def test_a_watch_whose_launch_died_is_started(stack: Stack) -> None:
    """The journey is active and nobody watches: the silence is noticed with the next full round of upkeep."""
    person = await stack.person()
    journey_id = await stack.publish(follow_up(every="30m"))
    async with stack.database.write() as session:
        await open_watch(session, await session.get_one(Journey, journey_id), since=None, now=await stack.now())
    await silent(stack, person)
    stack.started.append(watch_workflow_id(stack.store.id, journey_id))
    await _keep_up(stack)
    await looked(stack, journey_id)
    await stack.advance(minutes=30)
    await stack.accepted(1)


async def _none_left(stack: Stack) -> bool:
    kept = [await stack.rows(table) for table in (WebhookUpdate, AppliedPiece, ConversationRef)]
    return not any(kept)
