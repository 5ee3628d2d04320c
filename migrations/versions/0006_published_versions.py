"""Which versions new entrants get, and since when: a launch may be declined after its version was written down.

Columns are added one by one and never by rebuilding a table (see 0003).
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """All that were written down until now were given to new entrants, who get the newest from now on."""
    op.add_column("journey_version", sa.Column("published_at", sa.DateTime(timezone=True), nullable=True))
    version = sa.table(
        "journey_version", sa.column("id"), sa.column("journey_id"), sa.column("created_at"), sa.column("published_at")
    )
    op.execute(sa.update(version).values(published_at=version.c.created_at))
    paced = sa.table("paced", sa.column("journey_id"), sa.column("version_id"))
    launch = sa.table("launch", sa.column("journey_id"), sa.column("version_id"), sa.column("state"))
    op.execute(sa.update(paced).values(version_id=_newest(version, paced)))
    op.execute(sa.update(launch).where(launch.c.state == "waiting").values(version_id=_newest(version, launch)))


def _newest(version: sa.TableClause, table: sa.TableClause) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.max(version.c.id)).where(version.c.journey_id == table.c.journey_id).scalar_subquery()
