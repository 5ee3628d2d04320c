"""What Rekindle is told by its environment, checked once, when a program starts.

Only `main()` functions build a `Settings`; everything below them is handed what it needs. Where Temporal is, and how
to reach it safely, is read by `temporalio.envconfig` from Temporal's own variables (`TEMPORAL_ADDRESS` and others).
"""

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from cryptography.fernet import Fernet
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "REKINDLE_"

EMBEDDED_DATABASE_PREFIX = "sqlite+aiosqlite:///var/"
"""Databases of the embedded stack, which keeps its key in `var/secret.key` beside them."""

_MAKE_A_KEY = 'make one: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
_DRIVERS = ("sqlite+aiosqlite:", "postgresql+asyncpg:")


class SettingsError(ValueError):
    """The environment cannot be used; the text has one line per problem and never a value."""


class LogLevel(StrEnum):
    """The least important level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks: for a person or for a log store."""

    CONSOLE = "console"
    JSON = "json"


class Settings(BaseSettings):
    """The configuration of one process; each field is `REKINDLE_` and its name in capitals. Empty counts as not set.

    Attributes:
        database_url: SQLAlchemy URL with an async driver; may hold a password.
        secret_keys: Fernet keys; the first encrypts, all decrypt. Empty only with an embedded database.
        whatsapp_base_url: the Graph API without a version.
        whatsapp_version: Graph API version, `v26.0`.
        whatsapp_health_status: whether a number is also asked for its `health_status`, of which we know from others'
            words alone: with it a payment that was made is noticed without a message.
        shopify_version: Admin API version, `2026-10`.
        llm_base_url: an OpenAI-compatible server, with `/v1`.
        llm_api_key: its key; without one, journeys cannot use `ai:`.
        llm_model: the model's name there; required beside a key.
        llm_parallel: how many requests a worker has with it at once.
        gateway_host: address that the gateway binds.
        gateway_port: port that the gateway binds; 0 takes any free one.
        public_url: the gateway's address as Shopify reaches it; `store check` registers webhooks there.
        outgoing_private: `allow` lets stores' endpoints and CRMs be on this machine and without TLS: for a sandbox and
            tests, never where strangers may enter addresses.
        webhook_patience_hours: how long an endpoint may take nothing before it is disabled.
        unknown_wait: how long a message of which nobody knows whether it went waits for a status before it is parked,
            in seconds.
        smtp_url: the mail server that takes mails to stores' own people; may hold a password. Without one, none go.
        mail_from: whom those mails are from; required beside a server.
        mail_attachment_mb: the largest file that is attached to a mail, in megabytes; most servers take little more.
        raw_retention_days: how long webhooks are kept as they came in.
        decision_days: how long it is kept why somebody did not enter a journey; the newest of each is kept for good.
        metrics_token: with it `/metrics` is for its bearers; without it for private addresses.
        metrics_address: host and port on which a worker shows the Temporal SDK's figures; none if not set.
        log_level: the least important level written.
        log_format: `console` or `json`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: str = Field(default=f"{EMBEDDED_DATABASE_PREFIX}rekindle.db", repr=False)
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    whatsapp_base_url: str = "https://graph.facebook.com"
    whatsapp_version: str = Field(default="v26.0", pattern=r"^v\d{1,3}\.\d$")
    whatsapp_health_status: bool = False
    shopify_version: str = Field(default="2026-10", pattern=r"^\d{4}-(01|04|07|10)$")
    llm_base_url: str = "https://api.openai.com/v1"
    llm_api_key: SecretStr | None = None
    llm_model: str | None = None
    llm_parallel: int = Field(default=20, ge=1, le=1000)
    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8080, ge=0, le=65535)
    public_url: str | None = None
    outgoing_private: Literal["refuse", "allow"] = "refuse"
    webhook_patience_hours: int = Field(default=24, ge=1, le=720)
    unknown_wait: int = Field(default=600, ge=1, le=86_400)
    smtp_url: SecretStr | None = None
    mail_from: str | None = Field(default=None, pattern=r"^[^\s@<>,]+@[^\s@<>,]+$")
    mail_attachment_mb: int = Field(default=20, ge=1, le=200)
    raw_retention_days: int = Field(default=30, ge=1, le=3650)
    decision_days: int = Field(default=400, ge=30, le=3650)
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    metrics_address: str | None = Field(default=None, pattern=r"^[\w.-]+:\d{1,5}$")
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.CONSOLE

    @property
    def is_embedded(self) -> bool:
        """Whether the database is the embedded stack's own, under `var/`."""
        return self.database_url.startswith(EMBEDDED_DATABASE_PREFIX)

    @field_validator("database_url")
    @classmethod
    def _an_async_driver(cls, url: str) -> str:
        if not url.startswith(_DRIVERS):
            raise ValueError("must start with sqlite+aiosqlite: or postgresql+asyncpg:")
        return url

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("secret_keys")
    @classmethod
    def _fernet_keys(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for position, key in enumerate(keys, start=1):
            try:
                Fernet(key.get_secret_value())
            except ValueError:
                raise ValueError(f"key {position} is no Fernet key (32 bytes in URL-safe base64)") from None
        return keys

    @field_validator("whatsapp_base_url", "llm_base_url")
    @classmethod
    def _an_http_url(cls, url: str) -> str:
        if not url.startswith(("https://", "http://")):
            raise ValueError("must start with https:// (or http:// for a server of your own)")
        return url.rstrip("/")

    @field_validator("smtp_url")
    @classmethod
    def _a_mail_server(cls, url: SecretStr | None) -> SecretStr | None:
        schemes = ("smtp://", "smtp+starttls://", "smtps://")
        if url is not None and not url.get_secret_value().startswith(schemes):
            raise ValueError(f"must start with {', '.join(schemes)}")
        return url

    @field_validator("public_url")
    @classmethod
    def _a_public_url(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("https://", "http://127.0.0.1:")):
            raise ValueError("must start with https://, because Shopify and Meta deliver nowhere else")
        return url.rstrip("/") if url is not None else None

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if not self.secret_keys and not self.is_embedded:
            raise ValueError(
                f"{PREFIX}SECRET_KEYS: required with a database of your own, where stores' credentials are encrypted; "
                f"{_MAKE_A_KEY}"
            )
        if self.smtp_url is not None and self.mail_from is None:
            raise ValueError(f"{PREFIX}MAIL_FROM: required beside {PREFIX}SMTP_URL: name the sender of the mails")
        if self.llm_api_key is not None and self.llm_model is None:
            raise ValueError(f"{PREFIX}LLM_MODEL: required beside {PREFIX}LLM_API_KEY: name the model to write with")
        return self


def load_settings() -> Settings:
    """The settings of this process, from its environment.

    Raises:
        SettingsError: something is missing or impossible; all problems are listed, values are not.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            text = problem["msg"].removeprefix("Value error, ")
            name = "_".join(str(part) for part in problem["loc"]).upper()
            lines.append(f"{PREFIX}{name}: {text}" if name else text)
        # The original carries the values in its context; a traceback must not show them.
        raise SettingsError("\n".join(lines)) from None
