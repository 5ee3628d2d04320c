"""Results and answers: the holdout's arm on record, always-on win-backs, exchange rates.

Columns are added one by one and never by rebuilding a table (see 0003).
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_AWARE = sa.DateTime(timezone=True)


def upgrade() -> None:
    _arms()
    _selections()
    _rates()


def _arms() -> None:
    """The arm outlives the state `control`; of those that are over, what was decided at their selection tells.

    A decision was written down only where it differed from the one before, so that of somebody's second passage as
    control is the first one's. Findings of a daily review had none: their review says it.
    """
    op.add_column("enrollment", sa.Column("control", sa.Boolean(), nullable=False, server_default=sa.false()))
    enrollment = sa.table(
        "enrollment",
        sa.column("id"),
        sa.column("journey_id"),
        sa.column("customer_id"),
        sa.column("analysis_id"),
        sa.column("state"),
        sa.column("selected_at"),
        sa.column("control", sa.Boolean()),
    )
    decision = sa.table(
        "entry_decision",
        sa.column("id"),
        sa.column("journey_id"),
        sa.column("customer_id"),
        sa.column("at"),
        sa.column("outcome"),
    )
    review = sa.table("review", sa.column("analysis_id"), sa.column("outcome"))
    send = sa.table("send", sa.column("enrollment_id"))
    decided = (
        sa.select(decision.c.outcome)
        .where(
            decision.c.journey_id == enrollment.c.journey_id,
            decision.c.customer_id == enrollment.c.customer_id,
            decision.c.at <= enrollment.c.selected_at,
        )
        .order_by(decision.c.at.desc(), decision.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    reviewed = sa.exists().where(review.c.analysis_id == enrollment.c.analysis_id, review.c.outcome == "control")
    written_to = sa.exists().where(send.c.enrollment_id == enrollment.c.id)
    drawn = sa.and_(sa.or_(decided == "control", reviewed), ~written_to)
    op.execute(sa.update(enrollment).where(sa.or_(enrollment.c.state == "control", drawn)).values(control=sa.true()))
    op.create_index(
        "enrollment_starting",
        "enrollment",
        ["journey_id", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'starting'"),
        postgresql_where=sa.text("state = 'starting'"),
    )
    op.add_column("paced", sa.Column("control", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("paced_place", "paced", ["journey_id", "control", "day", "id"], unique=False)
    op.add_column("launch_candidate", sa.Column("place", sa.Integer(), nullable=True))


def _selections() -> None:
    op.create_table(
        "daily_selection",
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("at", sa.String(5), nullable=False),
        sa.Column("entrant_limit", sa.Integer(), nullable=True),
        sa.Column("only_new", sa.Boolean(), nullable=False),
        sa.Column("since", _AWARE, nullable=False),
        sa.Column("ended_at", _AWARE, nullable=True),
    )
    op.create_index("ix_daily_selection_store_id", "daily_selection", ["store_id"], unique=False)
    op.add_column("launch", sa.Column("day", sa.Date(), nullable=True))
    op.add_column("launch", sa.Column("account", sa.JSON(), nullable=True))
    op.create_index("launch_of_day", "launch", ["journey_id", "day"], unique=True)
    op.add_column("journey", sa.Column("state_since", _AWARE, nullable=True))
    op.create_index(
        "launch_candidate_outcome", "launch_candidate", ["launch_id", "outcome", "customer_id"], unique=False
    )
    op.create_index("entry_decision_age", "entry_decision", ["store_id", "at"], unique=False)
    op.add_column("entry_decision", sa.Column("basis", sa.String(), nullable=True))


def _rates() -> None:
    op.create_table(
        "exchange_rate",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("usd", sa.String(40), nullable=False),
        sa.UniqueConstraint("store_id", "currency", "day"),
    )
