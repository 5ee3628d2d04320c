"""What is said of a journey's lift."""

import pytest

from models.enums import LiftAnswer
from models.holdout import Arm, Arms, Standing, Stratum
from models.journey import WinBack
from reports.lift import lift_view, view_of
from storage.engine import Database
from storage.publishing import publish
from storage.stores import required_id
from tests.worlds import DEFINITION, NOON, make_world


def arms(treated: Arm, control: Arm, *, running: int = 0) -> Arms:
    """Both arms under one percentage."""
    return Arms(
        Standing(compared=treated.customers),
        Standing(compared=control.customers, running=running),
        (Stratum(10, treated, control),),
    )


def spending(customers: int, converted: int, each: int, currency: str = "USD") -> Arm:
    """An arm whose buyers all spend about as much."""
    return Arm(customers, converted, {currency: {each + one: 1 for one in range(converted)}})


def test_a_gain_is_told_with_its_interval_and_both_rates() -> None:
    """The plain answer first, in people of a hundred, in money of each and of all, and who is still running."""
    view = view_of(arms(spending(1800, 180, 5000), spending(200, 6, 4000), running=34))
    assert view.conversion.text == (
        "brought 7.0 more buyers in 100 (95%: 3.4 to 9.2); 10.0 in 100 bought, and 3.0 in 100 of the held out; "
        "34 customers are not counted yet, as their time is still running"
    )
    (revenue,) = view.revenue
    assert revenue.text == "brought 3.89 USD more per customer (95%: 2.38 to 4.88), 6999.75 USD in all"
    assert (revenue.answer, revenue.currency) == (LiftAnswer.GAIN, "USD")
    assert view.conversion.difference is not None
    assert view.conversion.difference.value == 0.07
    assert view.conversion.extra is not None
    assert view.conversion.extra.value == 126
    assert (view.control.eligible, view.control.running, view.control.converted) == (234, 34, 6)


def test_a_loss_and_no_difference_are_told_as_such() -> None:
    """Nothing is dressed up."""
    lost = view_of(arms(spending(1800, 54, 5000), spending(200, 24, 5000)))
    assert lost.conversion.text.startswith("cost 9.0 buyers in 100 (difference, 95%: -14.")
    assert lost.revenue[0].text.startswith("cost 4.")
    same = view_of(arms(spending(1800, 90, 5000), spending(200, 10, 5000)))
    assert same.conversion.text.startswith("no difference in buyers shown: +0.0 in 100 (95%: -")
    assert same.revenue[0].text.startswith("no difference in revenue shown: ")


def test_too_little_data_is_told_with_what_is_missing() -> None:
    """Which arm lacks whom, and nothing else is said."""
    view = view_of(arms(spending(900, 45, 5000), spending(40, 2, 5000)))
    assert view.conversion.text == ("not enough data yet: 40 of at least 100 held out customers whose time is over")
    few = view_of(arms(spending(1900, 38, 5000), spending(100, 2, 5000)))
    assert few.conversion.missing == [
        "2.0 of at least 5 buyers to be expected of the 100 held out: about 150 customers more at the rate so far"
    ]
    assert few.conversion.difference is few.conversion.extra is None
    assert few.revenue[0].difference is None
    nobody = view_of(arms(Arm(1900), Arm(100)))
    assert nobody.conversion.missing[0] == "nobody has bought, of the 1900 treated or of the others"
    assert nobody.revenue == []


def test_without_a_holdout_that_is_the_answer() -> None:
    """No number is made up for lack of a control group."""
    view = view_of(Arms(Standing(unheld=90), Standing(), ()))
    assert view.conversion.answer is LiftAnswer.NO_HOLDOUT
    assert view.conversion.text.startswith("nobody is held out")
    assert (view.treated.conversion, view.control.conversion, view.control_percents) == (None, None, [])


def test_a_currency_has_its_own_digits() -> None:
    """Yen have none, and what a customer is worth is shown finer than any price."""
    view = view_of(arms(spending(1800, 180, 5000, "JPY"), spending(200, 16, 4000, "JPY")))
    (revenue,) = view.revenue
    assert revenue.treated is not None
    assert revenue.extra is not None
    assert revenue.treated.value == "508.95"
    assert "." not in revenue.extra.value


async def test_another_stores_journey_is_not_told(database: Database) -> None:
    """A journey's id is no key to another store's numbers."""
    world = await make_world(database)
    other = await world.add_store("other", phone_number_id="900000000000002", shop_domain="other.myshopify.com")
    async with database.write() as session:
        definition = WinBack.model_validate(DEFINITION.model_dump(mode="json"))
        journey, _ = await publish(session, world.store_id, definition, now=NOON)
        journey_id = required_id(journey.id)
    async with database.read() as session:
        view = await lift_view(session, world.store_id, journey_id, now=NOON)
        assert view.conversion.answer is LiftAnswer.NO_HOLDOUT
        with pytest.raises(LookupError):
            await lift_view(session, other, journey_id, now=NOON)
