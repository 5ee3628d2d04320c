"""One order, one journey."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.enums import AttributedBy
from policies.attribution import Attribution, CouponUse, Receipt, attribute, counts

ORDERED = datetime(2026, 7, 1, 12, tzinfo=UTC)
DAYS = {"enr-1": 5, "enr-2": 2}


@dataclass(frozen=True)
class Order:
    """What decides whether an order counts."""

    test: bool = False
    cancelled_at: datetime | None = None
    financial_status: str | None = "PAID"
    original_minor: int | None = 2500
    total_minor: int = 2500


def receipt(ago: timedelta, *, send: int = 1, journey: int = 1, stage: int = 0) -> Receipt:
    """A message received so long before the order."""
    return Receipt(send, f"enr-{journey}", journey, stage, ORDERED - ago)


def coupon(
    code: str = "BACK10", *, journey: int = 1, start: timedelta = timedelta(days=30), end: timedelta | None = None
) -> CouponUse:
    """A code valid from so long before the order until so long after it."""
    return CouponUse(f"enr-{journey}", journey, code, ORDERED - start, None if end is None else ORDERED + end)


def settle(receipts: list[Receipt], coupons: list[CouponUse] | None = None, *codes: str) -> Attribution | None:
    """Where the order belongs."""
    return attribute(ORDERED, codes, receipts, coupons or [], attribution_days=DAYS)


def test_the_last_message_in_its_window_gets_the_order() -> None:
    """Of two messages the later one counts, whichever was sent first."""
    found = settle([receipt(timedelta(days=1), send=7), receipt(timedelta(days=3), send=9)])
    assert found == Attribution(AttributedBy.WINDOW, 1, "enr-1", 7)


@pytest.mark.parametrize(
    ("ago", "belongs"),
    [
        (timedelta(days=5), True),
        (timedelta(days=5, microseconds=1), False),
        (timedelta(0), True),
        (timedelta(microseconds=-1), False),
    ],
)
def test_the_window_is_so_many_times_24_hours_from_the_receipt(ago: timedelta, belongs: bool) -> None:  # noqa: FBT001 - a table
    """Both ends count; a message that comes after the order does not."""
    assert (settle([receipt(ago)]) is not None) == belongs


def test_each_passage_has_its_versions_own_window() -> None:
    """A later message whose window has passed leaves the order to an earlier one with a longer window."""
    found = settle([receipt(timedelta(days=3), journey=2, send=8), receipt(timedelta(days=4), journey=1, send=3)])
    assert found == Attribution(AttributedBy.WINDOW, 1, "enr-1", 3)


def test_a_message_beats_a_coupon() -> None:
    """The code decides only where no message does."""
    found = settle([receipt(timedelta(days=1), send=4)], [coupon(journey=2)], "BACK10")
    assert found == Attribution(AttributedBy.WINDOW, 1, "enr-1", 4)


def test_a_coupon_counts_in_any_case_of_letters() -> None:
    """`back10` at the checkout is BACK10."""
    found = settle([receipt(timedelta(days=6))], [coupon(journey=2)], "SUMMER", " back10 ")
    assert found == Attribution(AttributedBy.COUPON, 2, "enr-2", None)


@pytest.mark.parametrize(
    ("start", "end", "belongs"),
    [
        (timedelta(0), timedelta(0), True),
        (timedelta(microseconds=-1), None, False),
        (timedelta(days=9), timedelta(microseconds=-1), False),
        (timedelta(days=900), None, True),
    ],
)
def test_a_coupon_counts_while_it_is_valid(start: timedelta, end: timedelta | None, belongs: bool) -> None:  # noqa: FBT001 - a table
    """From its first valid moment to its last, and for ever where it does not expire."""
    assert (settle([], [coupon(start=start, end=end)], "BACK10") is not None) == belongs


def test_of_two_coupons_the_newer_counts() -> None:
    """The later start of validity decides."""
    old, new = coupon("OLD1A", journey=1), coupon("NEW1A", journey=2, start=timedelta(days=1))
    found = settle([], [new, old], "OLD1A", "NEW1A")
    assert found is not None
    assert found.journey_id == 2


def test_another_code_or_none_belongs_to_nobody() -> None:
    """An order that nothing ties to us is not ours."""
    assert settle([], [coupon()], "OTHER") is None
    assert settle([], [coupon()]) is None
    assert settle([]) is None


def test_a_passage_without_a_window_is_a_callers_error() -> None:
    """No window is guessed."""
    with pytest.raises(KeyError):
        settle([receipt(timedelta(days=1), journey=99)])


@given(st.permutations([receipt(timedelta(hours=h), send=h, journey=1 + h % 2) for h in range(0, 150, 13)]))
def test_the_order_of_the_receipts_does_not_matter(receipts: list[Receipt]) -> None:
    """Webhooks come in any order, the answer is one."""
    assert settle(receipts) == Attribution(AttributedBy.WINDOW, 1, "enr-1", 0)


@given(st.lists(st.builds(receipt, st.timedeltas(-timedelta(days=9), timedelta(days=9)), send=st.integers(0, 9))))
def test_no_later_message_in_the_window_exists(receipts: list[Receipt]) -> None:
    """Whatever was received, the winner is the latest that the window admits."""
    inside = [r for r in receipts if timedelta(0) <= ORDERED - r.received_at <= timedelta(days=5)]
    found = settle(receipts)
    assert (found is None) == (not inside)
    if found is not None:
        latest = max(r.received_at for r in inside)
        assert found.send_id in {r.send_id for r in inside if r.received_at == latest}


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (Order(), True),
        (Order(financial_status=None), True),
        (Order(financial_status="PARTIALLY_REFUNDED"), True),
        (Order(financial_status="REFUNDED"), False),
        (Order(financial_status="refunded"), False),
        (Order(financial_status="voided"), False),
        (Order(test=True), False),
        (Order(cancelled_at=ORDERED), False),
        (Order(total_minor=100), True),
        (Order(total_minor=0), False),
        (Order(original_minor=0, total_minor=0), True),
        (Order(original_minor=None, total_minor=0), True),
    ],
)
def test_tests_cancellations_and_refunds_do_not_count(order: Order, expected: bool) -> None:  # noqa: FBT001 - a table
    """Only a sale that stood counts."""
    assert counts(order) is expected
