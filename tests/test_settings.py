"""The environment is checked once, and what is wrong with it is said without repeating it."""

import os

import pytest
from cryptography.fernet import Fernet
from pydantic import ValidationError

from settings import LogFormat, Settings, SettingsError, load_settings

KEY, OLD_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()
POSTGRES = "postgresql+asyncpg://rekindle:hunter2@db:5432/rekindle"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.upper().startswith("REKINDLE_"):
            monkeypatch.delenv(name)


def test_nothing_set_gives_the_embedded_stack() -> None:
    """With an empty environment there is a database under `var/` and no key yet."""
    settings = load_settings()
    assert settings.database_url == "sqlite+aiosqlite:///var/rekindle.db"
    assert settings.is_embedded
    assert settings.secret_keys == ()


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """docker-compose hands on empty values; they leave the default in place."""
    monkeypatch.setenv("REKINDLE_LLM_API_KEY", "")
    monkeypatch.setenv("REKINDLE_WHATSAPP_VERSION", "")
    assert load_settings().llm_api_key is None
    assert load_settings().whatsapp_version == "v26.0"


def test_several_keys_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are separated by commas, the one that encrypts first; blanks around them do not matter."""
    monkeypatch.setenv("REKINDLE_DATABASE_URL", POSTGRES)
    monkeypatch.setenv("REKINDLE_SECRET_KEYS", f"{KEY}, {OLD_KEY},")
    monkeypatch.setenv("REKINDLE_LOG_FORMAT", "JSON")
    settings = load_settings()
    assert [key.get_secret_value() for key in settings.secret_keys] == [KEY, OLD_KEY]
    assert settings.log_format is LogFormat.JSON
    assert not settings.is_embedded


@pytest.mark.parametrize("url", [POSTGRES, "sqlite+aiosqlite:////srv/rekindle.db"])
def test_a_database_of_ones_own_needs_a_key(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """There is no default secret: without a key nothing starts on a production database."""
    monkeypatch.setenv("REKINDLE_DATABASE_URL", url)
    with pytest.raises(SettingsError, match="REKINDLE_SECRET_KEYS: required"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DATABASE_URL", "postgres://rekindle:hunter2@db/x", "REKINDLE_DATABASE_URL: must start with"),
        # The key is another one in every process, and would be in the test's name.
        pytest.param("SECRET_KEYS", f"{KEY},hunter2", "REKINDLE_SECRET_KEYS: key 2 is no Fernet key", id="SECRET_KEYS"),
        ("WHATSAPP_VERSION", "hunter2", "REKINDLE_WHATSAPP_VERSION: "),
        ("SHOPIFY_VERSION", "2026-11", "REKINDLE_SHOPIFY_VERSION: "),
        ("LLM_BASE_URL", "hunter2", "REKINDLE_LLM_BASE_URL: must start with"),
        ("LLM_API_KEY", "hunter2", "REKINDLE_LLM_MODEL: required"),
        ("SMTP_URL", "imap://u:hunter2@mail", "REKINDLE_SMTP_URL: must start with"),
        ("SMTP_URL", "smtps://u:hunter2@mail", "REKINDLE_MAIL_FROM: required"),
        ("GATEWAY_PORT", "70000", "REKINDLE_GATEWAY_PORT: "),
        ("LOG_LEVEL", "hunter2", "REKINDLE_LOG_LEVEL: "),
    ],
)
def test_a_bad_value_is_named_but_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    """The error names the variable and what it should be; what stood there may be a secret and is not shown."""
    monkeypatch.setenv(f"REKINDLE_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert str(caught.value).startswith(told)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_all_problems_are_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two wrong variables are two lines."""
    monkeypatch.setenv("REKINDLE_GATEWAY_PORT", "no")
    monkeypatch.setenv("REKINDLE_LOG_FORMAT", "no")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2


def test_settings_do_not_change_and_do_not_show_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A settings object is frozen, and its repr has neither passwords nor keys."""
    monkeypatch.setenv("REKINDLE_DATABASE_URL", POSTGRES)
    monkeypatch.setenv("REKINDLE_SECRET_KEYS", KEY)
    settings = Settings()
    assert "hunter2" not in repr(settings)
    assert KEY not in repr(settings)
    with pytest.raises(ValidationError):
        settings.gateway_port = 1  # type: ignore[misc] # frozen: that it fails is the point
