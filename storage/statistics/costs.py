"""The credits that a journey was charged: its messages, and the calls of the model for it."""

from typing import Any

from sqlalchemy import CTE, union_all

from models.enums import CreditState
from storage.statistics.scope import Scope
from storage.statistics.tables import ANALYSES, CREDITS, ENROLLMENTS, SENDS, pick


def charges(scope: Scope) -> CTE:
    """The ledger's lines of the journey in the period, `amount` below zero; what was given back is not among them."""
    charged = (CREDITS.c.state != CreditState.RELEASED, *scope.period.holds(CREDITS.c.at))
    line: tuple[Any, ...] = (CREDITS.c.id, CREDITS.c.at, CREDITS.c.amount)
    of_messages = (
        pick(*line, ENROLLMENTS.c.version_id)
        .select_from(CREDITS)
        .join(SENDS, SENDS.c.id == CREDITS.c.send_id)
        .join(ENROLLMENTS, ENROLLMENTS.c.id == SENDS.c.enrollment_id)
        .where(SENDS.c.journey_id == scope.journey_id, *charged)
    )
    of_reviews = (
        pick(*line, ANALYSES.c.version_id)
        .select_from(CREDITS)
        .join(ANALYSES, ANALYSES.c.id == CREDITS.c.analysis_id)
        .where(ANALYSES.c.journey_id == scope.journey_id, *charged)
    )
    return union_all(of_messages, of_reviews).cte("charges")
