"""`store add | list | check`: merchants with their WhatsApp number, their shop and the secrets of both."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from cli.checks import Check
from cli.connections import shop_access, show_findings, store_findings
from cli.documents import (
    AllowCountryDocument,
    Finding,
    StoreAddDocument,
    StoreCheckDocument,
    StoreListDocument,
    StoreView,
)
from cli.failures import DONE, REFUSED, USAGE, Failure, provider_line
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.privacy import privacy_findings
from cli.run import Run, execute
from cli.sender import sender_findings
from cli.store_facts import read_new_store
from cli.webhook_health import own_systems_findings
from composition import Providers, TemporalUnavailableError, connect, providers_from
from models.warm_up import NONE
from policies.throughput import FASTEST
from providers.shopify.topics import WANTED_TOPICS
from reports.senders import in_words, sender_of, sender_view
from storage.allowances import release_waiting
from storage.secrets import new_signing_secret
from storage.sender_use import SenderUse
from storage.senders import allow_country
from storage.stores import (
    NewStore,
    StoreExistsError,
    StoreParts,
    add_store,
    all_stores,
    find_store,
    renew_store,
    required_id,
    shop_answers,
)

_WEBHOOK_PATH = "/webhooks/shopify"


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    family.command("add")(add)
    family.command("list")(list_stores)
    family.command("check")(check)
    family.command("allow-country")(allow)
    app.add_typer(family, name="store", help="Add, list and check stores with their numbers and shops.")


def allow(
    country: Annotated[str, typer.Argument(metavar="COUNTRY", help="ISO 3166 code, such as IN.")],
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Write to people of a country again that Meta had forbidden to the account (130497), once it has lifted that."""
    return execute(lambda run: _allow(run, country.upper()), as_json=as_json, store=store, debug=debug)


async def _allow(run: Run, country: str) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            blocked = await allow_country(session, parts.number.waba_id, country)
    run.output.document(AllowCountryDocument(store=parts.store.slug, country=country, blocked=blocked))
    run.output.line(f"{country} is written to again" if blocked else f"{country} was not left out")
    return DONE


def add(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Small letters, digits and hyphens.")] = None,
    *,
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="JSON with the same names, secrets included.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="IANA name, such as Europe/Madrid.")] = None,
    currency: Annotated[str | None, typer.Option(help="ISO code, such as EUR.")] = None,
    language: Annotated[list[str] | None, typer.Option(help="Such as en or pt_BR; may be repeated.")] = None,
    stop_word: Annotated[
        list[str] | None,
        typer.Option(help="Opts a customer out as STOP does; may be repeated. With --replace these take over."),
    ] = None,
    alert_email: Annotated[
        list[str] | None,
        typer.Option(
            help="Gets a mail when sending stops or goes on; may be repeated. With --replace these take over."
        ),
    ] = None,
    region: Annotated[str | None, typer.Option(help="Country for numbers without +, such as ES.")] = None,
    phone_number_id: Annotated[str | None, typer.Option(help="Meta's id of the number.")] = None,
    waba_id: Annotated[str | None, typer.Option(help="Meta's id of the WhatsApp Business Account.")] = None,
    portfolio_id: Annotated[str | None, typer.Option(help="Meta's id of the business portfolio.")] = None,
    shop_domain: Annotated[str | None, typer.Option(help="Such as example.myshopify.com.")] = None,
    shop_endpoint: Annotated[str | None, typer.Option(help="Another address of the shop: a sandbox's.")] = None,
    whatsapp_endpoint: Annotated[
        str | None, typer.Option(help="Another address of WhatsApp's API: a sandbox's.")
    ] = None,
    warm_up: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="For a young number: start=50,grow=1.5,ceiling=tier new recipients a day; none ends it.",
        ),
    ] = None,
    messages_per_second: Annotated[
        int | None,
        typer.Option(min=1, max=FASTEST, help="What the number may send; without it what Meta tells, or 80."),
    ] = None,
    crm_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Asked whether somebody has bought (docs/webhooks.md); none takes it away."),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Renew an existing store, secrets included.")] = False,
    as_json: JsonFlag = False,
    debug: DebugFlag = False,
) -> int:
    """Add a store. Secrets are asked for, or come from --from FILE or the environment, never from options.

    The environment's names are REKINDLE_STORE_WHATSAPP_TOKEN, REKINDLE_STORE_WHATSAPP_APP_SECRET,
    REKINDLE_STORE_WHATSAPP_VERIFY_TOKEN, REKINDLE_STORE_SHOP_TOKEN and REKINDLE_STORE_SHOP_WEBHOOK_SECRET. The secret
    that signs what a CRM is asked (REKINDLE_STORE_CRM_SECRET) is made, and printed once, if there is none.
    """
    given: dict[str, Any] = {
        "name": name,
        "time_zone": time_zone,
        "currency": currency,
        "languages": language or None,
        "stop_words": stop_word or None,
        "alert_emails": alert_email or None,
        "region": region,
        "phone_number_id": phone_number_id,
        "waba_id": waba_id,
        "portfolio_id": portfolio_id,
        "shop_domain": shop_domain,
        "shop_endpoint": shop_endpoint,
        "whatsapp_endpoint": whatsapp_endpoint,
        "warm_up": warm_up,
        "messages_per_second": messages_per_second,
        "crm_url": crm_url,
    }
    return execute(lambda run: _add(run, given, from_file, replace=replace), as_json=as_json, store=None, debug=debug)


def list_stores(*, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """List the stores."""
    return execute(_list, as_json=as_json, store=store, debug=debug)


def check(
    *,
    register_webhooks: Annotated[
        str | None,
        typer.Option(
            "--register-webhooks",
            metavar="URL",
            help="The gateway's public https address; without it, REKINDLE_PUBLIC_URL.",
        ),
    ] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Walk every connection of a store: tokens, number, templates, shop, scopes, webhooks."""
    return execute(lambda run: _check(run, register_webhooks), as_json=as_json, store=store, debug=debug)


# --- add -------------------------------------------------------------------------------------------------------------


async def _add(run: Run, given: dict[str, Any], from_file: Path | None, *, replace: bool) -> int:
    new = read_new_store(given, from_file)
    _check_crm(run, new)
    async with run.database() as database:
        replaced = False
        async with database.write() as session:
            new, crm_secret = await _with_crm_secret(session, new)
            try:
                await add_store(session, new, cipher=run.cipher, now=run.clock())
            except StoreExistsError as error:
                known = new.slug in {parts.store.slug for parts in await all_stores(session)}
                if not (replace and known):
                    raise Failure(f"{error}{'; `--replace` renews it' if known else ''}") from None
                await renew_store(session, new, cipher=run.cipher, now=run.clock())
                if new.warm_up is not None:
                    release_waiting(session, (await find_store(session, new.slug)).number, now=run.clock())
                replaced = True
        async with database.read() as session:
            parts = await find_store(session, new.slug)
            use = await sender_of(session, parts, now=run.clock())
        watched = await _watch_health(parts)
    run.output.document(
        StoreAddDocument(store=_view(parts, use), replaced=replaced, health_watch=watched, crm_secret=crm_secret)
    )
    run.output.line(
        f"{new.slug} is {'renewed' if replaced else 'added'}; `store check --store {new.slug}` tries it out"
    )
    if crm_secret is not None:
        run.output.line(f"the CRM checks our questions with {crm_secret}; this is the only time that it is shown")
    if not watched:
        run.output.note("Temporal cannot be reached: the store's health is watched from its first launch on")
    return DONE


def _check_crm(run: Run, new: NewStore) -> None:
    if new.crm_url in (None, NONE):
        return
    from providers.addresses import UnsafeUrlError, check_url  # noqa: PLC0415 - `store list` reaches nobody

    try:
        check_url(str(new.crm_url), private=run.settings.outgoing_private == "allow")
    except UnsafeUrlError as error:
        raise Failure(f"--crm-url: {error}", code=USAGE) from None


async def _with_crm_secret(session: AsyncSession, new: NewStore) -> tuple[NewStore, str | None]:
    """The store with a secret for its CRM, which is new if neither we nor the store have one; then it is told too."""
    if new.crm_url in (None, NONE) or new.crm_secret is not None:
        return new, None
    known = {parts.store.slug: parts.store for parts in await all_stores(session)}.get(new.slug)
    if known is not None and known.crm_secret is not None:
        return new, None
    secret = new_signing_secret()
    return dataclasses.replace(new, crm_secret=secret), secret


async def _watch_health(parts: StoreParts) -> bool:
    from temporalio.service import RPCError  # noqa: PLC0415 - slow to load; `store list` needs none of it

    from cli.temporal import ensure_store_watches  # noqa: PLC0415 - as above

    try:
        await ensure_store_watches(await connect(), parts)
    except (TemporalUnavailableError, RPCError):
        return False
    return True


# --- list ------------------------------------------------------------------------------------------------------------


async def _list(run: Run) -> int:
    async with run.database() as database, database.read() as session:
        stores = [parts for parts in await all_stores(session) if run.store_name in (None, parts.store.slug)]
        if run.store_name is not None and not stores:
            await find_store(session, run.store_name)
        uses = [await sender_of(session, parts, now=run.clock()) for parts in stores]
    views = [_view(parts, use) for parts, use in zip(stores, uses, strict=True)]
    run.output.document(StoreListDocument(stores=views))
    if not views:
        run.output.line("There is no store yet: `store add` adds one, `up` brings the sandbox's.")
        return DONE
    run.output.table(
        ["store", "time zone", "currency", "languages", "stop words", "region", "number", "limits", "WABA", "shop"],
        [
            [
                one.name,
                one.time_zone,
                one.currency,
                " ".join(one.languages),
                ", ".join(one.stop_words),
                one.default_region or "",
                one.phone_number_id,
                in_words(one.sender),
                one.waba_id,
                one.shop_domain,
            ]
            for one in views
        ],
    )
    return DONE


def _view(parts: StoreParts, use: SenderUse) -> StoreView:
    return StoreView(
        name=parts.store.slug,
        time_zone=parts.store.time_zone,
        currency=parts.store.currency,
        languages=parts.store.languages,
        stop_words=parts.store.stop_words,
        alert_emails=parts.store.alert_emails,
        default_region=parts.store.default_region,
        phone_number_id=parts.number.phone_number_id,
        waba_id=parts.number.waba_id,
        shop_domain=parts.shop.domain,
        crm_url=parts.store.crm_url,
        sender=sender_view(use),
        created_at=parts.store.created_at,
    )


# --- check -----------------------------------------------------------------------------------------------------------


async def _check(run: Run, register_webhooks: str | None) -> int:
    register_webhooks = register_webhooks or run.settings.public_url
    if register_webhooks is not None and not register_webhooks.startswith(("https://", "http://127.0.0.1:")):
        raise Failure("--register-webhooks takes the gateway's public https address", code=USAGE)
    async with run.database() as database, providers_from(run.settings) as providers:
        parts = await run.store(database)
        registered = []
        if register_webhooks is not None:
            registered = await _register(run, parts, providers, register_webhooks)
        findings = [*registered, *await store_findings(run, parts, providers)]
        if any(one.subject == "shopify" and one.state == "ok" for one in findings):
            async with database.write() as session:
                await shop_answers(session, required_id(parts.shop.id))
        findings += await own_systems_findings(run, database, parts)
        findings += [*await privacy_findings(run, database, parts), *await sender_findings(run, database, parts)]
    ok = all(one.state != "fault" for one in findings)
    run.output.document(StoreCheckDocument(store=parts.store.slug, ok=ok, findings=findings))
    show_findings(run.output, findings)
    return DONE if ok else REFUSED


async def _register(run: Run, parts: StoreParts, providers: Providers, address: str) -> list[Finding]:
    from providers.errors import ProviderError  # noqa: PLC0415 - slow to load; `store list` needs none of it

    uri = address.rstrip("/") + _WEBHOOK_PATH
    findings = []
    for topic in WANTED_TOPICS:
        try:
            await providers.shopify.subscribe(shop_access(run, parts), topic, uri)
        except ProviderError as error:
            text = f"{topic}: {provider_line(error)}"
            findings.append(Finding(check=Check.SHOP_WEBHOOKS, subject="shopify webhooks", state="fault", text=text))
        else:
            text = f"{topic} goes to {uri}"
            findings.append(Finding(check=Check.SHOP_WEBHOOKS, subject="shopify webhooks", state="ok", text=text))
    return findings
