"""Which decisions count is asked of their version, and answered from the index that finds the newest."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Without the version in it a row would be read for each of a million decisions, in ten times the time."""
    op.drop_index("entry_decision_latest", table_name="entry_decision")
    op.create_index("entry_decision_latest", "entry_decision", ["journey_id", "customer_id", "id", "version_id"])
