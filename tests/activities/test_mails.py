"""Mails about a store's events: sent once, tried again while the server is away, and given up after a day."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import pytest

from activities.mail_texts import mail_about
from activities.mails import NOT_CONFIGURED, send_mails
from activities.services import Services
from models.enums import PauseCause, StoreEventKind
from models.tables import Store, StoreEvent
from providers.mail import MailServer
from storage.engine import Database
from storage.mails import SENT, DueMail, next_mail_at
from storage.store_events import NO_ADDRESS, record_store_event
from storage.stores import store_parts
from tests.mailbox import Mailbox, mailbox
from tests.worlds import NOON, World, later, make_world

STAFF = ["staff@example.com"]


@pytest.fixture
async def box() -> AsyncIterator[Mailbox]:
    """A mail server."""
    async with mailbox() as found:
        yield found


@pytest.fixture
async def world(sqlite_database: Database) -> World:
    """A store whose people want to hear."""
    world = await make_world(sqlite_database)
    async with world.database.write() as session:
        (await session.get_one(Store, world.store_id)).alert_emails = STAFF
    return world


async def happens(world: World, key: str = "1", kind: StoreEventKind = StoreEventKind.CREDENTIAL_REFUSED) -> None:
    """Something that people should read of."""
    async with world.database.write() as session:
        await record_store_event(session, world.store_id, kind, dedupe_key=key, at=NOON, detail={"code": 190})


async def mails(world: World, server: MailServer | None, **after: float) -> list[StoreEvent]:
    """One look at what is due; the events after it."""
    others = dict.fromkeys(("cipher", "whatsapp", "shopify", "temporal"))
    services = Services(database=world.database, mail=server, **cast("Any", others))
    async with world.database.read() as session:
        parts = await store_parts(session, world.store_id)
    assert not await send_mails(services, parts, now=later(**after))
    return await world.rows(StoreEvent)


def server_of(box: Mailbox) -> MailServer:
    """Where the mails go."""
    return MailServer.from_url(box.url, "rekindle@example.com")


async def test_an_event_is_mailed_once(world: World, box: Mailbox) -> None:
    """The store's upkeep is woken for it, and a second look finds nothing."""
    await happens(world)
    assert await world.intents() == [(f"upkeep-{world.store_id}", "wake")]
    for _ in range(2):
        (event,) = await mails(world, server_of(box))
    assert (event.mail_outcome, event.mailed_at, event.mail_tries) == (SENT, NOON, 1)
    ((recipients, message),) = box.received
    assert recipients == STAFF
    assert message["Subject"] == "[shop] a stored credential is refused"
    assert "Code: 190" in message.get_content()


async def test_a_server_that_is_away_is_tried_for_a_day(world: World, box: Mailbox) -> None:
    """The pauses grow, all mails of the round are put off together, and the outcome says why it was given up."""
    await happens(world)
    await happens(world, "2")
    box.answer = "451 later"
    first, second = await mails(world, server_of(box))
    assert (first.mail_tries, second.mail_tries) == (1, 1)
    assert first.mail_next_at == second.mail_next_at == later(minutes=1)
    at = NOON
    while True:
        async with world.database.read() as session:
            due = await next_mail_at(session, world.store_id)
        if due is None:
            break
        assert timedelta(0) < due - at <= timedelta(hours=4)
        at = due
        await mails(world, server_of(box), seconds=(at - NOON).total_seconds())
    (event, _) = await world.rows(StoreEvent)
    assert (event.mail_outcome, event.mailed_at) == ("given up: refused (451)", None)
    assert timedelta(hours=19) < at - NOON < timedelta(hours=24)
    assert event.mail_tries < 20


async def test_what_is_refused_for_good_is_not_repeated(world: World, box: Mailbox) -> None:
    """A mailbox that does not exist will not exist in an hour."""
    await happens(world)
    box.answer = "550 no such mailbox"
    (event,) = await mails(world, server_of(box))
    assert (event.mail_outcome, event.mail_next_at) == ("refused: refused (550)", None)


async def test_without_a_server_or_an_address_nothing_is_tried(world: World) -> None:
    """The event stands, and says why nobody was written to."""
    await happens(world)
    (event,) = await mails(world, None)
    assert (event.mail_outcome, event.mail_next_at) == (NOT_CONFIGURED, None)
    async with world.database.write() as session:
        (await session.get_one(Store, world.store_id)).alert_emails = []
    before = await world.intents()
    await happens(world, "2")
    (_, event) = await world.rows(StoreEvent)
    assert (event.mail_outcome, event.mail_next_at) == (NO_ADDRESS, None)
    assert await world.intents() == before


@pytest.mark.parametrize("kind", StoreEventKind)
def test_every_event_has_its_mail(kind: StoreEventKind) -> None:
    """The subject names the store, what it is about and what happened in one line; the body says what to do."""
    for cause in PauseCause:
        detail = {"cause": cause.value, "templates": ["template a (en): PENDING"]}
        mail = mail_about(DueMail(1, kind, NOON, detail, "quiet", "900000000000001", 1), "shop")
        assert mail.subject.startswith("[shop] quiet: ")
        assert len(mail.body.split("\n\n")) >= 4
        assert "{" not in mail.body
        assert "Templates: template a (en): PENDING" in mail.body
