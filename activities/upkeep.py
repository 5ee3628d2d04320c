"""A store's upkeep: orders that no webhook told, consents for the shop, erasures, mails, lost watches, old records.

One activity does a page of each, on the shop's own queue; whatever is left is asked for again at once. Everything is
written in the same way as if a webhook had brought it, so reading an order twice changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from temporalio import activity

from activities.errors import is_closed_door, to_application_error
from activities.going_live import ensure_audiences
from activities.heartbeats import with_signs_of_life
from activities.mails import send_mails
from activities.schedules import ensure_schedules
from activities.services import Services, started_at
from activities.shop_orders import order_piece
from activities.watch import ensure_watches
from models.orchestration import UpkeepReport, UpkeepRound
from providers.errors import NotSent, ProviderError, Rejected, Throttled
from providers.shopify.records import OrderUpdate
from storage.credits import left_behind, put_right
from storage.decisions import forget_decisions, old_decisions
from storage.ingest_shopify import apply_piece
from storage.mails import next_mail_at
from storage.privacy import fulfil_page
from storage.recipient_windows import forget_old
from storage.stop_loss import check_store_losses
from storage.stores import StoreParts, required_id, store_parts, suppression_key
from storage.upkeep import (
    DueConsent,
    due_consents,
    move_orders_cursor,
    next_consent_at,
    prune,
    put_off_consent,
    settle_consent,
)

log = structlog.get_logger(__name__)

_OVERLAP: Final = timedelta(minutes=10)
"""How far before the cursor a look begins: Shopify's search index may lag, and its clock may differ from ours."""
_FIRST_LOOK: Final = timedelta(days=1)
_SOURCE: Final = "reconciliation"


class UpkeepActivities:
    """What UpkeepWorkflow asks of the shop and the database."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    @with_signs_of_life
    async def keep_up(self, ask: UpkeepRound) -> UpkeepReport:
        """One round, page by page."""
        now = started_at()
        async with self._services.database.read() as session:
            parts = await store_parts(session, ask.store_id)
        more_to_erase = await self._erase(parts, now=now)
        if parts.store.credits is not None:
            await self._put_charges_right(parts.id, now=now)
        consents, more = await self._tell_consents(parts, now=now)
        await ensure_audiences(self._services, parts.id)
        await ensure_schedules(self._services, parts.id, now=now)
        async with self._services.database.write() as session:
            await check_store_losses(session, parts.id, now=now)
        more_mails = await send_mails(self._services, parts, now=now)
        orders = pruned = 0
        if ask.full:
            await ensure_watches(self._services, parts.id)
            orders = await self._reconcile(parts, now=now)
            pruned = await self._prune(now=now) + await self._forget_decisions(parts.id, now=now)
            async with self._services.database.write() as session:
                await forget_old(session, parts.number, now=now)
        async with self._services.database.read() as session:
            moments = [await next_consent_at(session, parts.id), await next_mail_at(session, parts.id)]
        return UpkeepReport(
            orders=orders,
            consents=consents,
            pruned=pruned,
            more=more or more_to_erase or more_mails,
            next_at=min((one for one in moments if one is not None), default=None),
        )

    async def _erase(self, parts: StoreParts, *, now: datetime) -> bool:
        """Erase a page of the people of a shop that has left for good; whether another page is left."""
        key = suppression_key(parts.store, self._services.cipher)
        async with self._services.database.write() as session:
            return await fulfil_page(session, parts.id, suppression_key=key, now=now)

    async def _put_charges_right(self, store_id: int, *, now: datetime) -> None:
        """Settle or release credits that a crash or a late status has left reserved, each by itself."""
        async with self._services.database.read() as session:
            lines = await left_behind(session, store_id, now=now)
        for line_id in lines:
            async with self._services.database.write() as session:
                await put_right(session, line_id, now=now)

    async def _reconcile(self, parts: StoreParts, *, now: datetime) -> int:
        """Read every order that changed since the cursor; a shop that cannot be read now is read the next time."""
        since = (parts.shop.orders_cursor or now - _FIRST_LOOK) - _OVERLAP
        access, after, read = self._services.shop_access(parts.shop), None, 0
        while True:
            try:
                page = await self._services.shopify.orders_updated_since(access, since, after)
            except ProviderError as error:
                if is_closed_door(error):
                    log.warning("orders cannot be reconciled: the shop refuses us", store=parts.id)
                    return read
                raise to_application_error(error) from None
            await self._take(parts, page.items, now=now)
            read += len(page.items)
            after = page.next_cursor
            async with self._services.database.write() as session:
                reached = now if after is None else page.items[-1].updated_at
                await move_orders_cursor(session, required_id(parts.shop.id), reached, now=now)
            if after is None:
                return read

    async def _take(self, parts: StoreParts, orders: Sequence[OrderUpdate], *, now: datetime) -> None:
        """Each order in a transaction of its own: one that cannot be read must not hold the others back."""
        for order in orders:
            piece = order_piece(order, parts.id, parts.store.default_region)
            key = f"order:{order.id}:{order.updated_at.isoformat()}"
            async with self._services.database.write() as session:
                await apply_piece(session, parts.id, piece, key=key, received_at=now, source=_SOURCE)

    async def _tell_consents(self, parts: StoreParts, *, now: datetime) -> tuple[int, bool]:
        """Tell the shop of a page of withdrawn consents; how many it took, and whether another page is due."""
        async with self._services.database.read() as session:
            page = await due_consents(session, parts.id, now=now)
        told = 0
        for due in page:
            outcome = await self._tell(parts, due)
            async with self._services.database.write() as session:
                if outcome.startswith(_LATER):
                    await put_off_consent(session, due, why=outcome.removeprefix(_LATER), now=now)
                else:
                    await settle_consent(session, due.id, outcome=outcome, now=now)
            told += outcome == _TOLD
        async with self._services.database.read() as session:
            return told, bool(await due_consents(session, parts.id, now=now))

    async def _tell(self, parts: StoreParts, due: DueConsent) -> str:
        """What came of telling the shop, in a word."""
        if not due.holds:
            return "superseded"
        if due.customer_external_id is None or not due.customer_external_id.isdigit():
            return "not a customer of the shop"
        access = self._services.shop_access(parts.shop)
        try:
            await self._services.shopify.set_whatsapp_consent(access, int(due.customer_external_id), due.state, due.at)
        except ProviderError as error:
            # Whatever is not a plain no is asked again: writing the same consent twice changes nothing.
            refused = isinstance(error, Rejected) and not error.transient and not is_closed_door(error)
            if refused and not isinstance(error, NotSent | Throttled):
                log.warning("the shop refuses a withdrawn consent", store=parts.id, reason=error.name)
                return f"refused: {error.name}"
            return f"{_LATER}{error.name}"
        return _TOLD

    async def _prune(self, *, now: datetime) -> int:
        pruned = 0
        while True:
            async with self._services.database.write() as session:
                gone = await prune(session, raw_before=now - self._services.raw_retention, now=now)
            pruned += gone
            if gone == 0:
                return pruned

    async def _forget_decisions(self, store_id: int, *, now: datetime) -> int:
        """Throw entry decisions away that are beyond their time, looked for without holding anybody up."""
        before, after, forgotten = now - self._services.decision_retention, None, 0
        while True:
            async with self._services.database.read() as session:
                page = await old_decisions(session, store_id, before=before, after=after)
            if page.ids:
                async with self._services.database.write() as session:
                    forgotten += await forget_decisions(session, page.ids)
            after = page.after
            if after is None:
                return forgotten


_TOLD: Final = "told"
_LATER: Final = "later: "
