"""One store's health: what Meta and Shopify say of its templates, its number and its credentials."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession
from temporalio import activity

from activities.going_live import let_go_live
from activities.outcomes import number_key, shop_key, template_key
from activities.services import Services, started_at
from models.enums import SENDABLE_TEMPLATE_STATUSES, PauseCause
from models.orchestration import HealthReport, StoreRef
from models.tables import Number, Shop, Store
from policies.allowance import forbids_marketing
from policies.sender import SenderState, sender_state
from providers.errors import CredentialRefused, ProviderError
from providers.whatsapp.wire import PhoneNumberHealth
from providers.whatsapp.wire import Template as ListedTemplate
from storage.credits import covers, credits_key
from storage.events import add_broadcast
from storage.number_news import note_limit, note_quality
from storage.pausing import resume_by_itself
from storage.senders import by_code, end_pause, let_probe, locked_number, note_paid, pause_of, refuse_credential
from storage.shop_connection import shop_is_back, shop_is_gone
from storage.stores import StoreParts, required_id, store_parts
from storage.template_states import block_key, is_block_key
from storage.templates import TemplateFacts, held_keys, mirror, templates_of


class HealthActivities:
    """What HealthWorkflow asks of the services; `starter.py doctor` and `templates` ask the same."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def check_store(self, ask: StoreRef) -> HealthReport:
        """Bring the mirror up to date, release whoever waits for what is well again, let pending journeys go live."""
        now = started_at()
        # What a webhook has just told may be newer than what Meta lists, so the mirror is asked before it is renewed.
        await let_go_live(self._services, ask.store_id, now=now)
        report = await check_store(self._services, ask.store_id, now=now)
        await let_go_live(self._services, ask.store_id, now=now)
        return report


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
        number = await locked_number(session, required_id(parts.number.id))
        shop = await session.get(Shop, parts.shop.id, populate_existing=True)
        was_well = number is not None and _is_well(number)
        if number is not None and number_ok is not None:
            await _note_credential(session, number, health, ok=number_ok, now=now)
            number.checked_at = now
            if health is not None:
                await _note_number(session, number, health, now=now)
        if shop is not None and shop_ok is not None:
            await (shop_is_back if shop_ok else shop_is_gone)(session, required_id(shop.id), now=now)
            shop.sees_all_orders = sees_all
            shop.checked_at = now
        await session.flush()
        templates = await templates_of(session, parts.number.waba_id)
        well = {
            template_key(parts.number.waba_id, one.name, one.language)
            for one in templates
            if one.status in SENDABLE_TEMPLATE_STATUSES
        }
        blocked = {block_key(one, version) for one in templates for version in one.blocks}
        # Whoever waits for a red number to be better would only wait again.
        if number is not None and _is_well(number) and not (was_well and forbids_marketing(number.quality)):
            well.add(number_key(number.phone_number_id))
        if shop is not None and shop.credential_ok:
            well.add(shop_key(shop.domain))
        held = await held_keys(session, store_id)
        well |= {key for key in held if is_block_key(key) and key not in blocked}
        store = await session.get(Store, store_id, populate_existing=True)
        if store is not None and covers(store, 1, beside=store.generation_credits):
            well.add(credits_key(store_id))
        released = sorted(well & held)
        for key in released:
            add_broadcast(session, key, now=now)
    return HealthReport(
        templates=len(listed) if listed is not None else 0, released=len(released), faults=tuple(faults)
    )


async def _note_credential(
    session: AsyncSession, number: Number, health: PhoneNumberHealth | None, *, ok: bool, now: datetime
) -> None:
    """Whether Meta takes the token, and whether a pause of the number is over."""
    number_id = required_id(number.id)
    if not ok:
        await refuse_credential(session, number_id, None, now=now)
        return
    number.credential_ok = True
    await resume_by_itself(session, number.store_id, PauseCause.CREDENTIAL_REFUSED, now=now)
    pause = pause_of(number)
    if health is not None and health.may_send and by_code(number):
        # Meta itself says that nothing keeps the number from sending any more.
        await end_pause(session, number_id, now=now)
    elif sender_state(pause, now) is SenderState.PROBE and not await let_probe(session, number, now=now):
        # Nobody waits, so the next message that is due shows whether it may go.
        await end_pause(session, number_id, now=now)
    elif pause is None:
        await note_paid(session, number, now=now)


def _is_well(number: Number) -> bool:
    return number.credential_ok and number.paused_reason is None


async def _note_number(session: AsyncSession, number: Number, health: PhoneNumberHealth, *, now: datetime) -> None:
    """What Meta says of the number today; webhooks tell changes sooner, and this makes a lost one good.

    What one has told since Meta was asked is known better.
    """
    number.display_phone = health.phone or number.display_phone
    number.throughput = (health.throughput_level or number.throughput or "")[:40] or None
    if number.quality_at is None or number.quality_at <= now:
        await note_quality(session, number, health.quality_rating, at=now, now=now)
    if health.told_limit is not None and (number.limit_at is None or number.limit_at <= now):
        note_limit(session, number, health.told_limit, at=now, now=now)


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
