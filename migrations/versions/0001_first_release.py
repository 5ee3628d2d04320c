"""The tables of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 - a first schema is one long list
    op.create_table(
        "store",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("slug", sa.String(63), nullable=False),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("default_region", sa.String(2), nullable=True),
        sa.Column("salt_secret", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("slug"),
    )
    op.create_table(
        "number",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("phone_number_id", sa.String(64), nullable=False),
        sa.Column("waba_id", sa.String(64), nullable=False),
        sa.Column("portfolio_id", sa.String(64), nullable=True),
        sa.Column("token_secret", sa.String(), nullable=False),
        sa.Column("app_secret", sa.String(), nullable=False),
        sa.Column("verify_token_secret", sa.String(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=True),
        sa.Column("paused_reason", sa.String(), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("credential_ok", sa.Boolean(), nullable=False),
        sa.Column("quality", sa.String(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("phone_number_id"),
    )
    op.create_index("ix_number_store_id", "number", ["store_id"], unique=False)
    op.create_index("ix_number_waba_id", "number", ["waba_id"], unique=False)
    op.create_table(
        "shop",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("domain", sa.String(255), nullable=False),
        sa.Column("token_secret", sa.String(), nullable=False),
        sa.Column("webhook_secrets", sa.JSON(), nullable=False),
        sa.Column("endpoint", sa.String(), nullable=True),
        sa.Column("credential_ok", sa.Boolean(), nullable=False),
        sa.Column("sees_all_orders", sa.Boolean(), nullable=True),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("domain"),
        sa.UniqueConstraint("store_id"),
    )
    op.create_table(
        "template",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("waba_id", sa.String(64), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("language", sa.String(15), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("category", sa.String(), nullable=True),
        sa.Column("named_variables", sa.Boolean(), nullable=False),
        sa.Column("variables", sa.JSON(), nullable=False),
        sa.Column("copy_code_index", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("waba_id", "name", "language"),
    )
    op.create_table(
        "customer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("external_id", sa.String(64), nullable=True),
        sa.Column("phone", sa.String(20), nullable=True),
        sa.Column("phone_synthetic", sa.Boolean(), nullable=False),
        sa.Column("wa_user_id", sa.String(128), nullable=True),
        sa.Column("first_name", sa.String(), nullable=True),
        sa.Column("language", sa.String(15), nullable=True),
        sa.Column("time_zone", sa.String(64), nullable=True),
        sa.Column("consent", sa.String(40), nullable=False),
        sa.Column("consent_source", sa.String(), nullable=True),
        sa.Column("consent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("opt_out_source", sa.String(), nullable=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_order_external_id", sa.String(64), nullable=True),
        sa.Column("last_order_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_order_minor", sa.BigInteger(), nullable=True),
        sa.Column("last_order_currency", sa.String(3), nullable=True),
        sa.Column("last_inbound_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("store_id", "external_id"),
    )
    op.create_index("customer_phone", "customer", ["store_id", "phone"], unique=True)
    op.create_index("customer_wa_user", "customer", ["store_id", "wa_user_id"], unique=True)
    op.create_table(
        "conversation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("number_id", sa.Integer(), sa.ForeignKey("number.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("board_column", sa.String(), nullable=True),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.UniqueConstraint("number_id", "customer_id"),
    )
    op.create_index("ix_conversation_customer_id", "conversation", ["customer_id"], unique=False)
    op.create_table(
        "chat_message",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("conversation_id", sa.Integer(), sa.ForeignKey("conversation.id"), nullable=False),
        sa.Column("wamid", sa.String(255), nullable=True),
        sa.Column("inbound", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("text", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt_id", sa.String(80), nullable=True),
        sa.UniqueConstraint("wamid"),
    )
    op.create_index("ix_chat_message_conversation_id", "chat_message", ["conversation_id"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("phone_hash", sa.String(64), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("store_id", "phone_hash"),
    )
    op.create_table(
        "journey",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("state_reason", sa.String(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("store_id", "name"),
    )
    op.create_table(
        "journey_version",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(64), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("journey_id", "number"),
    )
    op.create_table(
        "launch",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id"), nullable=False),
        sa.Column("entrant_limit", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("considered", sa.Integer(), nullable=False),
        sa.Column("decided", sa.Integer(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("error", sa.String(), nullable=True),
    )
    op.create_index("ix_launch_journey_id", "launch", ["journey_id"], unique=False)
    op.create_table(
        "launch_candidate",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("launch_id", sa.Integer(), sa.ForeignKey("launch.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=True),
        sa.Column("day", sa.Date(), nullable=True),
        sa.UniqueConstraint("launch_id", "customer_id"),
    )
    op.create_table(
        "entry_decision",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("seen", sa.String(), nullable=False),
        sa.Column("threshold", sa.String(), nullable=False),
    )
    op.create_index("entry_decision_latest", "entry_decision", ["journey_id", "customer_id", "id"], unique=False)
    op.create_index("ix_entry_decision_customer_id", "entry_decision", ["customer_id"], unique=False)
    op.create_table(
        "paced",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id"), nullable=False),
        sa.Column("launch_id", sa.Integer(), sa.ForeignKey("launch.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.UniqueConstraint("journey_id", "customer_id"),
    )
    op.create_index("paced_day", "paced", ["journey_id", "day"], unique=False)
    op.create_table(
        "unmatched_status",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("wamid", sa.String(255), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_unmatched_status_wamid", "unmatched_status", ["wamid"], unique=False)
    op.create_table(
        "webhook_update",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=True),
        sa.Column("topic", sa.String(80), nullable=False),
        sa.Column("delivery_key", sa.String(128), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("source", "delivery_key"),
    )
    op.create_index("ix_webhook_update_received_at", "webhook_update", ["received_at"], unique=False)
    op.create_table(
        "applied_piece",
        sa.Column("key", sa.String(300), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_applied_piece_at", "applied_piece", ["at"], unique=False)
    op.create_table(
        "signal_intent",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("enrollment_id", sa.String(40), nullable=True),
        sa.Column("broadcast_key", sa.String(700), nullable=True),
        sa.Column("signal", sa.String(40), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(40), nullable=True),
    )
    op.create_index("ix_signal_intent_enrollment_id", "signal_intent", ["enrollment_id"], unique=False)
    op.create_index(
        "signal_intent_pending",
        "signal_intent",
        ["next_try_at"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "customer_order",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("external_id", sa.String(64), nullable=False),
        sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("financial_status", sa.String(), nullable=True),
        sa.Column("discount_codes", sa.JSON(), nullable=False),
        sa.Column("attributed_by", sa.String(40), nullable=True),
        sa.Column("attributed_journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=True),
        sa.Column("attributed_enrollment_id", sa.String(40), nullable=True),
        sa.Column("attributed_send_id", sa.Integer(), nullable=True),
        sa.UniqueConstraint("store_id", "external_id"),
    )
    op.create_index(
        "ix_customer_order_attributed_enrollment_id", "customer_order", ["attributed_enrollment_id"], unique=False
    )
    op.create_index(
        "ix_customer_order_attributed_journey_id", "customer_order", ["attributed_journey_id"], unique=False
    )
    op.create_index("ix_customer_order_customer_id", "customer_order", ["customer_id"], unique=False)
    op.create_index("ix_customer_order_ordered_at", "customer_order", ["ordered_at"], unique=False)
    op.create_table(
        "customer_event",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("exit_reason", sa.String(40), nullable=True),
        sa.Column("enrollment_id", sa.String(40), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("dedupe_key", sa.String(200), nullable=False),
        sa.Column("order_id", sa.Integer(), sa.ForeignKey("customer_order.id"), nullable=True),
        sa.UniqueConstraint("store_id", "dedupe_key"),
    )
    op.create_index("customer_event_since", "customer_event", ["customer_id", "received_at"], unique=False)
    op.create_table(
        "enrollment",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("version_id", sa.Integer(), sa.ForeignKey("journey_version.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("launch_id", sa.Integer(), sa.ForeignKey("launch.id"), nullable=True),
        sa.Column("entry_key", sa.String(128), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("selected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("after_event_id", sa.Integer(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hold_reason", sa.String(40), nullable=True),
        sa.Column("hold_key", sa.String(700), nullable=True),
        sa.Column("exit_reason", sa.String(40), nullable=True),
        sa.Column("exit_event_id", sa.Integer(), sa.ForeignKey("customer_event.id"), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("horizon_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("journey_id", "customer_id", "entry_key"),
    )
    op.create_index("enrollment_by_state", "enrollment", ["journey_id", "state"], unique=False)
    op.create_index("enrollment_held_for", "enrollment", ["hold_key"], unique=False)
    op.create_index(
        "enrollment_one_open",
        "enrollment",
        ["store_id", "customer_id"],
        unique=True,
        sqlite_where=sa.text("state != 'closed'"),
        postgresql_where=sa.text("state != 'closed'"),
    )
    op.create_index("ix_enrollment_customer_id", "enrollment", ["customer_id"], unique=False)
    op.create_index("ix_enrollment_launch_id", "enrollment", ["launch_id"], unique=False)
    op.create_table(
        "timeline_entry",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("enrollment_id", sa.String(40), sa.ForeignKey("enrollment.id"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=True),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(60), nullable=True),
    )
    op.create_index("ix_timeline_entry_enrollment_id", "timeline_entry", ["enrollment_id"], unique=False)
    op.create_table(
        "coupon_issue",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("enrollment_id", sa.String(40), sa.ForeignKey("enrollment.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("enrollment_id"),
    )
    op.create_index("ix_coupon_issue_code", "coupon_issue", ["code"], unique=False)
    op.create_index("ix_coupon_issue_customer_id", "coupon_issue", ["customer_id"], unique=False)
    op.create_table(
        "send",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("enrollment_id", sa.String(40), sa.ForeignKey("enrollment.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("stage", sa.Integer(), nullable=False),
        sa.Column("occurrence", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("template_name", sa.String(512), nullable=True),
        sa.Column("template_language", sa.String(15), nullable=True),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("coupon_code", sa.String(40), nullable=True),
        sa.Column("free_text", sa.Text(), nullable=True),
        sa.Column("written_by", sa.String(80), nullable=True),
        sa.Column("prompt_version", sa.String(40), nullable=True),
        sa.Column("skip_reason", sa.String(40), nullable=True),
        sa.Column("declined", sa.Integer(), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("enrollment_id", "stage", "occurrence"),
    )
    op.create_index("ix_send_customer_id", "send", ["customer_id"], unique=False)
    op.create_table(
        "send_attempt",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("send_id", sa.Integer(), sa.ForeignKey("send.id"), nullable=False),
        sa.Column("number_id", sa.Integer(), sa.ForeignKey("number.id"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(40), nullable=False),
        sa.Column("wamid", sa.String(255), nullable=True),
        sa.Column("used_template", sa.Boolean(), nullable=False),
        sa.Column("error_code", sa.Integer(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.UniqueConstraint("wamid"),
    )
    op.create_index("ix_send_attempt_send_id", "send_attempt", ["send_id"], unique=False)
    op.create_table(
        "model_call",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("send_id", sa.Integer(), sa.ForeignKey("send.id"), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("prompt_version", sa.String(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.String(80), nullable=False),
    )
    op.create_index("ix_model_call_send_id", "model_call", ["send_id"], unique=False)


def downgrade() -> None:
    op.drop_table("model_call")
    op.drop_table("send_attempt")
    op.drop_table("send")
    op.drop_table("coupon_issue")
    op.drop_table("timeline_entry")
    op.drop_table("enrollment")
    op.drop_table("customer_event")
    op.drop_table("customer_order")
    op.drop_table("signal_intent")
    op.drop_table("applied_piece")
    op.drop_table("webhook_update")
    op.drop_table("unmatched_status")
    op.drop_table("paced")
    op.drop_table("entry_decision")
    op.drop_table("launch_candidate")
    op.drop_table("launch")
    op.drop_table("journey_version")
    op.drop_table("journey")
    op.drop_table("suppression")
    op.drop_table("chat_message")
    op.drop_table("conversation")
    op.drop_table("customer")
    op.drop_table("template")
    op.drop_table("shop")
    op.drop_table("number")
    op.drop_table("store")
