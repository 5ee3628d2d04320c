"""Walks a store's connections and says in plain words what is wrong with each; `store check` and `doctor` show it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cli.checks import Check
from cli.documents import Finding
from cli.failures import provider_line
from cli.output import Output
from cli.readiness import wall_in_words
from cli.run import Run
from composition import Providers
from models.enums import SENDABLE_TEMPLATE_STATUSES
from providers.shopify.topics import WANTED_TOPICS
from reports.refusals import pause_in_words
from storage.secrets import SecretKeyError
from storage.senders import is_unpaid
from storage.stores import StoreParts

if TYPE_CHECKING:
    from providers.shopify.records import ShopAccess

NEEDED_SCOPES: Final = frozenset({"read_customers", "read_orders"})
COUPON_SCOPES: Final = frozenset({"read_discounts", "write_discounts"})

_NOBODY: Final = "0"
"""A shop's id that no customer has."""
_GOOD_QUALITY = frozenset({"GREEN", "UNKNOWN", "NA"})


def shop_access(run: Run, parts: StoreParts) -> "ShopAccess":
    """How the store's shop is reached, with its token opened.

    Raises:
        SecretKeyError: no key opens the token.
    """
    from providers.shopify.records import ShopAccess  # noqa: PLC0415 - commands that ask nobody load no client

    token = run.cipher.decrypt(parts.shop.token_secret)
    return ShopAccess(shop_domain=parts.shop.domain, token=token, endpoint=parts.shop.endpoint)


async def store_findings(run: Run, parts: StoreParts, providers: Providers) -> list[Finding]:
    """Every connection of the store, looked at now."""
    try:
        token, access = run.cipher.decrypt(parts.number.token_secret), shop_access(run, parts)
    except SecretKeyError as error:
        advice = "put the key that encrypted them back into REKINDLE_SECRET_KEYS, or enter them again"
        return [Finding(check=Check.SECRETS, subject="secrets", state="fault", text=str(error), advice=advice)]
    return [
        Finding(check=Check.SECRETS, subject="secrets", state="ok", text="the stored secrets open"),
        *await _whatsapp(run, parts, providers, token),
        *await _shopify(parts, providers, access),
    ]


async def _whatsapp(run: Run, parts: StoreParts, providers: Providers, token: str) -> list[Finding]:
    from providers.errors import ProviderError  # noqa: PLC0415 - see shop_access

    found = []
    try:
        health = await providers.whatsapp.phone_number(
            parts.number.phone_number_id, token, endpoint=parts.number.endpoint
        )
    except ProviderError as error:
        found.append(
            Finding(check=Check.WHATSAPP_NUMBER, subject="whatsapp number", state="fault", text=provider_line(error))
        )
    else:
        limit = "no daily limit" if health.daily_limit is None else f"{health.daily_limit} new conversations a day"
        good = health.quality_rating in _GOOD_QUALITY
        text = "the token is valid"
        found.append(Finding(check=Check.WHATSAPP_NUMBER, subject="whatsapp number", state="ok", text=text))
        found.append(
            Finding(
                check=Check.WHATSAPP_QUALITY,
                subject="whatsapp number",
                state="ok" if good else "warning",
                text=f"quality {health.quality_rating}, {limit}",
                advice=None if good else "see the number's page in WhatsApp Manager, and send less for a while",
            )
        )
    found += _pause(run, parts)
    try:
        listed = await providers.whatsapp.templates(parts.number.waba_id, token, endpoint=parts.number.endpoint)
    except ProviderError as error:
        found.append(
            Finding(
                check=Check.WHATSAPP_TEMPLATES, subject="whatsapp templates", state="fault", text=provider_line(error)
            )
        )
    else:
        ready = sum(one.status in SENDABLE_TEMPLATE_STATUSES for one in listed)
        found.append(
            Finding(
                check=Check.WHATSAPP_TEMPLATES,
                subject="whatsapp templates",
                state="ok" if ready else "warning",
                text=f"{len(listed)} templates, {ready} of them approved",
                advice=None if ready else "create templates in WhatsApp Manager; a win-back can send nothing else",
            )
        )
    return found


def _pause(run: Run, parts: StoreParts) -> list[Finding]:
    """Whether Meta wants to be paid first, or has stopped the number for another reason."""
    pause = pause_in_words(parts.number, run.clock())
    unpaid = is_unpaid(parts.number)
    found = []
    if pause is not None:
        advice = "mend the reason at Meta; sending goes on by itself then"
        if unpaid:
            advice = (
                "correct the billing of the WhatsApp account in Meta's business settings; sending goes on by itself"
            )
        check = Check.WHATSAPP_PAYMENT if unpaid else Check.WHATSAPP_PAUSE
        found.append(Finding(check=check, subject="whatsapp number", state="fault", text=pause, advice=advice))
    if not unpaid:
        text = "Meta has told of no problem with the payment"
        found.append(Finding(check=Check.WHATSAPP_PAYMENT, subject="whatsapp payment", state="ok", text=text))
    return found


async def _shopify(parts: StoreParts, providers: Providers, access: "ShopAccess") -> list[Finding]:
    from providers.errors import ProviderError  # noqa: PLC0415 - see shop_access

    try:
        shop = await providers.shopify.shop(access)
        subscribed = {one.topic for one in await providers.shopify.subscriptions(access)}
    except ProviderError as error:
        found = [Finding(check=Check.SHOP, subject="shopify", state="fault", text=provider_line(error))]
        if parts.shop.uninstalled_at is not None:
            text = f"the merchant removed the app on {parts.shop.uninstalled_at:%Y-%m-%d}; whoever is due waits"
            advice = "install it again and enter its new token with `store add --replace`"
            found.insert(0, Finding(check=Check.SHOP, subject="shopify", state="fault", text=text, advice=advice))
        return found
    found = [
        Finding(check=Check.SHOP, subject="shopify", state="ok", text=f"the token is valid; the shop is {shop.name}")
    ]
    missing = sorted(NEEDED_SCOPES - shop.scopes)
    if missing:
        text = f"the app lacks the access scopes {', '.join(missing)}"
        advice = "grant them in the app's settings at Shopify; nothing works without"
        found.append(
            Finding(check=Check.SHOP_SCOPES, subject="shopify scopes", state="fault", text=text, advice=advice)
        )
    if shop.has_all_orders:
        text = "orders older than 60 days can be read"
        found.append(Finding(check=Check.SHOP_ORDERS, subject="shopify orders", state="ok", text=text))
    else:
        advice = "ask Shopify for read_all_orders in the app's settings, then install the app anew"
        text = wall_in_words()
        found.append(
            Finding(check=Check.SHOP_ORDERS, subject="shopify orders", state="fault", text=text, advice=advice)
        )
    if without := sorted(COUPON_SCOPES - shop.scopes):
        text = f"without {', '.join(without)} coupons can be neither checked nor made"
        found.append(Finding(check=Check.SHOP_SCOPES, subject="shopify scopes", state="warning", text=text))
    for what, there, ours in (
        ("time zone", shop.time_zone, parts.store.time_zone),
        ("currency", shop.currency, parts.store.currency),
    ):
        if there != ours:
            text = f"the shop's {what} is {there}, the store's is {ours}"
            advice = "days and amounts are reckoned in the store's; change it with `store add --replace`"
            found.append(
                Finding(
                    check=Check.SHOP_SETTINGS, subject="shopify settings", state="warning", text=text, advice=advice
                )
            )
    if unheard := [topic for topic in WANTED_TOPICS if topic not in subscribed]:
        text = f"no webhook subscription for {', '.join(unheard)}; what they tell is heard late or not at all"
        advice = "`store check --register-webhooks https://your.gateway` makes them (or set REKINDLE_PUBLIC_URL)"
        found.append(
            Finding(check=Check.SHOP_WEBHOOKS, subject="shopify webhooks", state="warning", text=text, advice=advice)
        )
    else:
        text = f"all {len(WANTED_TOPICS)} topics are subscribed; the privacy topics stand in the app's own settings"
        found.append(Finding(check=Check.SHOP_WEBHOOKS, subject="shopify webhooks", state="ok", text=text))
    return found


async def crm_findings(run: Run, parts: StoreParts) -> list[Finding]:
    """Whether the store's own CRM answers our question, asked about nobody; nothing for a store without one."""
    if parts.store.crm_url is None or parts.store.crm_secret is None:
        return []
    from composition import outgoing_client  # noqa: PLC0415 - see shop_access
    from providers.crm import CrmAccess, CrmClient  # noqa: PLC0415 - see shop_access
    from providers.errors import ProviderError  # noqa: PLC0415 - see shop_access

    try:
        access = CrmAccess(url=parts.store.crm_url, secret=run.cipher.decrypt(parts.store.crm_secret))
        client = CrmClient(outgoing_client(run.settings), run.clock)
        await client.has_bought(access, phone=None, external_id=_NOBODY, since=run.clock())
    except ProviderError as error:
        advice = "docs/webhooks.md says what a CRM is asked, and what it must answer"
        return [Finding(check=Check.CRM, subject="crm", state="fault", text=provider_line(error), advice=advice)]
    except SecretKeyError as error:
        return [Finding(check=Check.CRM, subject="crm", state="fault", text=str(error))]
    return [Finding(check=Check.CRM, subject="crm", state="ok", text="it answers whether somebody has bought")]


def show_findings(output: Output, findings: Sequence[Finding]) -> None:
    """The findings for a person, each with what to do."""
    for one in findings:
        style = {"ok": "green", "warning": "yellow", "fault": "red"}[one.state]
        output.line(f"{one.state:8}{one.subject}: {one.text}", style=style)
        if one.advice is not None:
            output.line(f"        {one.advice}")
