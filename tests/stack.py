"""The whole of Rekindle around a Temporal server: database, sandbox over HTTP, gateway, relay and workers.

Nothing is mocked. On the time-skipping server the stack's clock is the server's, and time passes only in `advance`;
on a dev server it is the machine's.
"""

import os
import sys
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import httpx2
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope
from starlette.types import Send as AsgiSend
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from activities.health import check_store
from activities.search_attributes import ALL
from activities.services import Services, started_at
from cli.simulation.clock import ClockInterceptor, VirtualClock
from gateway.app import GatewaySettings, create_app
from gateway.relay import Relay
from providers.crm import CrmClient
from providers.llm.client import LlmClient
from providers.mail import MailServer
from providers.outgoing import OutgoingClient
from providers.shopify.client import ShopifyClient
from providers.whatsapp.client import WhatsAppClient
from sandbox.llm.app import MODEL, LlmSandbox
from sandbox.shopify.app import ShopifySandbox
from sandbox.shopify.state import ShopState
from sandbox.whatsapp.app import WhatsAppApp
from sandbox.whatsapp.cloud import SandboxNumber, WhatsAppSandbox
from sandbox.whatsapp.outbox import Account
from sandbox.whatsapp.sender import WebhookSender
from storage.engine import Database, has_database
from storage.schema import create_all
from storage.secrets import Cipher, new_key
from storage.stores import NewStore, StoreParts, add_store, find_store
from tests.around.acts import Stack
from tests.around.base import Person
from tests.around.journeys import HELLO, journey
from tests.around.line import TRUSTS_NOBODY, Line
from tests.around.names import PHONE_NUMBER_ID, SALT, SECRET, SHOP, TOKEN, WABA, ZONE
from tests.databases import database_at, new_sqlite_file
from tests.serving import serve
from worker import Fleet

__all__ = [
    "BIN",
    "HELLO",
    "PHONE_NUMBER_ID",
    "SECRET",
    "SHOP",
    "TOKEN",
    "WABA",
    "Person",
    "Stack",
    "journey",
    "register_search_attributes",
    "running_stack",
]

BIN = Path(sys.executable).parent


class _Doors:
    """Several applications behind one server, each under its name: a server takes a while to stop."""

    def __init__(self, apps: Mapping[str, ASGIApp]) -> None:
        self._apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        _, name, path = scope["path"].split("/", 2)
        inner = dict(scope, path=f"/{path}", raw_path=f"/{path}".encode())
        await self._apps[name](inner, receive, send)


async def register_search_attributes(client: Client) -> None:
    """Tell the time-skipping server of our search attributes."""
    kinds = {"int": IndexedValueType.INDEXED_VALUE_TYPE_INT, "str": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(
            namespace="default", search_attributes={key.name: kinds[key.value_type.__name__] for key in ALL}
        )
    )


@asynccontextmanager
async def running_stack(
    client: Client,
    database_url: str,
    *,
    clock: Callable[[], datetime],
    env: WorkflowEnvironment | None = None,
    key: str | None = None,
    fleet: bool = True,
    max_cached_workflows: int | None = None,
    unknown_wait: timedelta = timedelta(minutes=10),
    with_model: bool = True,
    store: Mapping[str, Any] | None = None,
    mail: MailServer | None = None,
) -> AsyncIterator[Stack]:
    """Everything around one Temporal client, empty but for a store with its mirrored templates.

    Args:
        client: plain, connected with `RekindlePlugin`; it never moves the clock.
        database_url: of an empty database.
        clock: the time of gateway and sandbox.
        env: the time-skipping environment, if `clock` is its virtual clock.
        key: opens the store's secrets; drawn if left out.
        fleet: whether workers run in this process.
        max_cached_workflows: of the workers.
        unknown_wait: how long a send of unknown outcome waits for a status.
        with_model: whether a language model is configured.
        store: what is other than usual about the store.
        mail: takes the mails to the store's people.
    """
    async with AsyncExitStack() as stack:
        database = await _open(database_url)
        stack.push_async_callback(database.close)
        cipher = Cipher([key or new_key()])
        relay = Relay(database, client, clock)
        account = Account(WABA, PHONE_NUMBER_ID, "447700900000")
        whatsapp = WhatsAppSandbox(
            clock=clock, numbers=[SandboxNumber(account, frozenset({TOKEN}))], app_secret=SECRET, read_percent=0
        )
        shopify, llm = ShopifySandbox(clock), LlmSandbox(api_keys=frozenset({TOKEN}), clock=clock)
        shop = shopify.add_shop(ShopState(domain=SHOP, token=TOKEN, secret=SECRET, time_zone=ZONE))
        apps: dict[str, ASGIApp] = {
            "gateway": create_app(database, cipher, GatewaySettings(), relay, clock),
            "whatsapp": WhatsAppApp(whatsapp),
            "shopify": shopify,
            "llm": llm,
        }
        root = await stack.enter_async_context(serve(_Doors(apps)))
        urls = {name: f"{root}/{name}" for name in apps}
        line = Line()
        http = await stack.enter_async_context(httpx.AsyncClient(transport=line))
        llm_http = await stack.enter_async_context(httpx2.AsyncClient(verify=TRUSTS_NOBODY))
        services = Services(
            database=database,
            cipher=cipher,
            whatsapp=WhatsAppClient(http, base_url=urls["whatsapp"]),
            shopify=ShopifyClient(http),
            temporal=client,
            llm=LlmClient(llm_http, base_url=f"{urls['llm']}/v1", api_key=SecretStr(TOKEN), model=MODEL)
            if with_model
            else None,
            mail=mail,
            outgoing=(outgoing := OutgoingClient(private=True, trust=TRUSTS_NOBODY)),
            crm=CrmClient(outgoing, started_at),
            unknown_wait=unknown_wait,
        )
        parts = await _add_store(database, cipher, urls["shopify"], now=clock(), changes=store or {})
        report = await check_store(services, parts.id, now=clock())
        assert not report.faults, report
        found = Stack(
            env=env,
            client=client,
            clock=clock,
            database=database,
            cipher=cipher,
            services=services,
            store=parts,
            whatsapp=whatsapp,
            shop=shop,
            shopify=shopify,
            llm=llm,
            sender=WebhookSender(whatsapp.outbox, http, f"{urls['gateway']}/webhooks/whatsapp", clock),
            relay=relay,
            http=http,
            line=line,
            urls=urls,
        )
        if fleet:
            interceptors = [ClockInterceptor(clock)] if isinstance(clock, VirtualClock) else []
            await stack.enter_async_context(
                Fleet(
                    client,
                    services,
                    interceptors=interceptors,
                    limit_rates=False,
                    max_cached_workflows=max_cached_workflows,
                )
            )
        try:
            yield found
        finally:
            # What still runs would be met by the next test's workers, on another database.
            for workflow_id in found.started:
                with suppress(RPCError):
                    await client.get_workflow_handle(workflow_id).terminate()


async def _open(url: str) -> Database:
    """The database with its tables, new if it is not there yet."""
    database = database_at(url)
    if database.is_sqlite and not has_database(url):
        new_sqlite_file(Path(url.partition("///")[2]), stamped=True)
    else:
        await create_all(database)
    return database


_stacks_of: Counter[str] = Counter()


def _slug() -> str:
    """The store's name, another one for each stack and the same in every run of a test.

    It is in every enrollment's id: stacks on one server must not meet each other's workflows, and moments are drawn
    from those ids.
    """
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
    _stacks_of[test] += 1
    return f"shop-{zlib.crc32(f'{test} {_stacks_of[test]}'.encode()):08x}"


async def _add_store(
    database: Database, cipher: Cipher, shopify_url: str, *, now: datetime, changes: Mapping[str, Any]
) -> StoreParts:
    options: dict[str, Any] = {
        "slug": _slug(),
        "time_zone": ZONE,
        "currency": "USD",
        "languages": ("en",),
        "default_region": "GB",
        "phone_number_id": PHONE_NUMBER_ID,
        "waba_id": WABA,
        "portfolio_id": None,
        "whatsapp_token": TOKEN,
        "whatsapp_app_secret": SECRET,
        "whatsapp_verify_token": SECRET,
        "shop_domain": SHOP,
        "shop_token": TOKEN,
        "shop_webhook_secrets": (SECRET,),
        "shop_endpoint": shopify_url,
        "salt": SALT,
    }
    async with database.write() as session:
        await add_store(session, NewStore(**(options | dict(changes))), cipher=cipher, now=now)
    async with database.read() as session:
        return await find_store(session, None)
