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
    _credits()
    _number_moves()
    _draft_revisions()
    _settled_by_staff()
    _reactions()
    _journey_states()
    _limits()


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


def _credits() -> None:
    op.add_column("store", sa.Column("credits", sa.Integer(), nullable=True))
    for name in ("message_credits", "generation_credits"):
        op.add_column("store", sa.Column(name, sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.create_table(
        "credit_entry",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("cause", sa.String(120), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("amount", sa.Integer(), nullable=False),
        sa.Column("send_id", sa.Integer(), sa.ForeignKey("send.id"), nullable=True),
        sa.Column("note", sa.String(200), nullable=True),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("settled_at", _AWARE, nullable=True),
        sa.UniqueConstraint("store_id", "cause"),
    )
    op.create_index("ix_credit_entry_send_id", "credit_entry", ["send_id"], unique=False)
    op.create_index("credit_entry_latest", "credit_entry", ["store_id", "id"], unique=False)
    reserved = sa.text("state = 'reserved'")
    op.create_index(
        "credit_entry_reserved",
        "credit_entry",
        ["store_id", "id"],
        unique=False,
        sqlite_where=reserved,
        postgresql_where=reserved,
    )


def _number_moves() -> None:
    op.create_table(
        "number_move",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=True),
        sa.Column("old_phone", sa.String(20), nullable=True),
        sa.Column("old_user_id", sa.String(128), nullable=True),
        sa.Column("new_phone", sa.String(20), nullable=True),
        sa.Column("new_user_id", sa.String(128), nullable=True),
        sa.Column("at", _AWARE, nullable=False),
    )
    op.create_index("number_move_phone", "number_move", ["store_id", "old_phone"], unique=False)
    op.create_index("number_move_user", "number_move", ["store_id", "old_user_id"], unique=False)
    for name in ("customer_id", "at"):
        op.create_index(f"ix_number_move_{name}", "number_move", [name], unique=False)
    # A status that waits for its message, and the number that it was reported for.
    op.execute("ALTER TABLE unmatched_status ADD COLUMN number_id INTEGER REFERENCES number (id)")


def _draft_revisions() -> None:
    op.add_column("send", sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("0")))


def _reactions() -> None:
    op.add_column("number", sa.Column("probe_at", _AWARE, nullable=True))
    for table, name in (("number", "blocked_countries"), ("template", "blocks")):
        op.add_column(table, sa.Column(name, sa.JSON(), nullable=False, server_default=sa.text("'{}'")))
    op.add_column("store", sa.Column("substitutes", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("send", sa.Column("substituted_for", sa.String(512), nullable=True))
    op.add_column("customer", sa.Column("unreachable_code", sa.Integer(), nullable=True))
    for name in ("unreachable_at", "unreachable_until"):
        op.add_column("customer", sa.Column(name, _AWARE, nullable=True))
    op.create_table(
        "template_substitution",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("store_id", sa.Integer(), sa.ForeignKey("store.id"), nullable=False),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=True),
        sa.Column("waba_id", sa.String(64), nullable=False),
        sa.Column("old_name", sa.String(512), nullable=False),
        sa.Column("new_name", sa.String(512), nullable=False),
        sa.Column("language", sa.String(15), nullable=False),
        sa.Column("made_at", _AWARE, nullable=False),
        sa.Column("ended_at", _AWARE, nullable=True),
    )
    op.create_index("ix_template_substitution_store_id", "template_substitution", ["store_id"], unique=False)


def _journey_states() -> None:
    op.add_column("store", sa.Column("alert_emails", sa.JSON(), nullable=False, server_default=sa.text("'[]'")))
    op.add_column("journey", sa.Column("paused_since", _AWARE, nullable=True))
    op.add_column("journey", sa.Column("resumed_at", _AWARE, nullable=True))
    op.add_column("journey", sa.Column("paused_pending", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("launch", sa.Column("only_new", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("enrollment", sa.Column("stage_due_at", _AWARE, nullable=True))
    op.add_column("send", sa.Column("opt_out_at", _AWARE, nullable=True))
    op.create_index("send_of_journey", "send", ["journey_id", "id"], unique=False)
    of_campaigns = sa.text("kind = 'template' AND author <> 'journey' AND wamid IS NOT NULL")
    op.create_index(
        "chat_message_campaign",
        "chat_message",
        ["conversation_id", "kind", "at"],
        unique=False,
        sqlite_where=of_campaigns,
        postgresql_where=of_campaigns,
    )
    still_open = sa.text("ended_at IS NULL")
    op.create_table(
        "journey_pause",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("journey_id", sa.Integer(), sa.ForeignKey("journey.id"), nullable=False),
        sa.Column("cause", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("began_at", _AWARE, nullable=False),
        sa.Column("ended_at", _AWARE, nullable=True),
        sa.Column("skips", sa.Boolean(), nullable=False),
    )
    op.create_index(
        "journey_pause_open",
        "journey_pause",
        ["journey_id", "cause"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("journey_pause_span", "journey_pause", ["journey_id", "began_at"], unique=False)
    # A journey that staff paused on the release before stays paused until they resume it; nobody knows since when.
    op.execute(
        "INSERT INTO journey_pause (journey_id, cause, reason, began_at, skips) "
        "SELECT id, 'staff', COALESCE(state_reason, 'paused by staff'), created_at, false "
        "FROM journey WHERE state = 'paused'"
    )
    op.execute("UPDATE journey SET paused_since = created_at WHERE state = 'paused'")
    op.execute("UPDATE enrollment SET stage_due_at = due_at WHERE state = 'waiting'")


def _settled_by_staff() -> None:
    op.add_column("send_attempt", sa.Column("settled_by", sa.String(80), nullable=True))
    op.add_column("send_attempt", sa.Column("settled_by_at", _AWARE, nullable=True))
    unsettled = sa.text("state IN ('parked', 'unknown')")
    op.create_index(
        "send_unsettled",
        "send",
        ["store_id", "id"],
        unique=False,
        sqlite_where=unsettled,
        postgresql_where=unsettled,
    )


def _limits() -> None:
    op.add_column("number", sa.Column("warm_up", sa.String(80), nullable=True))
    op.add_column("number", sa.Column("messages_per_second", sa.Integer(), nullable=True))
    op.add_column("number", sa.Column("throughput", sa.String(40), nullable=True))
    op.add_column("number", sa.Column("counts_from", _AWARE, nullable=True))
    op.create_table(
        "recipient_window",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("key", sa.String(100), nullable=False, unique=True),
        sa.Column("salt_secret", sa.String(), nullable=True),
        sa.Column("counted_from", _AWARE, nullable=True),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("used_kept", sa.Integer(), nullable=False),
        sa.Column("newest_at", _AWARE, nullable=True),
        sa.Column("promised_until", _AWARE, nullable=True),
        sa.Column("sending_days", sa.Integer(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=True),
    )
    op.create_table(
        "window_recipient",
        sa.Column("window_id", sa.Integer(), sa.ForeignKey("recipient_window.id"), primary_key=True),
        sa.Column("recipient", sa.String(64), primary_key=True),
        sa.Column("at", _AWARE, nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("customer_id", sa.Integer(), sa.ForeignKey("customer.id"), nullable=True),
    )
    op.create_index("window_recipient_oldest", "window_recipient", ["window_id", "at"], unique=False)
    op.create_index("ix_window_recipient_customer_id", "window_recipient", ["customer_id"], unique=False)
    op.create_index("send_attempt_of_number", "send_attempt", ["number_id", "claimed_at"], unique=False)
    # Who waits for a place is looked up by what they wait for and until when.
    op.drop_index("enrollment_held_for", "enrollment")
    op.create_index("enrollment_held_for", "enrollment", ["hold_key", "due_at"], unique=False)
