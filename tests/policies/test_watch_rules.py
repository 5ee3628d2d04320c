"""Every rule of silences and carts, each on its own, with what it says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from models.enums import ConsentState, LeftOut
from models.money import Money
from policies.eligibility import Candidate, RuleResult, first_failure
from policies.watch_rules import OpenCart, Silence, evaluate_cart, evaluate_follow_up
from tests.silences import cart_journey, follow_up

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
SILENCE = Silence(entry_key="k1", spoken_at=NOW - 3 * HOUR, since=NOW - 3 * HOUR, due_at=NOW - HOUR, column="quoted")
CART = OpenCart(since=NOW - 2 * HOUR, due_at=NOW - HOUR, total=Money(4000, "USD"))
PERSON = Candidate(customer_id=1, phone="+447700900001", consent=ConsentState.SUBSCRIBED)


def reason(results: list[RuleResult]) -> LeftOut | None:
    """Why they are left out."""
    failed = first_failure(results)
    return failed.reason if failed is not None else None


def ask(silence: Silence | None = SILENCE, person: Candidate = PERSON, **journey: Any) -> list[RuleResult]:
    """Every rule of a follow-up of the column."""
    return evaluate_follow_up(person, silence, follow_up(**({"column": "quoted"} | journey)), now=NOW)


def ask_cart(left: OpenCart | None = CART, person: Candidate = PERSON, **journey: Any) -> list[RuleResult]:
    """Every rule of a cart journey."""
    return evaluate_cart(person, left, cart_journey(**journey), now=NOW, currency="USD")


def test_somebody_who_passes_every_rule_may_enter() -> None:
    """Both kinds ask their rules in one order, and the first failure is the reason."""
    assert [one.rule for one in ask() if one.passed] == [
        "erased",
        "no_phone",
        "unsubscribed",
        "no_consent",
        "marketing_not_deliverable",
        "filter:column",
        "filter:closed",
        "filter:silence",
        "filter:only_new",
        "recent_order",
        "smart_sending",
        "re_entry",
        "in_other_journey",
    ]
    assert reason(ask_cart()) is None
    assert {"filter:cart", "filter:cart_total"} <= {one.rule for one in ask_cart()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"column": "lost"}, LeftOut.FILTER_COLUMN),
        ({"column": None}, LeftOut.FILTER_COLUMN),
        ({"is_open": False}, LeftOut.FILTER_CLOSED),
        ({"since": None, "due_at": None}, LeftOut.FILTER_SILENCE),
        ({"due_at": NOW + timedelta(seconds=1)}, LeftOut.FILTER_SILENCE),
        ({"due_at": NOW}, None),
        ({"only_since": NOW - 2 * HOUR}, LeftOut.FILTER_ONLY_NEW),
        ({"only_since": NOW - 3 * HOUR}, None),
        ({"sent_in_a_row": 2}, LeftOut.RE_ENTRY),
        ({"sent_in_a_row": 1}, None),
    ],
)
def test_a_silence_that_is_not_the_journeys_is_left_out(change: dict[str, Any], expected: LeftOut | None) -> None:
    """Each rule of the conversation fails at its own edge."""
    assert reason(ask(SILENCE.model_copy(update=change), times=2)) is expected


def test_a_closed_conversation_counts_where_closed_ones_are_included() -> None:
    """`include_closed` lets closed conversations in."""
    closed = SILENCE.model_copy(update={"is_open": False})
    assert reason(ask(closed, conversations={"include_closed": True})) is None


def test_a_customer_without_a_conversation_is_told_so() -> None:
    """Each rule of the conversation says that there is none."""
    assert reason(ask(None)) is LeftOut.FILTER_COLUMN
    assert {one.seen for one in ask(None) if one.rule in {"filter:column", "filter:closed", "filter:silence"}} == {
        "no conversation"
    }


def test_consent_is_asked_as_the_kind_has_it() -> None:
    """A follow-up writes to whoever has not said no, a cart journey to whoever said yes."""
    silent = PERSON.model_copy(update={"consent": ConsentState.NEVER_SUBSCRIBED})
    assert reason(ask(person=silent)) is None
    assert reason(ask_cart(person=silent)) is LeftOut.NO_CONSENT


@pytest.mark.parametrize(
    ("inbound", "expected"),
    [(None, LeftOut.MARKETING_NOT_DELIVERABLE), (timedelta(days=2), LeftOut.MARKETING_NOT_DELIVERABLE), (HOUR, None)],
)
def test_an_american_number_is_written_to_only_inside_the_window(
    inbound: timedelta | None, expected: LeftOut | None
) -> None:
    """Outside it only a template could go, which WhatsApp does not deliver there."""
    american = PERSON.model_copy(
        update={"phone": "+12125550123", "last_inbound_at": None if inbound is None else NOW - inbound}
    )
    assert reason(ask(person=american)) is expected


TEMPLATE_ALONE = {"template": {"name": "winback_hello", "language": "en", "variables": {"1": "friend"}}}


@pytest.mark.parametrize(
    ("inbound", "journey", "expected"),
    [
        (timedelta(hours=3), {}, None),
        (timedelta(days=2), {}, LeftOut.SMART_SENDING),
        (timedelta(hours=3), {"message": TEMPLATE_ALONE}, LeftOut.SMART_SENDING),
    ],
)
def test_smart_sending_does_not_silence_a_follow_up_that_can_go_as_free_text(
    inbound: timedelta, journey: dict[str, Any], expected: LeftOut | None
) -> None:
    """Inside the window it answers a conversation that the customer opened; a template is marketing at any time."""
    sold_to = PERSON.model_copy(update={"last_inbound_at": NOW - inbound, "last_marketing_at": NOW - HOUR})
    assert reason(ask(person=sold_to, sending={"smart_sending_days": 5}, **journey)) is expected


def test_smart_sending_keeps_a_cart_journey_silent_also_inside_the_window() -> None:
    """Nobody has asked for a reminder of a cart."""
    sold_to = PERSON.model_copy(update={"last_inbound_at": NOW - HOUR, "last_marketing_at": NOW - HOUR})
    assert reason(ask_cart(person=sold_to, sending={"smart_sending_days": 5})) is LeftOut.SMART_SENDING


def test_why_smart_sending_took_no_notice_is_told() -> None:
    """Whoever asks why a rule passed reads that it is off, and where."""
    sold_to = PERSON.model_copy(update={"last_inbound_at": NOW - HOUR, "last_marketing_at": NOW - HOUR})
    (rule,) = [one for one in ask(person=sold_to, sending={"smart_sending_days": 5}) if one.rule == "smart_sending"]
    assert rule.threshold == "rule is off inside the 24-hour window"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"since": None, "due_at": None}, LeftOut.FILTER_CART),
        ({"due_at": NOW + timedelta(seconds=1)}, LeftOut.FILTER_CART),
        ({"total": Money(2999, "USD")}, LeftOut.FILTER_CART_TOTAL),
        ({"total": Money(3000, "USD")}, None),
        ({"total": Money(9000, "EUR")}, LeftOut.FILTER_CART_TOTAL),
        ({"only_since": NOW}, LeftOut.FILTER_ONLY_NEW),
        ({"entered": True}, LeftOut.RE_ENTRY),
    ],
)
def test_a_cart_that_is_not_the_journeys_is_left_out(change: dict[str, Any], expected: LeftOut | None) -> None:
    """Each rule of the cart fails at its own edge."""
    assert reason(ask_cart(CART.model_copy(update=change), cart={"minimum": "30"})) is expected


def test_a_stronger_journey_keeps_somebody_out_whoever_runs_it() -> None:
    """Priority decides, and one's own journey is never taken over by itself."""
    for priority, expected in ((59, None), (60, LeftOut.IN_OTHER_JOURNEY), (100, LeftOut.IN_OTHER_JOURNEY)):
        inside = PERSON.model_copy(update={"open_enrollment_journey": "other", "open_enrollment_priority": priority})
        assert reason(ask(person=inside)) is expected
    own = PERSON.model_copy(update={"open_enrollment_journey": "silent", "open_enrollment_priority": 10})
    assert reason(ask(person=own)) is LeftOut.IN_OTHER_JOURNEY
