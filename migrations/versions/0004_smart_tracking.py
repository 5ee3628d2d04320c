"""The daily review of conversations, and what a store's own systems are told of.

Columns are added one by one and never by rebuilding a table (see 0003).
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AWARE = sa.DateTime(timezone=True)


def upgrade() -> None:
    _tracking()
    _webhooks()


def _tracking() -> None:
    op.create_table(
        "tracking_run",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id"), nullable=False),
        sa.Column("run_key", sa.String(200), nullable=False),
        sa.Column("trigger", sa.String(40), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("stop_reason", sa.String(60), nullable=True),
        sa.Column("started_at", _AWARE, nullable=False),
        sa.Column("since", _AWARE, nullable=False),
        sa.Column("heard_since", _AWARE, nullable=True),
        sa.Column("read_window", sa.Boolean(), nullable=False),
        sa.Column("read_at", _AWARE, nullable=True),
        sa.Column("read_id", sa.Integer(), nullable=False),
        sa.Column("selected_at", _AWARE, nullable=True),
        sa.Column("finished_at", _AWARE, nullable=True),
        sa.UniqueConstraint("journey_id", "run_key"),
    )
    op.create_index("tracking_run_latest", "tracking_run", ["journey_id", "started_at"], unique=False)
    op.create_table(
        "conversation_analysis",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id"), nullable=False),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("tracking_run.id"), nullable=False),
        sa.Column("conversation_id", sa.Integer(), sa.ForeignKey("conversation.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("last_key", sa.String(40), nullable=False),
        sa.Column("wrote_at", _AWARE, nullable=False),
        sa.Column("asked_at", _AWARE, nullable=False),
        sa.Column("answered_at", _AWARE, nullable=True),
        sa.Column("failure", sa.String(80), nullable=True),
        sa.Column("model", sa.String(80), nullable=True),
        sa.Column("prompt_version", sa.String(40), nullable=True),
        sa.Column("intent", sa.String(40), nullable=True),
        sa.Column("sale", sa.String(40), nullable=True),
        sa.Column("asked_to_stop", sa.Boolean(), nullable=False),
        sa.Column("language", sa.String(15), nullable=True),
        sa.Column("product", sa.Text(), nullable=True),
        sa.Column("objection", sa.Text(), nullable=True),
        sa.Column("suggestion", sa.Text(), nullable=True),
        sa.Column("quote", sa.Text(), nullable=True),
        sa.Column("verified_at", _AWARE, nullable=True),
        sa.Column("order_found", sa.Boolean(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("enrollment_id", sa.String(40), nullable=True),
        sa.UniqueConstraint("conversation_id", "last_key"),
    )
    for column in ("run_id", "customer_id", "enrollment_id"):
        name = f"ix_conversation_analysis_{column}"
        op.create_index(name, "conversation_analysis", [column], unique=False)
    op.create_index("conversation_analysis_of_journey", "conversation_analysis", ["journey_id", "id"], unique=False)
    op.create_table(
        "review",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("run_id", sa.Integer(), sa.ForeignKey("tracking_run.id"), nullable=False),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("conversation_id", sa.Integer(), sa.ForeignKey("conversation.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("last_key", sa.String(40), nullable=False),
        sa.Column("wrote_at", _AWARE, nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(40), nullable=False),
        sa.Column("left_out", sa.String(40), nullable=True),
        sa.Column("seen", sa.String(), nullable=False),
        sa.Column("threshold", sa.String(), nullable=False),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("analysis_id", sa.Integer(), sa.ForeignKey("conversation_analysis.id"), nullable=True),
        sa.UniqueConstraint("run_id", "conversation_id"),
    )
    for column in ("conversation_id", "customer_id", "analysis_id"):
        op.create_index(f"ix_review_{column}", "review", [column], unique=False)
    op.create_index("review_outcome", "review", ["run_id", "outcome"], unique=False)
    op.create_index("review_position", "review", ["run_id", "position"], unique=False)
    op.create_index("review_age", "review", ["outcome", "at"], unique=False)
    op.create_table(
        "analysis_call",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("analysis_id", sa.Integer(), sa.ForeignKey("conversation_analysis.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("prompt_version", sa.String(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(80), nullable=False),
        sa.UniqueConstraint("analysis_id", "number"),
    )
    for table in ("enrollment", "credit_entry"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN analysis_id INTEGER REFERENCES conversation_analysis (id)")
        op.create_index(f"ix_{table}_analysis_id", table, ["analysis_id"], unique=False)
    for column in ("customer_wrote_at", "customer_heard_at"):
        op.add_column("conversation", sa.Column(column, _AWARE, nullable=True))
    newest = "(SELECT max(at) FROM chat_message WHERE conversation_id = conversation.id AND inbound)"
    op.execute(f"UPDATE conversation SET customer_wrote_at = {newest}")  # noqa: S608 - of constants only
    op.execute("UPDATE conversation SET customer_heard_at = customer_wrote_at")
    op.create_index("conversation_wrote", "conversation", ["store_id", "customer_wrote_at"], unique=False)
    op.add_column("store", sa.Column("analysis_credits", sa.Integer(), nullable=False, server_default=sa.text("1")))


def _webhooks() -> None:
    """Endpoints of a store's own systems, what they are told, and where its CRM is asked."""
    op.add_column("store", sa.Column("has_endpoints", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("store", sa.Column("crm_url", sa.String(500), nullable=True))
    op.add_column("store", sa.Column("crm_secret", sa.String(), nullable=True))
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("url", sa.String(500), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String(), nullable=True),
        sa.Column("old_secret_until", _AWARE, nullable=True),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("created_at", _AWARE, nullable=False),
        sa.Column("disabled_at", _AWARE, nullable=True),
        sa.Column("disabled_reason", sa.String(40), nullable=True),
        sa.Column("failing_since", _AWARE, nullable=True),
        sa.Column("last_delivered_at", _AWARE, nullable=True),
        sa.Column("removed_at", _AWARE, nullable=True),
    )
    op.create_index("ix_webhook_endpoint_store_id", "webhook_endpoint", ["store_id"], unique=False)
    op.create_table(
        "outgoing_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("key", sa.String(200), nullable=False),
        sa.Column("message_id", sa.String(40), nullable=False),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=True),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=True),
        sa.Column("enrollment_id", sa.String(40), sa.ForeignKey("enrollment.id"), nullable=True),
        sa.Column("send_id", sa.Integer(), sa.ForeignKey("send.id"), nullable=True),
        sa.Column("analysis_id", sa.Integer(), sa.ForeignKey("conversation_analysis.id"), nullable=True),
        sa.Column("store_event_id", sa.Integer(), sa.ForeignKey("store_event.id"), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.UniqueConstraint("store_id", "key"),
    )
    for column in ("at", "customer_id"):
        op.create_index(f"ix_outgoing_event_{column}", "outgoing_event", [column], unique=False)
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("event_id", sa.Integer(), sa.ForeignKey("outgoing_event.id"), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), sa.ForeignKey("webhook_endpoint.id"), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("made_at", _AWARE, nullable=False),
        sa.Column("first_try_at", _AWARE, nullable=True),
        sa.Column("last_try_at", _AWARE, nullable=True),
        sa.Column("next_try_at", _AWARE, nullable=True),
        sa.Column("settled_at", _AWARE, nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(40), nullable=True),
        sa.UniqueConstraint("event_id", "endpoint_id"),
    )
    op.create_index("ix_webhook_delivery_settled_at", "webhook_delivery", ["settled_at"], unique=False)
    op.create_index("webhook_delivery_of_endpoint", "webhook_delivery", ["endpoint_id", "id"], unique=False)
    op.create_index("webhook_delivery_of_store", "webhook_delivery", ["store_id", "state", "id"], unique=False)
