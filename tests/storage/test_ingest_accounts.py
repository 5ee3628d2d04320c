import logging
from datetime import datetime

import pytest

from models.enums import TemplateStatus
from models.tables import Number, SignalIntent, Template
from policies.account_events import Effect, GoOn, Remark, Stop
from policies.allowance import UNLIMITED
from storage.ingest import Delivery
from storage.ingest_accounts import (
    AccountNews,
    AccountPiece,
    LimitPiece,
    NumberQualityPiece,
    TemplateCategoryPiece,
    TemplateNews,
    TemplateQualityPiece,
)
from storage.ingest_whatsapp import WhatsAppPieces, ingest_whatsapp
from tests.worlds import NOON, PHONE_NUMBER_ID, WABA, World, later


async def take(world: World, *accounts: AccountNews, templates: tuple[TemplateNews, ...] = ()) -> None:
    """One request with these pieces."""
    world._made += 1
    delivery = Delivery("whatsapp", "whatsapp", f"key-{world._made}", "{}", world.now)
    await ingest_whatsapp(world.database, delivery, WhatsAppPieces(accounts=accounts, templates=templates))


def news(world: World, event: str, effect: Effect, at: datetime) -> AccountPiece:
    """Something happened to the world's account."""
    return AccountPiece(f"{event}:{at}", WABA, (world.number_id,), event, effect, at)


async def pause(world: World) -> tuple[str | None, datetime | None]:
    """Whether the number is paused, and until when."""
    [number] = await world.rows(Number)
    return number.paused_reason, number.paused_until


async def test_a_ban_stops_the_number_until_meta_takes_it_back(world: World) -> None:
    """The newest news stands in any order, and those who hold for the number are released."""
    await take(world, news(world, "DISABLED_UPDATE", Stop(None), later(hours=1)))
    assert await pause(world) == ("account:disabled_update", None)
    await take(world, news(world, "ACCOUNT_RECONNECTED", GoOn(), NOON))
    await take(world, news(world, "ACCOUNT_VIOLATION", Remark(alert=True), later(hours=2)))
    assert await pause(world) == ("account:disabled_update", None)
    assert await world.rows(SignalIntent) == []
    await take(world, news(world, "DISABLED_UPDATE", GoOn(), later(hours=3)))
    assert await pause(world) == (None, None)
    assert [one.broadcast_key for one in await world.rows(SignalIntent)] == [f"number:{PHONE_NUMBER_ID}"]
    await take(world, news(world, "DISABLED_UPDATE", Stop(None), later(hours=2)))
    assert await pause(world) == (None, None)


async def test_what_has_ended_already_stops_nothing(world: World) -> None:
    """A restriction whose end has passed on the way is history."""
    await take(world, news(world, "ACCOUNT_RESTRICTION", Stop(later(hours=-1)), later(hours=-2)))
    assert await pause(world) == (None, None)


async def test_a_pause_of_another_cause_is_not_the_accounts_to_lift(world: World) -> None:
    """A reinstatement leaves alone what a refused send has begun."""
    async with world.database.write() as session:
        number = await session.get_one(Number, world.number_id)
        number.paused_reason, number.paused_until = "refused", later(hours=24)
    await take(world, news(world, "DISABLED_UPDATE", GoOn(), NOON))
    assert await pause(world) == ("refused", later(hours=24))


async def test_a_warning_is_told_to_whoever_reads_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """A ban that is only announced changes nothing yet, but somebody must see it."""
    with caplog.at_level(logging.WARNING, "storage.ingest_accounts"):
        await take(world, news(world, "DISABLED_UPDATE", Remark(alert=True), NOON))
    assert "DISABLED_UPDATE" in caplog.text


async def test_a_limit_is_the_whole_portfolios(world: World) -> None:
    """Every number of the signer's in the portfolio gets it, others do not, and the newest stands."""
    shops = {"b": ("p", "801"), "c": ("q", "802"), "d": (None, "803")}
    for slug, (portfolio, waba) in shops.items():
        named = {"phone_number_id": slug, "shop_domain": f"{slug}.example"}
        await world.add_store(slug, portfolio_id=portfolio, waba_id=waba, **named)
    async with world.database.write() as session:
        (await session.get_one(Number, world.number_id)).portfolio_id = "p"
    everyone = tuple(row.id for row in await world.rows(Number))
    for hour, limit in ((2, 2000), (1, 250)):
        await take(world, LimitPiece(f"l:{hour}", (world.number_id,), everyone, limit, later(hours=hour)))
    assert [row.daily_limit for row in await world.rows(Number)] == [2000, 2000, None, None]
    assert await world.rows(SignalIntent) == []
    await take(world, LimitPiece("l:3", (world.number_id,), (world.number_id,), UNLIMITED, later(hours=3)))
    assert [row.daily_limit for row in await world.rows(Number)] == [UNLIMITED, 2000, None, None]
    assert [one.broadcast_key for one in await world.rows(SignalIntent)] == [
        "portfolio:p",
        "portfolio:p:kept",
        f"allowance:{PHONE_NUMBER_ID}",
    ]


async def test_a_flag_is_the_numbers_that_meta_names(world: World) -> None:
    """By its phone, or because the account has no other; the newest word stands."""
    for hour, quality in ((2, "FLAGGED"), (1, None)):
        await take(
            world, NumberQualityPiece(f"q:{hour}", (world.number_id,), "+15550000001", quality, later(hours=hour))
        )
    [number] = await world.rows(Number)
    assert (number.quality, number.quality_at) == ("FLAGGED", later(hours=2))


async def test_a_templates_category_and_quality_follow_the_newest_word(world: World) -> None:
    """A utility template that Meta calls marketing is one from then on, whatever older news comes after."""
    async with world.database.write() as session:
        row = Template(waba_id=WABA, name="n", language="en", status=TemplateStatus.APPROVED, synced_at=NOON)
        row.category = "UTILITY"
        session.add(row)
    for hour, category, quality in ((2, "MARKETING", "RED"), (1, "UTILITY", "GREEN")):
        at = later(hours=hour)
        await take(
            world,
            templates=(
                TemplateCategoryPiece(f"c:{hour}", WABA, "n", "en", category, at),
                TemplateQualityPiece(f"q:{hour}", WABA, "n", "en", quality, at),
                TemplateQualityPiece(f"o:{hour}", WABA, "n", "es", quality, at),
            ),
        )
    [row] = await world.rows(Template)
    assert (row.category, row.quality) == ("MARKETING", "RED")
