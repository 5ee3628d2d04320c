from datetime import datetime
from typing import Any

import pytest

from models.enums import ConsentState
from models.tables import ConsentWriteBack, Customer, SignalIntent
from storage.customers import ShopPerson, lock_customer, upsert_people
from storage.opt_outs import OptOutSource, change_consent, opt_out, resume
from storage.shoppers import Shopper, meet_shopper
from tests.worlds import PHONE, World, later

OWN = OptOutSource.STOP_WORD
META = OptOutSource.WHATSAPP_PREFERENCE


async def stop(world: World, customer_id: int, at: datetime, source: OptOutSource = OWN) -> None:
    """The customer says stop."""
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        key = f"stop:{source}:{at}"
        await opt_out(session, customer, source=source, at=at, received_at=world.now, dedupe_key=key)


async def consent(world: World, customer_id: int, state: ConsentState, at: datetime) -> None:
    """The shop tells of the customer's consent."""
    async with world.database.write() as session:
        customer = await lock_customer(session, customer_id)
        options: dict[str, Any] = {"source": "shopify", "received_at": world.now, "dedupe_key": f"consent:{state}:{at}"}
        await change_consent(session, customer, state, at=at, **options)


async def go_on(world: World, customer_id: int, at: datetime) -> None:
    """The customer resumes at Meta."""
    async with world.database.write() as session:
        await resume(session, await lock_customer(session, customer_id), at=at, now=world.now)


async def test_a_stop_is_written_back_once_while_it_waits(world: World) -> None:
    """The shop is told of the newest stop with one row and one wake-up, however often the customer says it."""
    customer = await world.customer(external_id="77")
    for hour in (2, 1, 3):
        await stop(world, customer, later(hours=hour))
    [row] = await world.rows(ConsentWriteBack)
    assert (row.state, row.at, row.settled_at) == (ConsentState.UNSUBSCRIBED, later(hours=3), None)
    assert await world.intents() == [(f"upkeep-{world.store_id}", "wake")]
    async with world.database.write() as session:
        (await session.get_one(ConsentWriteBack, row.id)).settled_at = world.now
    await stop(world, customer, later(hours=3), META)
    assert len(await world.rows(ConsentWriteBack)) == 1
    await stop(world, customer, later(hours=4))
    assert len(await world.rows(ConsentWriteBack)) == 2


@pytest.mark.parametrize("values", [{}, {"external_id": "77", "consent": ConsentState.UNSUBSCRIBED}])
async def test_nothing_is_written_back_that_the_shop_cannot_use(world: World, values: dict[str, Any]) -> None:
    """A stranger to the shop, or one whose consent it has withdrawn already, makes no request."""
    customer = await world.customer(**values)
    await stop(world, customer, later(hours=1))
    assert await world.rows(ConsentWriteBack) == []


async def test_a_consent_that_the_shop_withdraws_ends_the_journey_and_is_not_told_back(world: World) -> None:
    """It is an opt-out with the shop's time, and the shop knows it."""
    customer = await world.customer(external_id="77")
    enrollment = await world.enroll(customer)
    await consent(world, customer, ConsentState.UNSUBSCRIBED, later(hours=-1))
    row = await world.one(Customer, customer)
    assert (row.opted_out_at, row.opt_out_source) == (later(hours=-1), "consent_withdrawn")
    assert await world.events() == [("unsubscribed", "unsubscribed")]
    assert await world.intents() == [(enrollment, "unsubscribed")]
    assert await world.rows(ConsentWriteBack) == []


async def test_an_older_consent_changes_nothing(world: World) -> None:
    """What the shop said before what is known of it neither withdraws nor ends anything."""
    customer = await world.customer(external_id="77", consent_at=later(hours=2))
    await world.enroll(customer)
    await consent(world, customer, ConsentState.UNSUBSCRIBED, later(hours=1))
    assert (await world.one(Customer, customer)).consent is ConsentState.SUBSCRIBED
    assert await world.rows(SignalIntent) == []


async def test_a_stop_lasts_until_consent_comes_back(world: World) -> None:
    """A yes from before the stop lifts nothing, also when it comes later; one from after it does."""
    customer = await world.customer(external_id="77", consent=ConsentState.NEVER_SUBSCRIBED)
    await stop(world, customer, later(hours=2))
    await consent(world, customer, ConsentState.SUBSCRIBED, later(hours=1))
    assert (await world.one(Customer, customer)).opted_out_at == later(hours=2)
    await consent(world, customer, ConsentState.SUBSCRIBED, later(hours=3))
    assert (await world.one(Customer, customer)).opted_out_at is None
    await stop(world, customer, later(hours=1))
    assert (await world.one(Customer, customer)).opted_out_at is None


async def test_a_resume_that_comes_before_its_stop_counts(world: World) -> None:
    """Meta's two words are kept by their times, not by which came first."""
    customer = await world.customer()
    await go_on(world, customer, later(hours=2))
    await stop(world, customer, later(hours=1), META)
    assert (await world.one(Customer, customer)).opted_out_at is None
    await stop(world, customer, later(hours=3), META)
    assert (await world.one(Customer, customer)).opted_out_at == later(hours=3)


async def test_the_newest_word_to_meta_stands(world: World) -> None:
    """Older stops and resumes that come later change neither time."""
    customer = await world.customer()
    await stop(world, customer, later(hours=4), META)
    await stop(world, customer, later(hours=2), META)
    await go_on(world, customer, later(hours=3))
    assert (await world.one(Customer, customer)).opted_out_at == later(hours=4)
    await go_on(world, customer, later(hours=5))
    await go_on(world, customer, later(hours=1))
    assert (await world.one(Customer, customer)).opted_out_at is None


async def test_the_shop_hears_of_a_stop_once_it_says_who_it_is(world: World) -> None:
    """Who wrote STOP before the shop named them is told to it then, by a webhook or a page of customers."""
    for number, phone in enumerate((PHONE, "+447700900124")):
        await stop(world, await world.customer(phone), later(hours=1))
        assert len(await world.rows(ConsentWriteBack)) == number
        async with world.database.write() as session:
            if number == 0:
                await meet_shopper(session, Shopper(world.store_id, "77", phone), now=world.now)
            else:
                person = ShopPerson("78", phone, None, None, ConsentState.SUBSCRIBED, "shopify", world.now)
                await upsert_people(session, world.store_id, [person], now=world.now)
    assert [row.customer_id for row in await world.rows(ConsentWriteBack)] == [1, 2]


@pytest.mark.parametrize(("at", "lifts"), [(None, False), (later(minutes=30), False), (later(hours=2), True)])
async def test_an_imported_yes_lifts_a_stop_only_if_it_is_newer(
    world: World, at: datetime | None, *, lifts: bool
) -> None:
    """A list without times is older than any stop."""
    customer = await world.customer(external_id="77")
    await stop(world, customer, later(hours=1))
    person = ShopPerson("77", PHONE, None, None, ConsentState.SUBSCRIBED, "import", at)
    async with world.database.write() as session:
        await upsert_people(session, world.store_id, [person], now=later(hours=3))
    assert ((await world.one(Customer, customer)).opted_out_at is None) is lifts


async def test_an_undated_yes_brings_no_withdrawn_consent_back(world: World) -> None:
    """Of two words without a time the one that forbids stands."""
    customer = await world.customer(external_id="77", consent=ConsentState.UNSUBSCRIBED)
    person = ShopPerson("77", PHONE, None, None, ConsentState.SUBSCRIBED, "import", None)
    async with world.database.write() as session:
        await upsert_people(session, world.store_id, [person], now=later(hours=3))
    assert (await world.one(Customer, customer)).consent is ConsentState.UNSUBSCRIBED
