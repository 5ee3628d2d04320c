"""A merchant and what it sends with: store, number, shop, and the mirror of its templates."""

from datetime import datetime

from sqlalchemy import JSON, Text, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.enums import StaffRole, TemplateStatus
from models.tables.fields import moment, moment_or_none, word


class Store(SQLModel, table=True):
    """One merchant. `salt_secret` keys its holdout and its suppression hashes."""

    __tablename__ = "store"
    id: int | None = Field(default=None, primary_key=True)
    slug: str = Field(unique=True, max_length=63)
    time_zone: str
    currency: str = Field(max_length=3)
    languages: list[str] = Field(default_factory=list, sa_type=JSON)
    stop_words: list[str] = Field(default_factory=list, sa_type=JSON)
    default_region: str | None = Field(default=None, max_length=2)
    salt_secret: str
    created_at: datetime = moment()


class Number(SQLModel, table=True):
    """A WhatsApp business number of a store, under its WABA and portfolio; `endpoint` is set for a sandbox's.

    `daily_limit` is the portfolio's limit of new recipients in a moving 24 hours, as Meta last told it; -1 is none.
    `account_event_at` is the time of the newest account update that was applied, since they come in any order.
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
    """Our mirror of one of Meta's templates: one row per WABA, name and language."""

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
