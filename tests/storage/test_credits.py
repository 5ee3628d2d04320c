"""A store's credits: never below zero, never twice for one cause, nothing left behind."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from models.enums import CreditKind, CreditState, SendState
from models.tables import CreditEntry, ModelCall, Send, SignalIntent, Store, StoreEvent
from storage.credits import (
    LedgerOpenError,
    NoLedgerError,
    add_credits,
    close_ledger,
    generation_cause,
    left_behind,
    message_cause,
    note_outcome,
    open_ledger,
    put_right,
    release_charge,
    reserve,
    reserve_message,
    reserved_credits,
    set_prices,
    settle_charge,
)
from storage.engine import Database
from tests.worlds import World, make_world


async def left(world: World) -> int | None:
    """What is available."""
    store: Store = await world.one(Store, world.store_id)
    return store.credits


async def opened(world: World, balance: int) -> None:
    """A ledger with so much in it."""
    async with world.database.write() as session:
        await open_ledger(session, world.store_id, balance, now=world.now)


async def take(world: World, cause: str, amount: int = 1, **more: Any) -> bool:
    """Reserve for a cause."""
    async with world.database.write() as session:
        return await reserve(session, world.store_id, CreditKind.MESSAGE, cause, amount, now=world.now, **more)


async def sent(world: World, state: SendState) -> Send:
    """A claimed message with a reserved charge, whose send stands in that state."""
    phone = f"+44770090{len(await world.rows(Send)):04}"
    enrollment = await world.enroll(await world.customer(phone))
    attempt = await world.claim(enrollment, state=state)
    _, send = await world.attempt(attempt)
    async with world.database.write() as session:
        store = await session.get(Store, world.store_id)
        assert store is not None
        assert await reserve_message(session, store, send, now=world.now)
    return send


async def states(world: World) -> list[CreditState]:
    """How final the charges are."""
    kinds = (CreditKind.MESSAGE, CreditKind.GENERATION)
    return [one.state for one in await world.rows(CreditEntry) if one.kind in kinds]


async def test_without_a_ledger_nothing_is_counted(world: World) -> None:
    """Everything is covered and no line is written."""
    assert await take(world, "a", 1000)
    assert await world.rows(CreditEntry) == []
    async with world.database.write() as session:
        with pytest.raises(NoLedgerError):
            await add_credits(session, world.store_id, 5, note=None, now=world.now)


async def test_a_cause_is_charged_once(world: World) -> None:
    """Reserved again, settled or not, it costs nothing more; given back, it costs again."""
    await opened(world, 10)
    assert await take(world, "a", 3)
    assert await take(world, "a", 3)
    assert await left(world) == 7
    async with world.database.write() as session:
        await settle_charge(session, world.store_id, "a", now=world.now)
    assert await take(world, "a", 3)
    assert await left(world) == 7
    async with world.database.write() as session:
        assert await release_charge(session, world.store_id, "a", now=world.now)
        assert not await release_charge(session, world.store_id, "a", now=world.now)
    assert await left(world) == 10
    assert await take(world, "a", 4)
    assert await left(world) == 6
    assert len(await states(world)) == 1


async def test_what_is_not_covered_is_refused_and_told_once(world: World) -> None:
    """At zero the answer is no; the store's people hear of it once for each time that somebody paid in."""
    await opened(world, 1)
    assert await take(world, "a")
    assert not await take(world, "b")
    assert not await take(world, "c")
    assert len(await world.rows(StoreEvent)) == 1
    async with world.database.write() as session:
        await add_credits(session, world.store_id, 1, note="invoice 7", now=world.now)
    assert {one.broadcast_key for one in await world.rows(SignalIntent)} == {f"credits:{world.store_id}"}
    assert await take(world, "b")
    assert not await take(world, "c")
    assert len(await world.rows(StoreEvent)) == 2


async def test_what_follows_must_be_covered_too(world: World) -> None:
    """A text is not paid for whose message could not be sent; only the text is taken out."""
    await opened(world, 2)
    assert not await take(world, "text", 2, beside=1)
    assert await left(world) == 2
    assert await take(world, "text", 1, beside=1)
    assert await left(world) == 1


async def test_many_at_once_never_spend_more_than_there_is(world: World) -> None:
    """Of forty who ask together for three of fifty each, sixteen are covered."""
    await opened(world, 50)
    answers = await asyncio.gather(*(take(world, f"cause {n}", 3) for n in range(40)))
    assert answers.count(True) == 16
    assert await left(world) == 2
    async with world.database.read() as session:
        assert await reserved_credits(session, world.store_id) == 48


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (SendState.ACCEPTED, CreditState.SETTLED),
        (SendState.FAILED, CreditState.RELEASED),
        (SendState.SKIPPED, CreditState.RELEASED),
        (SendState.UNKNOWN, CreditState.RESERVED),
        (SendState.PARKED, CreditState.RESERVED),
    ],
)
async def test_an_outcome_decides_about_the_charge(world: World, state: SendState, expected: CreditState) -> None:
    """At once where it is known, by the upkeep where only a late status told it; unknown stays reserved."""
    await opened(world, 10)
    send = await sent(world, state)
    await sent(world, state)
    async with world.database.write() as session:
        store = await session.get(Store, world.store_id)
        assert store is not None
        await note_outcome(session, store, send, now=world.now)
    assert await states(world) == [expected, CreditState.RESERVED]
    async with world.database.read() as session:
        lines = await left_behind(session, world.store_id, now=world.now)
    for line in lines:
        async with world.database.write() as session:
            await put_right(session, line, now=world.now)
    assert await states(world) == [expected, expected]
    assert await left(world) == {CreditState.RELEASED: 10}.get(expected, 8)


@pytest.mark.parametrize("asked", [False, True])
async def test_a_generation_that_lost_its_caller_is_put_right(world: World, *, asked: bool) -> None:
    """After an hour it is settled if the model was asked, else given back; before, it may still be under way."""
    await opened(world, 10)
    send = await sent(world, SendState.ACCEPTED)
    cause = generation_cause(send.id or 0, 1)
    assert await take(world, cause, 2, send_id=send.id)
    async with world.database.write() as session:
        line = next(one for one in await world.rows(CreditEntry) if one.cause == cause)
        line.kind = CreditKind.GENERATION
        session.add(line)
        if asked:
            session.add(
                ModelCall(
                    store_id=world.store_id,
                    send_id=send.id or 0,
                    at=world.now,
                    model="m",
                    prompt_version="1",
                    outcome="x",
                )
            )
        await note_outcome(session, await session.get_one(Store, world.store_id), send, now=world.now)
    async with world.database.read() as session:
        assert await left_behind(session, world.store_id, now=world.now) == []
        due = await left_behind(session, world.store_id, now=world.now + timedelta(hours=1))
    for line_id in due:
        async with world.database.write() as session:
            await put_right(session, line_id, now=world.now)
    assert await left(world) == (7 if asked else 9)


async def test_a_ledger_is_opened_once_and_closed(world: World) -> None:
    """Closed, nothing is counted, and whoever waited goes on; what was reserved then is final."""
    await opened(world, 1)
    async with world.database.write() as session:
        with pytest.raises(LedgerOpenError):
            await open_ledger(session, world.store_id, 5, now=world.now)
    assert await take(world, "a")
    async with world.database.write() as session:
        await close_ledger(session, world.store_id, now=world.now)
    assert await left(world) is None
    assert await states(world) == [CreditState.SETTLED]
    assert await take(world, "b", 100)
    await opened(world, 2)
    assert await left(world) == 2


async def test_prices_hold_from_now_on(world: World) -> None:
    """What is reserved keeps the price that it was reserved at."""
    await opened(world, 10)
    first = await sent(world, SendState.FAILED)
    async with world.database.write() as session:
        await set_prices(session, world.store_id, message=4, generation=None, now=world.now)
    await sent(world, SendState.ACCEPTED)
    assert await left(world) == 5
    async with world.database.write() as session:
        await release_charge(session, world.store_id, message_cause(first.id or 0), now=world.now)
    assert await left(world) == 6


async def test_what_an_earlier_ledger_charged_is_nothing_to_the_next(world: World) -> None:
    """Closed while a message is on its way and opened anew, the ledger gains nothing when the message fails."""
    await opened(world, 10)
    send = await sent(world, SendState.IN_FLIGHT)
    async with world.database.write() as session:
        await close_ledger(session, world.store_id, now=world.now)
    world.now += timedelta(hours=1)
    await opened(world, 5)
    async with world.database.write() as session:
        store = await session.get_one(Store, world.store_id)
        send.state = SendState.FAILED
        await note_outcome(session, store, send, now=world.now)
    assert await left(world) == 5


async def test_a_ledger_is_closed_while_a_charge_is_given_back(postgres_database: Database) -> None:
    """Whoever gives back holds the line and waits for the store, so whoever closes must not wait for the line."""
    world = await make_world(postgres_database)
    await opened(world, 10)
    assert await take(world, "a")
    async with world.database.write() as session:
        await session.exec(select(CreditEntry).where(CreditEntry.cause == "a").with_for_update())

        async with asyncio.timeout(5), world.database.write() as other:
            await close_ledger(other, world.store_id, now=world.now)
        await release_charge(session, world.store_id, "a", now=world.now)
    assert (await left(world), await states(world)) == (None, [CreditState.RELEASED])


async def test_whoever_found_none_while_somebody_paid_in_is_told_a_moment_later(world: World) -> None:
    """On PostgreSQL a hold may be written down after the first look at who holds, and nobody looks by themselves."""
    await opened(world, 0)
    async with world.database.write() as session:
        await add_credits(session, world.store_id, 5, note=None, now=world.now)
    moments = [one.next_try_at for one in await world.rows(SignalIntent) if one.broadcast_key is not None]
    expected = [world.now] if world.database.is_sqlite else [world.now, world.now + timedelta(minutes=1)]
    assert moments == expected
