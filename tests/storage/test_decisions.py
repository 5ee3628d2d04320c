"""Entry decisions: written when the reason changes, and kept for a while."""

from datetime import datetime, timedelta

import pytest

from models.enums import JourneyState, LeftOut
from models.tables import EntryDecision
from storage import decisions
from storage.decisions import forget_decisions, old_decisions
from storage.journeys import journey_of
from storage.launches import ENTERED, PACED, Decision, append_decisions
from storage.lookup import decisions_about
from storage.publishing import confirm, propose
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, World

DAY = timedelta(days=1)
LAST_ORDER = (NOON - 12 * DAY).isoformat()


@pytest.fixture
async def customer(world: World) -> int:
    """Somebody at a store with a journey."""
    found = await world.customer()
    await world.enroll(await world.customer("+447700900124"))
    return found


async def decide(world: World, at: datetime, *made: Decision) -> None:
    """Write what was decided about customers of the world's one journey."""
    async with world.database.write() as session:
        await append_decisions(session, world.store_id, 1, 1, made, now=at)


def quiet(customer: int, days: int, *, basis: str | None = LAST_ORDER, least: int = 60) -> Decision:
    """Left out because the last order is so many days old."""
    word = LeftOut.FILTER_INACTIVE_DAYS.value
    return Decision(customer, word, f"{days} days since the last order", f"at least {least} days", basis=basis)


async def decide_by(world: World, version_id: int, *made: Decision) -> None:
    """Write what was decided by another version of the world's one journey."""
    async with world.database.write() as session:
        await append_decisions(session, world.store_id, 1, version_id, made, now=NOON)


async def propose_another(world: World) -> int:
    """A version that a launch is only shown with."""
    async with world.database.write() as session:
        (await journey_of(session, 1, lock=True)).state = JourneyState.ACTIVE
        changed = DEFINITION.model_copy(update={"priority": DEFINITION.priority + 1})
        _, version = await propose(session, world.store_id, changed, now=NOON)
        return required_id(version.id)


async def answers(world: World, customer: int) -> list[str]:
    """What is told of the customer, newest first: the thresholds."""
    async with world.database.read() as session:
        return [one.decision.threshold for one in await decisions_about(session, customer)]


async def told(world: World) -> list[tuple[int, str]]:
    """What is on record: on which day, and what was seen."""
    return [((one.at - NOON).days, one.seen) for one in await world.rows(EntryDecision)]


async def test_a_repeated_answer_is_written_once(world: World, customer: int) -> None:
    """The same last order, the same threshold: thirteen days instead of twelve is no other reason."""
    for day in range(3):
        await decide(world, NOON + day * DAY, quiet(customer, 12 + day))
    assert await told(world) == [(0, "12 days since the last order")]


async def test_the_same_word_for_another_reason_is_news(world: World, customer: int) -> None:
    """A newer order, or a version that asks for more, is a reason of its own, with what was true then."""
    await decide(world, NOON, quiet(customer, 12))
    await decide(world, NOON + 30 * DAY, quiet(customer, 3, basis=(NOON + 27 * DAY).isoformat()))
    await decide(world, NOON + 31 * DAY, quiet(customer, 4, basis=(NOON + 27 * DAY).isoformat(), least=90))
    assert [seen.split()[0] for _, seen in await told(world)] == ["12", "3", "4"]
    thresholds = [one.threshold for one in await world.rows(EntryDecision)]
    assert thresholds == ["at least 60 days", "at least 60 days", "at least 90 days"]


async def test_a_paced_customers_day_is_part_of_the_reason(world: World, customer: int) -> None:
    """Given another day, they wait for another reason."""
    for day in ("2026-12-01", "2026-12-01", "2026-12-02"):
        await decide(world, NOON, Decision(customer, PACED, f"given {day}"))
    assert [seen for _, seen in await told(world)] == ["given 2026-12-01", "given 2026-12-02"]


async def test_rows_of_an_earlier_release_are_compared_by_what_was_seen(world: World, customer: int) -> None:
    """They have no basis: the same words say the same, others are written down once."""
    async with world.database.write() as session:
        session.add(
            EntryDecision(
                store_id=world.store_id,
                journey_id=1,
                version_id=1,
                customer_id=customer,
                at=NOON,
                outcome=LeftOut.FILTER_INACTIVE_DAYS.value,
                seen="12 days since the last order",
                threshold="at least 60 days",
            )
        )
    for day in (0, 1, 2):
        await decide(world, NOON + day * DAY, quiet(customer, 12 + day))
    assert await told(world) == [(0, "12 days since the last order"), (1, "13 days since the last order")]


@pytest.mark.parametrize("page", [1, 2000])
async def test_old_decisions_go_and_the_newest_stays(
    world: World, customer: int, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Page by page, whoever has a newer answer; another customer's only one is kept however old it is."""
    monkeypatch.setattr(decisions, "PAGE", page)
    other = await world.customer("+447700900125")
    await decide(world, NOON, quiet(customer, 12), Decision(other, ENTERED))
    await decide(world, NOON + 10 * DAY, Decision(customer, ENTERED))
    await decide(world, NOON + 20 * DAY, Decision(customer, LeftOut.RE_ENTRY.value))
    await decide(world, NOON + 30 * DAY, Decision(customer, ENTERED))

    async def forget(before: datetime) -> list[int]:
        after = None
        while True:
            async with world.database.write() as session:
                found = await old_decisions(session, world.store_id, before=before, after=after)
                await forget_decisions(session, found.ids)
            after = found.after
            if after is None:
                return [(one.at - NOON).days for one in await world.rows(EntryDecision)]

    assert await forget(NOON) == [0, 0, 10, 20, 30]
    assert await forget(NOON + 15 * DAY) == [0, 20, 30]
    assert await forget(NOON + 90 * DAY) == [0, 30]


async def test_what_a_proposed_version_decides_is_told_when_it_is_published(world: World, customer: int) -> None:
    """Until then the answer is the one before, and what the published version says again is no news."""
    await decide(world, NOON, quiet(customer, 12))
    proposed = await propose_another(world)
    for _ in range(2):
        await decide_by(world, proposed, quiet(customer, 12, least=90))
    await decide(world, NOON, quiet(customer, 12))
    assert len(await world.rows(EntryDecision)) == 2
    assert await answers(world, customer) == ["at least 60 days"]
    async with world.database.write() as session:
        assert await confirm(session, await journey_of(session, 1, alone=True), proposed, now=NOON)
    assert await answers(world, customer) == ["at least 90 days", "at least 60 days"]


async def test_what_was_only_proposed_goes_and_pushes_nothing_out(world: World, customer: int) -> None:
    """The answer that counts is kept for good, whatever a launch was shown with after it."""
    await decide(world, NOON, quiet(customer, 12))
    await decide_by(world, await propose_another(world), quiet(customer, 12, least=90))
    async with world.database.write() as session:
        found = await old_decisions(session, world.store_id, before=NOON + DAY)
        await forget_decisions(session, found.ids)
    assert [one.threshold for one in await world.rows(EntryDecision)] == ["at least 60 days"]


async def test_another_stores_decisions_are_left_alone(world: World, customer: int) -> None:
    """Each store's upkeep forgets its own."""
    await decide(world, NOON, quiet(customer, 12))
    await decide(world, NOON + DAY, Decision(customer, ENTERED))
    async with world.database.write() as session:
        found = await old_decisions(session, world.store_id + 1, before=NOON + 90 * DAY)
    assert found.ids == ()
