"""What keeps a sender trusted: events for a store's people, number changes, limits, credits, holds and approvals.

Columns are added one by one and never by rebuilding a table: on SQLite a rebuilt table would take its referring rows
along. A column that refers to another table is written as plain SQL, which both databases understand alike.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_AWARE = sa.DateTime(timezone=True)


def upgrade() -> None:
    _store_events()


def _store_events() -> None:
    wanted = sa.text("mail_next_at IS NOT NULL")
    op.create_table(
        "store_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("dedupe_key", sa.String(200), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=True),
        sa.Column("number_id", sa.Integer(), sa.ForeignKey("number.id"), nullable=True),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("mail_next_at", _AWARE, nullable=True),
        sa.Column("mail_tries", sa.Integer(), nullable=False),
        sa.Column("mailed_at", _AWARE, nullable=True),
        sa.Column("mail_outcome", sa.String(120), nullable=True),
        sa.UniqueConstraint("store_id", "dedupe_key"),
    )
    op.create_index("ix_store_event_journey_id", "store_event", ["journey_id"], unique=False)
    op.create_index("store_event_latest", "store_event", ["store_id", "id"], unique=False)
    op.create_index(
        "store_event_mail",
        "store_event",
        ["store_id", "mail_next_at"],
        unique=False,
        sqlite_where=wanted,
        postgresql_where=wanted,
    )
