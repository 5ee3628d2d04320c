"""Who entered, where they are, and how it ended; and who was held out."""

from sqlalchemy import ColumnElement, String, and_, case, func, or_, type_coerce

from models.enums import EnrollmentState, ExitReason, HoldReason
from storage.statistics.facts import Fact, Source, computed_once
from storage.statistics.messages import reached
from storage.statistics.scope import Scope
from storage.statistics.tables import ENROLLMENTS, ORDERS, SENDS, Query, pick

ELSEWHERE = "purchased_elsewhere"
"""What `purchased` is called where no order is attributed to the passage that it ended."""

RUNNING = tuple(state for state in EnrollmentState if state not in {EnrollmentState.CLOSED, EnrollmentState.CONTROL})
EXITS = tuple(
    word
    for reason in ExitReason
    for word in ((reason.value, ELSEWHERE) if reason is ExitReason.PURCHASED else (reason.value,))
)
"""How a passage may end, purchases split by attribution."""

EXITED = (ExitReason.UNSUBSCRIBED.value, ExitReason.ENTERED_PRIORITY_JOURNEY.value, ELSEWHERE)
"""The ends that count as `exited`."""


def passages(scope: Scope) -> Source:
    """The passages that entered in the period, and those of the control group."""
    bought, last = _bought(scope).subquery("bought"), _last_messages(scope).subquery("last")
    closed = ENROLLMENTS.c.state == EnrollmentState.CLOSED
    over = case((closed, func.coalesce(ENROLLMENTS.c.closed_at, ENROLLMENTS.c.entered_at)))
    completed_at = func.coalesce(
        last.c.at, bought.c.at, case((ENROLLMENTS.c.exit_reason == ExitReason.COMPLETED, over))
    )
    rows = computed_once(
        pick(
            ENROLLMENTS.c.id,
            ENROLLMENTS.c.customer_id,
            ENROLLMENTS.c.version_id,
            ENROLLMENTS.c.control,
            ENROLLMENTS.c.state,
            ENROLLMENTS.c.stage,
            ENROLLMENTS.c.hold_reason,
            ENROLLMENTS.c.entered_at,
            over.label("over_at"),
            _exit_word(bought.c.id).label("exit"),
            bought.c.at.label("bought_at"),
            completed_at.label("completed_at"),
        )
        .select_from(ENROLLMENTS)
        .join(bought, bought.c.id == ENROLLMENTS.c.id, isouter=True)
        .join(last, last.c.id == ENROLLMENTS.c.id, isouter=True)
        .where(ENROLLMENTS.c.journey_id == scope.journey_id, *scope.period.holds(ENROLLMENTS.c.entered_at)),
        "passage_facts",
    )
    row = rows.c
    entrant = ~row.control
    facts = {
        "started": Fact(entrant, row.entered_at),
        "exited": Fact(and_(entrant, row.exit.in_(EXITED)), row.over_at),
        **{f"exited:{word}": Fact(and_(entrant, row.exit == word), row.over_at) for word in EXITED},
        "purchased": Fact(and_(entrant, row.bought_at.is_not(None)), row.bought_at),
        "completed": Fact(and_(entrant, row.completed_at.is_not(None)), row.completed_at),
        **{f"state:{state}": Fact(and_(entrant, row.state == state), row.entered_at) for state in RUNNING},
        "closed": Fact(and_(entrant, row.exit.is_not(None)), row.over_at),
        **{f"closed:{word}": Fact(and_(entrant, row.exit == word), row.over_at) for word in EXITS},
        **{
            f"holding:{reason}": Fact(
                and_(entrant, row.state == EnrollmentState.HOLDING, row.hold_reason == reason), row.entered_at
            )
            for reason in HoldReason
        },
        "control": Fact(row.control, row.entered_at),
    }
    shown = {
        "enrollment_id": row.id,
        "stage": case((scope.has_stage(row.version_id, row.stage), row.stage)),
        "state": row.state,
        "reason": func.coalesce(row.exit, type_coerce(row.hold_reason, String)),
    }
    return Source(rows, facts, shown)


def _bought(scope: Scope) -> Query:
    """The passages to which an order is attributed, and when the first of those within the passage was placed."""
    within = and_(
        ENROLLMENTS.c.entered_at <= ORDERS.c.ordered_at,
        or_(ENROLLMENTS.c.closed_at.is_(None), ORDERS.c.ordered_at <= ENROLLMENTS.c.closed_at),
    )
    return (
        pick(
            ENROLLMENTS.c.id,
            func.min(case((within, ORDERS.c.ordered_at))).label("at"),
        )
        .select_from(ENROLLMENTS)
        .join(ORDERS, ORDERS.c.attributed_enrollment_id == ENROLLMENTS.c.id)
        .where(ORDERS.c.attributed_journey_id == scope.journey_id)
        .group_by(ENROLLMENTS.c.id)
    )


def _last_messages(scope: Scope) -> Query:
    """The passages whose version's last message was accepted, and when."""
    return (
        pick(ENROLLMENTS.c.id, func.min(func.coalesce(SENDS.c.settled_at, SENDS.c.received_at)).label("at"))
        .select_from(ENROLLMENTS)
        .join(SENDS, SENDS.c.enrollment_id == ENROLLMENTS.c.id)
        .where(
            SENDS.c.journey_id == scope.journey_id,
            reached(),
            scope.last_stage(ENROLLMENTS.c.version_id, SENDS.c.stage),
        )
        .group_by(ENROLLMENTS.c.id)
    )


def _exit_word(attributed: ColumnElement[str]) -> ColumnElement[str | None]:
    """How a passage ended; null while it runs."""
    closed = ENROLLMENTS.c.state == EnrollmentState.CLOSED
    word = type_coerce(func.coalesce(ENROLLMENTS.c.exit_reason, ExitReason.FAILED), String)
    elsewhere = and_(ENROLLMENTS.c.exit_reason == ExitReason.PURCHASED, attributed.is_(None))
    return case((and_(closed, elsewhere), ELSEWHERE), (closed, word))
