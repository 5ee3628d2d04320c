"""Conversations with columns and silences, carts, refunds, API keys, and the facts behind an opt-out.

Columns are added one by one and never by rebuilding a table: on SQLite a rebuilt table would take its referring rows
along. A column that refers to another table is written as plain SQL, which both databases understand alike.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_AWARE = sa.DateTime(timezone=True)
_PENDING = sa.text("settled_at IS NULL")


def upgrade() -> None:
    _merchants()
    _people()
    _conversations()
    _money()
    _journeys()
    _promises_to_others()


def _merchants() -> None:
    op.add_column("store", sa.Column("stop_words", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
    for column in (
        sa.Column("display_phone", sa.String(20), nullable=True),
        sa.Column("daily_limit", sa.Integer(), nullable=True),
        sa.Column("limit_at", _AWARE, nullable=True),
        sa.Column("quality_at", _AWARE, nullable=True),
        sa.Column("account_event_at", _AWARE, nullable=True),
    ):
        op.add_column("number", column)
    for name in ("orders_cursor", "reconciled_at", "uninstalled_at"):
        op.add_column("shop", sa.Column(name, _AWARE, nullable=True))
    op.add_column("template", sa.Column("quality", sa.String(20), nullable=True))
    for name in ("quality_at", "category_at"):
        op.add_column("template", sa.Column(name, _AWARE, nullable=True))
    op.create_table(
        "api_key",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("role", sa.String(40), nullable=False),
        sa.Column("prefix", sa.String(24), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("created_at", _AWARE, nullable=False),
        sa.Column("last_used_at", _AWARE, nullable=True),
        sa.Column("revoked_at", _AWARE, nullable=True),
        sa.UniqueConstraint("prefix"),
        sa.UniqueConstraint("key_hash"),
    )
    op.create_index("ix_api_key_store_id", "api_key", ["store_id"], unique=False)


def _people() -> None:
    for column in (
        sa.Column("stopped_at", _AWARE, nullable=True),
        sa.Column("stopped_source", sa.String(40), nullable=True),
        sa.Column("meta_stop_at", _AWARE, nullable=True),
        sa.Column("meta_resume_at", _AWARE, nullable=True),
        sa.Column("shop_updated_at", _AWARE, nullable=True),
    ):
        op.add_column("customer", column)
    # What was known of an opt-out, told apart by who was asked to stop: us, or Meta.
    at_meta = "('whatsapp_preference', 'whatsapp_refusal')"
    op.execute(
        "UPDATE customer SET stopped_at = opted_out_at, stopped_source = opt_out_source"  # noqa: S608 - constants
        f" WHERE opted_out_at IS NOT NULL AND (opt_out_source IS NULL OR opt_out_source NOT IN {at_meta})"
    )
    op.execute(
        "UPDATE customer SET meta_stop_at = opted_out_at"  # noqa: S608 - constants
        f" WHERE opted_out_at IS NOT NULL AND opt_out_source IN {at_meta}"
    )
    op.execute("ALTER TABLE customer ADD COLUMN merged_into_id INTEGER REFERENCES customer (id)")
    op.create_index("ix_customer_merged_into_id", "customer", ["merged_into_id"], unique=False)


def _conversations() -> None:
    for column in (
        sa.Column("open_at", _AWARE, nullable=True),
        sa.Column("column_at", _AWARE, nullable=True),
        sa.Column("context_at", _AWARE, nullable=True),
        sa.Column("last_spoken_at", _AWARE, nullable=True),
        sa.Column("last_spoken_key", sa.String(40), nullable=True),
        sa.Column("silent_since", _AWARE, nullable=True),
    ):
        op.add_column("conversation", column)
    op.create_index("conversation_silent", "conversation", ["store_id", "silent_since"], unique=False)
    op.create_table(
        "conversation_ref",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("external_id", sa.String(200), nullable=False),
        sa.Column("conversation_id", sa.Integer(), sa.ForeignKey("conversation.id"), nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=True),
        sa.Column("open_at", _AWARE, nullable=True),
        sa.Column("board_column", sa.String(80), nullable=True),
        sa.Column("column_at", _AWARE, nullable=True),
        sa.Column("context", sa.JSON(), nullable=True),
        sa.Column("context_at", _AWARE, nullable=True),
        sa.UniqueConstraint("store_id", "external_id"),
    )
    op.create_index("ix_conversation_ref_conversation_id", "conversation_ref", ["conversation_id"], unique=False)
    op.add_column("chat_message", sa.Column("external_id", sa.String(200), nullable=True))
    op.add_column("chat_message", sa.Column("author", sa.String(40), nullable=False, server_default="customer"))
    op.execute("UPDATE chat_message SET author = 'journey' WHERE inbound = false")
    op.create_index("chat_message_external", "chat_message", ["conversation_id", "external_id"], unique=True)
    op.create_index("chat_message_latest", "chat_message", ["conversation_id", "at"], unique=False)


def _money() -> None:
    op.add_column("customer_order", sa.Column("current_minor", sa.BigInteger(), nullable=True))
    op.add_column("customer_order", sa.Column("original_minor", sa.BigInteger(), nullable=True))
    op.add_column("customer_order", sa.Column("checkout_token", sa.String(128), nullable=True))
    op.create_table(
        "refund",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("external_id", sa.String(64), nullable=False),
        sa.Column("order_external_id", sa.String(64), nullable=False),
        sa.Column("minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("at", _AWARE, nullable=False),
        sa.UniqueConstraint("store_id", "external_id"),
    )
    op.create_index("refund_of_order", "refund", ["store_id", "order_external_id"], unique=False)
    op.create_table(
        "checkout",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=True),
        sa.Column("token", sa.String(128), nullable=False),
        sa.Column("external_id", sa.String(64), nullable=True),
        sa.Column("created_at", _AWARE, nullable=False),
        sa.Column("updated_at", _AWARE, nullable=False),
        sa.Column("completed_at", _AWARE, nullable=True),
        sa.Column("deleted_at", _AWARE, nullable=True),
        sa.Column("idle_since", _AWARE, nullable=True),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("items", sa.JSON(), nullable=False),
        sa.UniqueConstraint("store_id", "token"),
    )
    op.create_index("ix_checkout_customer_id", "checkout", ["customer_id"], unique=False)
    op.create_index("checkout_external", "checkout", ["store_id", "external_id"], unique=False)
    op.create_index("checkout_idle", "checkout", ["store_id", "idle_since"], unique=False)


def _journeys() -> None:
    op.create_table(
        "journey_watch",
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("since", _AWARE, nullable=True),
        sa.Column("next_at", _AWARE, nullable=True),
        sa.Column("answered_until", _AWARE, nullable=True),
    )
    op.create_index("ix_journey_watch_store_id", "journey_watch", ["store_id"], unique=False)
    op.create_table(
        "watch_answer",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("conversation_id", sa.Integer(), nullable=True),
        sa.Column("checkout_id", sa.Integer(), nullable=True),
        sa.Column("since", _AWARE, nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("again_at", _AWARE, nullable=True),
        sa.UniqueConstraint("journey_id", "conversation_id"),
        sa.UniqueConstraint("journey_id", "checkout_id"),
    )
    for name in ("conversation_id", "checkout_id"):
        op.create_index(f"ix_watch_answer_{name}", "watch_answer", [name], unique=False)
    for name, column in (("again", "again_at"), ("outcome", "outcome")):
        op.create_index(f"watch_answer_{name}", "watch_answer", ["journey_id", column], unique=False)
    for name in ("conversation", "checkout"):
        op.execute(f"ALTER TABLE enrollment ADD COLUMN {name}_id INTEGER REFERENCES {name} (id)")
        op.create_index(f"ix_enrollment_{name}_id", "enrollment", [f"{name}_id"], unique=False)
    op.add_column("customer_event", sa.Column("detail", sa.String(80), nullable=True))


def _promises_to_others() -> None:
    op.create_table(
        "external_journey",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("entered_at", _AWARE, nullable=False),
        sa.Column("until", _AWARE, nullable=False),
        sa.UniqueConstraint("store_id", "customer_id", "name"),
    )
    op.create_index("ix_external_journey_customer_id", "external_journey", ["customer_id"], unique=False)
    op.create_table(
        "consent_write_back",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("next_try_at", _AWARE, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("settled_at", _AWARE, nullable=True),
        sa.Column("outcome", sa.String(80), nullable=True),
    )
    op.create_index("ix_consent_write_back_customer_id", "consent_write_back", ["customer_id"], unique=False)
    op.create_index(
        "consent_write_back_pending",
        "consent_write_back",
        ["store_id", "next_try_at"],
        unique=False,
        sqlite_where=_PENDING,
        postgresql_where=_PENDING,
    )
    op.create_table(
        "privacy_request",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("dedupe_key", sa.String(200), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=True),
        sa.Column("received_at", _AWARE, nullable=False),
        sa.Column("fulfilled_at", _AWARE, nullable=True),
        sa.UniqueConstraint("store_id", "dedupe_key"),
    )


def downgrade() -> None:
    raise NotImplementedError("what these tables keep cannot be given back; restore the copy made before the upgrade")
