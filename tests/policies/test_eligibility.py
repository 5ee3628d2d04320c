"""Every entry rule of a win-back, alone and in order."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from models.enums import ConsentState, LeftOut
from models.journey import WinBack
from models.money import Money
from policies.eligibility import Candidate, RuleResult, evaluate, first_failure

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
STORE = ZoneInfo("Europe/Berlin")
ORDER = [
    LeftOut.ERASED,
    LeftOut.NO_PHONE,
    LeftOut.UNSUBSCRIBED,
    LeftOut.NO_CONSENT,
    LeftOut.MARKETING_NOT_DELIVERABLE,
    LeftOut.FILTER_INACTIVE_DAYS,
    LeftOut.FILTER_LAST_ORDER_TOTAL,
    LeftOut.RECENT_ORDER,
    LeftOut.SMART_SENDING,
    LeftOut.RE_ENTRY,
    LeftOut.IN_OTHER_JOURNEY,
]


def journey(audience: dict[str, Any] | None = None, sending: dict[str, Any] | None = None) -> WinBack:
    """A win-back after 60 days with all filters set."""
    return WinBack.model_validate(
        {
            "name": "lapsed",
            "kind": "win_back",
            "audience": {"inactive_days": 60, **(audience or {})},
            "stages": [{"after": "0d", "message": {"template": {"name": "winback_hello", "language": "en"}}}],
            "sending": sending or {},
        }
    )


def person(**changes: Any) -> Candidate:
    """Somebody whom every rule lets in, but for the changes."""
    facts: dict[str, Any] = {
        "customer_id": 1,
        "phone": "+447700900123",
        "consent": ConsentState.SUBSCRIBED,
        "last_order_at": NOW - timedelta(days=90),
        "last_order_total": Money.of(Decimal(50), "EUR"),
        "last_order_id": "1001",
    }
    return Candidate(**(facts | changes))


def ask(
    candidate: Candidate,
    definition: WinBack | None = None,
    *,
    key: str | None = "1001",
    currency: str = "EUR",
) -> list[RuleResult]:
    """All results for one customer."""
    return evaluate(candidate, definition or journey(), now=NOW, zone=STORE, entry_key=key, currency=currency)


def reasons(*args: Any, **kwargs: Any) -> list[LeftOut]:
    """The reasons of all rules that fail."""
    return [result.reason for result in ask(*args, **kwargs) if result.reason is not None]


def test_every_rule_answers_in_order_and_says_what_it_saw() -> None:
    """`why-not` shows the whole list, whoever asks."""
    results = ask(person())
    assert [result.rule for result in results] == [reason.value for reason in ORDER]
    assert all(result.passed and result.reason is None and result.seen and result.threshold for result in results)
    assert first_failure(results) is None


def test_the_first_failure_is_the_reason_on_record() -> None:
    """Of several failures the first in the order counts."""
    results = ask(person(phone=None, consent=ConsentState.UNSUBSCRIBED, last_order_at=NOW))
    failure = first_failure(results)
    assert failure is not None
    assert failure.reason is LeftOut.NO_PHONE
    assert [result.reason for result in results if not result.passed] == [
        LeftOut.NO_PHONE,
        LeftOut.UNSUBSCRIBED,
        LeftOut.NO_CONSENT,
        LeftOut.FILTER_INACTIVE_DAYS,
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"erased": True}, LeftOut.ERASED),
        ({"phone": None}, LeftOut.NO_PHONE),
        ({"opted_out": True}, LeftOut.UNSUBSCRIBED),
        ({"suppressed": True}, LeftOut.UNSUBSCRIBED),
        ({"consent": ConsentState.PENDING}, LeftOut.NO_CONSENT),
        ({"consent": ConsentState.NEVER_SUBSCRIBED}, LeftOut.NO_CONSENT),
        ({"phone": "+12025550123"}, LeftOut.MARKETING_NOT_DELIVERABLE),
        ({"last_order_at": None}, LeftOut.FILTER_INACTIVE_DAYS),
        ({"last_marketing_at": NOW - timedelta(days=5) + timedelta(seconds=1)}, LeftOut.SMART_SENDING),
        ({"last_entry_key": "1001"}, LeftOut.RE_ENTRY),
        ({"last_entered_at": NOW - timedelta(days=89)}, LeftOut.RE_ENTRY),
        ({"open_enrollment_journey": "carts", "open_enrollment_priority": 100}, LeftOut.IN_OTHER_JOURNEY),
        ({"open_enrollment_journey": "other", "open_enrollment_priority": 50}, LeftOut.IN_OTHER_JOURNEY),
        ({"open_enrollment_journey": "lapsed", "open_enrollment_priority": 10}, LeftOut.IN_OTHER_JOURNEY),
        ({"open_enrollment_journey": "other"}, LeftOut.IN_OTHER_JOURNEY),
    ],
)
def test_each_rule_keeps_out_alone(changes: dict[str, Any], reason: LeftOut) -> None:
    """One fact changed, one rule fails."""
    assert reasons(person(**changes)) == [reason]


@pytest.mark.parametrize(
    "changes",
    [
        {"last_marketing_at": NOW - timedelta(days=5)},
        {"last_entered_at": NOW - timedelta(days=90), "last_entry_key": "1000"},
        {"open_enrollment_journey": "other", "open_enrollment_priority": 49},
        {"phone": "+14165550123"},
        {"synthetic": True},
    ],
)
def test_each_rule_lets_in_at_its_edge(changes: dict[str, Any]) -> None:
    """Exactly so many days ago is long enough, and a lower priority can be taken over."""
    assert reasons(person(**changes)) == []


@pytest.mark.parametrize(
    ("consent", "expected"),
    [
        (ConsentState.SUBSCRIBED, []),
        (ConsentState.PENDING, []),
        (ConsentState.NEVER_SUBSCRIBED, []),
        (ConsentState.REDACTED, [LeftOut.NO_CONSENT]),
        (ConsentState.UNSUBSCRIBED, [LeftOut.UNSUBSCRIBED, LeftOut.NO_CONSENT]),
    ],
)
def test_not_unsubscribed_lets_in_whoever_did_not_object(consent: ConsentState, expected: list[LeftOut]) -> None:
    """The wider consent rule stops at a no, and where the answer is no longer known."""
    assert reasons(person(consent=consent), journey({"consent": "not_unsubscribed"})) == expected


@pytest.mark.parametrize(("days", "inside"), [(59, False), (60, True), (180, True), (181, False)])
def test_inactive_days_are_inclusive_dates_of_the_store(days: int, inside: bool) -> None:  # noqa: FBT001 - a table
    """The least and the most belong to the range, whatever the time of day."""
    late = datetime(2026, 7, 1, 23, 59, tzinfo=STORE) - timedelta(days=days)
    expected = [] if inside else [LeftOut.FILTER_INACTIVE_DAYS]
    assert reasons(person(last_order_at=late), journey({"inactive_days_max": 180})) == expected


@pytest.mark.parametrize(
    ("amount", "inside"), [("19.99", False), ("20", True), ("500", True), ("500.01", False), (None, False)]
)
def test_amounts_are_inclusive(amount: str | None, inside: bool) -> None:  # noqa: FBT001 - a table
    """The least and the most amount belong to the range, and without an order there is no amount."""
    total = Money.of(Decimal(amount), "EUR") if amount else None
    expected = [] if inside else [LeftOut.FILTER_LAST_ORDER_TOTAL]
    assert reasons(person(last_order_total=total), journey({"last_order_total": {"min": 20, "max": 500}})) == expected


def test_an_amount_in_another_currency_never_qualifies() -> None:
    """100 USD is not compared with a range in euros; without a range the currency does not matter."""
    foreign = person(last_order_total=Money.of(Decimal(100), "USD"))
    assert reasons(foreign, journey({"last_order_total": {"min": 20}})) == [LeftOut.FILTER_LAST_ORDER_TOTAL]
    assert reasons(foreign) == []


def test_a_recent_order_of_any_kind_keeps_out_only_where_the_rule_is_on() -> None:
    """`recent_order_days` looks at every order in 24-hour blocks, and 0 switches it off."""
    buyer = person(last_any_order_at=NOW - timedelta(days=10) + timedelta(seconds=1))
    assert reasons(buyer, journey(sending={"recent_order_days": 10})) == [LeftOut.RECENT_ORDER]
    assert reasons(buyer, journey(sending={"recent_order_days": 9})) == []
    assert reasons(buyer) == []


def test_smart_sending_can_be_off() -> None:
    """0 days lets a message follow another at once."""
    assert reasons(person(last_marketing_at=NOW), journey(sending={"smart_sending_days": 0})) == []


def test_an_unknown_entry_key_is_no_repetition() -> None:
    """Without a key only the time since the last entry counts."""
    assert reasons(person(last_entry_key=None), key=None) == []


def test_results_do_not_show_the_number() -> None:
    """What staff read has a masked number."""
    assert "7700900" not in " ".join(result.model_dump_json() for result in ask(person())).replace(" ", "")
