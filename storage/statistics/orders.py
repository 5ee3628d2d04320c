"""The orders that a journey is credited with, by what credits it: its message's window, or its coupon."""

from typing import Any

from sqlalchemy import ColumnElement, func, select

from models.enums import AttributedBy
from storage.statistics.facts import Fact, Source, computed_once, flag
from storage.statistics.messages import reached
from storage.statistics.scope import Scope
from storage.statistics.tables import COUPON_ISSUES, ENROLLMENTS, ORDERS, SENDS, Query, pick


def orders(scope: Scope) -> Source:
    """The period's orders that are attributed to the journey, whether their passages still run or not.

    `message_at` is when the last message before the order was accepted, `with_code` whether the order used the
    passage's coupon.
    """
    rows = computed_once(_orders(scope), "order_facts")
    row = rows.c
    everything = row.id.is_not(None)
    facts = {
        "orders": Fact(everything, row.ordered_at),
        **{f"orders:{word}": Fact(row.attributed_by == word, row.ordered_at) for word in AttributedBy},
        "orders:with_code": Fact(row.with_code == 1, row.ordered_at),
        "orders:after_message": Fact(row.message_at.is_not(None), row.ordered_at),
    }
    names = ("enrollment_id", "stage", "currency", "attributed_by")
    shown = {name: row[name] for name in names} | {"order_id": row.external_id, "minor": row.total_minor}
    return Source(rows, facts, shown)


def _orders(scope: Scope) -> Query:
    before, theirs = SENDS.alias(), SENDS.alias()
    message_at = (
        pick(func.max(before.c.settled_at))
        .where(before.c.enrollment_id == ENROLLMENTS.c.id, reached(before), before.c.settled_at <= ORDERS.c.ordered_at)
        .correlate(ENROLLMENTS, ORDERS)
        .scalar_subquery()
    )
    code = func.coalesce(func.lower(COUPON_ISSUES.c.code), scope.fixed_code(ENROLLMENTS.c.version_id))
    return (
        pick(
            ORDERS.c.id,
            ORDERS.c.customer_id,
            ENROLLMENTS.c.version_id,
            ORDERS.c.attributed_enrollment_id.label("enrollment_id"),
            theirs.c.stage,
            ORDERS.c.external_id,
            ORDERS.c.ordered_at,
            ORDERS.c.currency,
            ORDERS.c.total_minor,
            ORDERS.c.attributed_by,
            message_at.label("message_at"),
            flag(_used(scope, code)).label("with_code"),
        )
        .select_from(ORDERS)
        .join(ENROLLMENTS, ENROLLMENTS.c.id == ORDERS.c.attributed_enrollment_id)
        .join(COUPON_ISSUES, COUPON_ISSUES.c.enrollment_id == ENROLLMENTS.c.id, isouter=True)
        .join(theirs, theirs.c.id == ORDERS.c.attributed_send_id, isouter=True)
        .where(ORDERS.c.attributed_journey_id == scope.journey_id, *scope.period.holds(ORDERS.c.ordered_at))
    )


def _used(scope: Scope, code: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the code is among the order's; neither case nor blanks around it matter, as in `policies.attribution`."""
    values = func.json_each if scope.is_sqlite else func.json_array_elements_text
    codes = values(ORDERS.c.discount_codes).table_valued("value")
    return select(codes.c.value).where(func.lower(func.trim(codes.c.value)) == code).exists()
