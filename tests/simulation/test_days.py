"""The days of a simulation against the ledger that the product itself would have kept, and against the whole."""

from collections import Counter
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlmodel import select

from cli.simulation.document import Outcome
from cli.simulation.options import ZONE, Options, Prices
from cli.simulation.parts import running_parts
from cli.simulation.run import Simulation
from models.enums import CreditKind, CreditState
from models.journey_file import read_journey_bytes
from models.orders_file import OrderRow
from models.tables import CreditEntry
from policies.calendar import local_date
from sandbox.habits import Habits
from storage.credits import open_ledger

JOURNEY = Path(__file__).parents[2] / "examples" / "win_back.yaml"
TODAY = date(2026, 11, 20)
CUSTOMERS, A_DAY, DAYS = 12, 5, 5
PRICES = Prices(message=3, call=2)


def options() -> Options:
    """A win-back with a text by the model, for twelve people; five may enter a day, and a quarter is held out."""
    definition = read_journey_bytes(JOURNEY.read_bytes())
    changes = {
        "sending": definition.sending.model_copy(update={"max_per_day": A_DAY}),
        "audience": definition.audience.model_copy(update={"control_percent": 25}),  # type: ignore[union-attr]
    }
    rows = [
        OrderRow(
            order_id=str(number),
            customer_id=str(number),
            ordered_on=date(2026, 9, 1),
            total_minor=4200,
            currency="EUR",
        )
        for number in range(1, CUSTOMERS + 1)
    ]
    return Options(
        definitions=(definition.model_copy(update=changes),),
        orders=rows,
        as_of=TODAY,
        days=DAYS,
        habits=Habits(replies=0.0, stops=0.0, orders=0.5),
        prices=PRICES,
    )


async def ledger_of(asked: Options) -> tuple[Outcome, Counter[tuple[date, CreditKind]]]:
    """The simulation in a store that does keep a ledger; its outcome, and what was charged on which day."""
    async with running_parts(asked) as parts:
        async with parts.services.database.write() as session:
            await open_ledger(session, parts.store.id, 10_000, now=parts.opening)
        simulation = Simulation(asked, parts)
        await simulation.launch()
        await simulation.run_days(lambda _: None)
        outcome = await simulation.outcome()
        charged: Counter[tuple[date, CreditKind]] = Counter()
        async with parts.services.database.read() as session:
            for line in await session.exec(select(CreditEntry)):
                if line.amount < 0 and line.state is not CreditState.RELEASED:
                    charged[local_date(line.at, ZoneInfo(ZONE)), line.kind] -= line.amount
    return outcome, charged


async def test_credits_are_what_the_ledger_would_have_charged_and_a_full_day_puts_people_off() -> None:
    """Day by day; the days add up to the whole, and the six for whom the first day has no room wait, one held out."""
    outcome, charged = await ledger_of(options())
    days = outcome.days
    by_day: Counter[date] = Counter()
    for (day, _), amount in charged.items():
        by_day[day] += amount
    assert {one.date: one.credits for one in days if one.credits} == dict(by_day)
    messages = sum(amount for (_, kind), amount in charged.items() if kind is CreditKind.MESSAGE)
    assert outcome.credits.messages == messages == PRICES.message * outcome.messages.sent > 0
    assert outcome.credits.calls == sum(charged.values()) - messages > 0
    assert (outcome.audience.entered, outcome.audience.control) == (10, 2)
    assert [one.entered for one in days] == [5, 5, 0, 0, 0, 0]
    assert [one.capped["max_per_day"] for one in days] == [6, 0, 0, 0, 0, 0]
    assert [one.day for one in days] == [1, 2, 3, 4, 5, 6]
    assert sum(one.sent for one in days) == outcome.messages.sent
    assert sum(one.orders for one in days) == outcome.orders.attributed > 0
    revenue = sum(round(100 * float(one.revenue["EUR"])) for one in days)
    assert f"{revenue / 100:.2f}" == outcome.orders.revenue["EUR"]
