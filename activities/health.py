"""One store's health: what Meta and Shopify say of its templates, its number and its credentials."""

from datetime import datetime

from temporalio import activity

from activities.outcomes import number_key, shop_key, template_key
from activities.services import Services, started_at
from models.enums import SENDABLE_TEMPLATE_STATUSES
from models.orchestration import HealthReport, StoreRef
from models.tables import Number, Shop
from providers.errors import CredentialRefused, ProviderError
from providers.whatsapp.wire import PhoneNumberHealth
from providers.whatsapp.wire import Template as ListedTemplate
from storage.events import add_broadcast
from storage.stores import StoreParts, store_parts
from storage.templates import TemplateFacts, held_keys, mirror, templates_of


class HealthActivities:
    """What HealthWorkflow asks of the services; `starter.py doctor` and `templates` ask the same."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def check_store(self, ask: StoreRef) -> HealthReport:
        """Bring the mirror up to date and release whoever waits for what is well again."""
        return await check_store(self._services, ask.store_id, now=started_at())


async def check_store(services: Services, store_id: int, *, now: datetime) -> HealthReport:
    """The check itself; a service that cannot be asked is a fault in the report, not an exception."""
    async with services.database.read() as session:
        parts = await store_parts(session, store_id)
    faults: list[str] = []
    listed, health, number_ok = await _ask_whatsapp(services, parts, faults)
    shop_ok, sees_all = await _ask_shop(services, parts, faults)
    async with services.database.write() as session:
        if listed is not None:
            await mirror(session, parts.number.waba_id, [template_facts(one) for one in listed], now=now)
        number = await session.get(Number, parts.number.id, populate_existing=True)
        shop = await session.get(Shop, parts.shop.id, populate_existing=True)
        if number is not None and number_ok is not None:
            if number_ok and number.paused_until is not None and number.paused_until <= now:
                # Meta refused this number a day ago or longer. The next send shows whether it still does.
                number.paused_reason = number.paused_until = None
            number.credential_ok = number_ok
            number.checked_at = now
            if health is not None:
                _note_number(number, health, now=now)
        if shop is not None and shop_ok is not None:
            shop.credential_ok = shop_ok
            if shop_ok:
                # Only an app that is installed gets an answer.
                shop.uninstalled_at = None
            shop.sees_all_orders = sees_all
            shop.checked_at = now
        await session.flush()
        well = {
            template_key(parts.number.waba_id, one.name, one.language)
            for one in await templates_of(session, parts.number.waba_id)
            if one.status in SENDABLE_TEMPLATE_STATUSES
        }
        if number is not None and number.credential_ok and number.paused_reason is None:
            well.add(number_key(number.phone_number_id))
        if shop is not None and shop.credential_ok:
            well.add(shop_key(shop.domain))
        released = sorted(well & await held_keys(session, store_id))
        for key in released:
            add_broadcast(session, key, now=now)
    return HealthReport(
        templates=len(listed) if listed is not None else 0, released=len(released), faults=tuple(faults)
    )


def _note_number(number: Number, health: PhoneNumberHealth, *, now: datetime) -> None:
    """What Meta says of the number today; webhooks tell changes sooner, and this makes a lost one good."""
    number.display_phone = health.phone or number.display_phone
    number.quality, number.quality_at = health.quality_rating, now
    if health.told_limit is not None:
        number.daily_limit, number.limit_at = health.told_limit, now


async def _ask_whatsapp(
    services: Services, parts: StoreParts, faults: list[str]
) -> tuple[list[ListedTemplate] | None, PhoneNumberHealth | None, bool | None]:
    """The templates, the number's health, and whether the credential works; None where nobody could say."""
    try:
        token = services.number_token(parts.number)
        listed = await services.whatsapp.templates(parts.number.waba_id, token, endpoint=parts.number.endpoint)
        health = await services.whatsapp.phone_number(
            parts.number.phone_number_id, token, endpoint=parts.number.endpoint
        )
    except CredentialRefused as error:
        faults.append(str(error))
        return None, None, False
    except ProviderError as error:
        faults.append(str(error))
        return None, None, None
    return listed, health, True


async def _ask_shop(services: Services, parts: StoreParts, faults: list[str]) -> tuple[bool | None, bool | None]:
    try:
        info = await services.shopify.shop(services.shop_access(parts.shop))
    except CredentialRefused as error:
        faults.append(str(error))
        return False, None
    except ProviderError as error:
        faults.append(str(error))
        return None, None
    return True, info.has_all_orders


def template_facts(listed: ListedTemplate) -> TemplateFacts:
    """Meta's template in the mirror's words."""
    return TemplateFacts(
        name=listed.name,
        language=listed.language,
        status=listed.status,
        category=listed.category,
        named_variables=listed.parameter_format.upper() == "NAMED",
        variables=listed.variables,
        copy_code_index=listed.copy_code_index,
        body=listed.body,
    )
