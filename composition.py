"""How a program of ours is put together from its settings: keys, database, Temporal, the outside world.

Worker, gateway, embedded stack and command line all start here, so that they mean the same database, open the same
secrets and speak to Temporal alike. What belongs to Temporal and the providers is loaded when it is asked for: a
command that only reads the database must not wait for it.
"""

import asyncio
import contextlib
import functools
import os
import tempfile
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from observability import route_temporal_logs
from settings import PREFIX, Settings, SettingsError
from storage.engine import Database
from storage.schema import ensure_current
from storage.secrets import Cipher, SecretKeyError, new_key

if TYPE_CHECKING:
    import ssl

    import httpx2
    from temporalio.client import Client

    from activities.services import Services
    from providers.llm.client import LlmClient
    from providers.mail import MailServer
    from providers.outgoing import OutgoingClient
    from providers.shopify.client import ShopifyClient
    from providers.whatsapp.client import WhatsAppClient

ResultT = TypeVar("ResultT")

EMBEDDED_KEY = Path("var/secret.key")
"""Where the embedded stack keeps its key, beside its database and readable by its owner only."""

_CONNECT_WITHIN_S = 10.0


class TemporalUnavailableError(Exception):
    """Temporal does not answer; the text says where it was looked for and how to start it."""


def system_clock() -> datetime:
    """The one wall clock of a process, handed to everything below it."""
    return datetime.now(UTC)  # noqa: TID251 - a program's main() is where the time comes from


def run_async(work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """`asyncio.run` on uvloop, which serves about a fifth more of everything; on Windows, which has none, without."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ModuleNotFoundError:
        return asyncio.run(work)
    return uvloop.run(work)


def secret_keys(settings: Settings) -> list[str]:
    """The Fernet keys of this installation, newest first; an embedded one makes its key when it is first needed.

    Raises:
        SecretKeyError: the key file cannot be read or made.
    """
    if settings.secret_keys or not settings.is_embedded:
        return [key.get_secret_value() for key in settings.secret_keys]
    try:
        if not EMBEDDED_KEY.exists():
            _make_key_file(EMBEDDED_KEY)
        return [EMBEDDED_KEY.read_text("ascii").strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise SecretKeyError(f"the key file {EMBEDDED_KEY} cannot be used ({type(error).__name__})") from error


def _make_key_file(path: Path) -> None:
    """Complete or not at all, and made by one of several processes that want it at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(new_key() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def cipher_from(settings: Settings) -> Cipher:
    """What opens the stores' secrets.

    Raises:
        SecretKeyError: there is no usable key.
    """
    return Cipher(secret_keys(settings))


@contextlib.asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database with the schema that this code knows.

    Raises:
        DatabaseUnavailableError: it cannot be reached.
        SchemaError: it must be upgraded first.
    """
    database = Database(settings.database_url)
    try:
        await ensure_current(database)
        yield database
    finally:
        await database.close()


def temporal_place(address: str | None = None) -> tuple[str, str]:
    """Address and namespace of Temporal, as its own environment variables and profiles say."""
    from temporalio.envconfig import ClientConfig  # noqa: PLC0415 - see the module's docstring

    options = ClientConfig.load_client_connect_config()
    return address or options.get("target_host") or "localhost:7233", options.get("namespace") or "default"


async def connect(address: str | None = None) -> "Client":
    """A client as Temporal's own environment variables describe it, or at the address given.

    Raises:
        TemporalUnavailableError: nobody answers there.
    """
    from temporalio.client import Client  # noqa: PLC0415 - see the module's docstring
    from temporalio.envconfig import ClientConfig  # noqa: PLC0415 - as above
    from temporalio.service import RPCError  # noqa: PLC0415 - as above

    from workflows.plugin import RekindlePlugin  # noqa: PLC0415 - as above

    route_temporal_logs()
    options = ClientConfig.load_client_connect_config()
    options["target_host"], namespace = temporal_place(address)
    try:
        async with asyncio.timeout(_CONNECT_WITHIN_S):
            return await Client.connect(**options, plugins=[RekindlePlugin()])
    except (RuntimeError, RPCError, TimeoutError) as error:
        raise TemporalUnavailableError(
            f"Temporal cannot be reached at {options['target_host']} (namespace {namespace}); start it with "
            "`python starter.py up` or `docker compose up -d temporal`, or set TEMPORAL_ADDRESS"
        ) from error


@dataclass(frozen=True, slots=True)
class Providers:
    """The clients of the services that a store is connected to."""

    whatsapp: "WhatsAppClient"
    shopify: "ShopifyClient"


@functools.cache
def _trusted(library: ModuleType) -> "ssl.SSLContext":
    """Whose certificates a library's clients believe, read once a process: that takes each new one 35 ms.

    httpx brings a list of its own, httpx2 asks the system's: a model may stand behind a company's own authority.
    """
    context: ssl.SSLContext = library.create_ssl_context()
    return context


@contextlib.asynccontextmanager
async def providers_from(settings: Settings) -> AsyncIterator[Providers]:
    """WhatsApp and Shopify as the settings describe them."""
    import httpx  # noqa: PLC0415 - see the module's docstring

    from providers.shopify.client import ShopifyClient  # noqa: PLC0415 - as above
    from providers.whatsapp.client import WhatsAppClient  # noqa: PLC0415 - as above

    # One client for all shops and numbers, so no common limit, which the requests to a shop that hangs would use up.
    # How many there are at most is up to the slots of the workers, of which each queue has its own.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(limits=limits, verify=_trusted(httpx)) as http:
        yield Providers(
            whatsapp=WhatsAppClient(
                http,
                base_url=settings.whatsapp_base_url,
                version=settings.whatsapp_version,
                asks_health_status=settings.whatsapp_health_status,
            ),
            shopify=ShopifyClient(http, version=settings.shopify_version),
        )


def mail_server(settings: Settings) -> "MailServer | None":
    """Where mails to stores' own people are handed in; None without a server.

    Raises:
        SettingsError: the server's URL cannot be used.
    """
    if settings.smtp_url is None or settings.mail_from is None:
        return None
    from providers.mail import MailAddressError, MailServer  # noqa: PLC0415 - see the module's docstring

    try:
        return MailServer.from_url(settings.smtp_url.get_secret_value(), settings.mail_from)
    except MailAddressError as error:
        raise SettingsError(f"{PREFIX}SMTP_URL: {error}") from None


def llm_client(settings: Settings, http: "httpx2.AsyncClient") -> "LlmClient | None":
    """The configured model; None without one."""
    if settings.llm_api_key is None or settings.llm_model is None:
        return None
    from providers.llm.client import LlmClient  # noqa: PLC0415 - see the module's docstring

    return LlmClient(http, base_url=settings.llm_base_url, api_key=settings.llm_api_key, model=settings.llm_model)


def outgoing_client(settings: Settings) -> "OutgoingClient":
    """What reaches addresses that stores have entered."""
    from providers.outgoing import OutgoingClient  # noqa: PLC0415 - see the module's docstring

    return OutgoingClient(private=settings.outgoing_private == "allow")


@contextlib.asynccontextmanager
async def services_from(
    settings: Settings, database: Database, cipher: Cipher, client: "Client"
) -> AsyncIterator["Services"]:
    """The outside world as the settings describe it."""
    import httpx2  # noqa: PLC0415 - see the module's docstring

    from activities.services import Services, started_at  # noqa: PLC0415 - as above
    from providers.crm import CrmClient  # noqa: PLC0415 - as above

    outgoing = outgoing_client(settings)
    # As many connections as requests may be under way: one more would fail, waiting for a place in the pool.
    limits = httpx2.Limits(max_connections=None)
    async with (
        providers_from(settings) as providers,
        httpx2.AsyncClient(limits=limits, verify=_trusted(httpx2)) as llm_http,
    ):
        yield Services(
            database=database,
            cipher=cipher,
            whatsapp=providers.whatsapp,
            shopify=providers.shopify,
            temporal=client,
            llm=llm_client(settings, llm_http),
            llm_parallel=settings.llm_parallel,
            mail=mail_server(settings),
            outgoing=outgoing,
            crm=CrmClient(outgoing, started_at),
            webhook_patience=timedelta(hours=settings.webhook_patience_hours),
            unknown_wait=timedelta(seconds=settings.unknown_wait),
            raw_retention=timedelta(days=settings.raw_retention_days),
            decision_retention=timedelta(days=settings.decision_days),
        )
