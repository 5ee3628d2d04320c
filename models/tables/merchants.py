"""A merchant and what it sends with: store, number, shop, and the mirror of its templates."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text, UniqueConstraint, false
from sqlmodel import Field, SQLModel

from models.enums import StaffRole, TemplateStatus
from models.tables.fields import moment, moment_or_none, word


class Store(SQLModel, table=True):
    """One merchant. `salt_secret` keys its holdout and its suppression hashes.

    `credits` is what is left to spend, None while the store has no ledger and nothing is counted; the prices are in
    whole credits. `substitutes` says that some template stands for a dead one (`TemplateSubstitution`), `has_endpoints`
    that systems of the store's own are told of events (`WebhookEndpoint`). `crm_url` answers whether somebody bought.
    """

    __tablename__ = "store"
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True, max_length=63)
    time_zone: str
    currency: str = Field(max_length=3)
    languages: list[str] = Field(default_factory=list, sa_type=JSON)
    stop_words: list[str] = Field(default_factory=list, sa_type=JSON)
    alert_emails: list[str] = Field(default_factory=list, sa_type=JSON)
    default_region: str | None = Field(default=None, max_length=2)
    salt_secret: str
    credits: int | None = None
    message_credits: int = 1
    generation_credits: int = 1
    analysis_credits: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    substitutes: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    has_endpoints: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    crm_url: str | None = Field(default=None, max_length=500)
    crm_secret: str | None = None
    created_at: datetime = moment()


class Number(SQLModel, table=True):
    """A WhatsApp business number of a store, under its WABA and portfolio; `endpoint` is set for a sandbox's.

    `daily_limit` is the portfolio's limit of new recipients in a moving 24 hours, as Meta last told it; -1 is none.
    `account_event_at` is the time of the newest account update that was applied, since they come in any order.
    `probe_at` is when a message last left to see whether a pause that is over has ended. `blocked_countries` are the
    regions to which the account may not write, each with the moment at which that is tried again. `warm_up` is the
    rule as `models.warm_up.WarmUp` writes it, None for none. `messages_per_second` is what staff have given it,
    `throughput` Meta's word for its level. `counts_from` is when its limits last changed so that recipients must be
    counted anew (`storage.allowances`).
    """

    __tablename__ = "number"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", index=True)
    phone_number_id: str = Field(unique=True, max_length=64)
    waba_id: str = Field(index=True, max_length=64)
    portfolio_id: str | None = Field(default=None, max_length=64)
    token_secret: str
    app_secret: str
    verify_token_secret: str
    endpoint: str | None = None
    paused_reason: str | None = None
    paused_until: datetime | None = moment_or_none()
    credential_ok: bool = True
    quality: str | None = None
    quality_at: datetime | None = moment_or_none()
    display_phone: str | None = Field(default=None, max_length=20)
    daily_limit: int | None = None
    limit_at: datetime | None = moment_or_none()
    account_event_at: datetime | None = moment_or_none()
    checked_at: datetime | None = moment_or_none()
    probe_at: datetime | None = moment_or_none()
    blocked_countries: dict[str, str] = Field(
        default_factory=dict, sa_type=JSON, sa_column_kwargs={"server_default": "{}"}
    )
    warm_up: str | None = Field(default=None, max_length=80)
    messages_per_second: int | None = None
    throughput: str | None = Field(default=None, max_length=40)
    counts_from: datetime | None = moment_or_none()


class Shop(SQLModel, table=True):
    """A Shopify shop of a store. `webhook_secrets` holds one secret, or two during a rotation, newest first.

    `orders_cursor` is the moment up to which the reconciliation has read changed orders.
    """

    __tablename__ = "shop"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", unique=True)
    domain: str = Field(unique=True, max_length=255)
    token_secret: str
    webhook_secrets: list[str] = Field(default_factory=list, sa_type=JSON)
    endpoint: str | None = None
    credential_ok: bool = True
    sees_all_orders: bool | None = None
    orders_cursor: datetime | None = moment_or_none()
    reconciled_at: datetime | None = moment_or_none()
    uninstalled_at: datetime | None = moment_or_none()
    checked_at: datetime | None = moment_or_none()


class Template(SQLModel, table=True):
    """Our mirror of one of Meta's templates: one row per WABA, name and language.

    `blocks` are the messages that Meta calls wrong for this template (`policies.template_versions`), each with the
    code, the time and the journey: nobody else asks with the same message.
    """

    __tablename__ = "template"
    __table_args__ = (UniqueConstraint("waba_id", "name", "language"),)
    id: int | None = Field(default=None, primary_key=True)
    waba_id: str = Field(max_length=64)
    name: str = Field(max_length=512)
    language: str = Field(max_length=15)
    status: TemplateStatus = word(TemplateStatus)
    category: str | None = None
    named_variables: bool = False
    variables: list[str] = Field(default_factory=list, sa_type=JSON)
    copy_code_index: int | None = None
    body: str = Field(default="", sa_type=Text)
    quality: str | None = Field(default=None, max_length=20)
    quality_at: datetime | None = moment_or_none()
    category_at: datetime | None = moment_or_none()
    synced_at: datetime = moment()
    blocks: dict[str, dict[str, Any]] = Field(
        default_factory=dict, sa_type=JSON, sa_column_kwargs={"server_default": "{}"}
    )


class TemplateSubstitution(SQLModel, table=True):
    """Staff's decision that one template stands for a dead one in running versions; of one journey or of all.

    It holds until `ended_at`; rows are kept, so that what was sent can be explained.
    """

    __tablename__ = "template_substitution"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", index=True)
    journey_id: int | None = Field(default=None, foreign_key="journey.id")
    waba_id: str = Field(max_length=64)
    old_name: str = Field(max_length=512)
    new_name: str = Field(max_length=512)
    language: str = Field(max_length=15)
    made_at: datetime = moment()
    ended_at: datetime | None = moment_or_none()


class ApiKey(SQLModel, table=True):
    """A key of the staff API, kept as a hash only; `prefix` is the part that people may see and name."""

    __tablename__ = "api_key"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", index=True)
    name: str = Field(max_length=80)
    role: StaffRole = word(StaffRole)
    prefix: str = Field(unique=True, max_length=24)
    key_hash: str = Field(unique=True, max_length=64)
    created_at: datetime = moment()
    last_used_at: datetime | None = moment_or_none()
    revoked_at: datetime | None = moment_or_none()
