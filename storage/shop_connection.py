"""A shop that does not let us in: its store's journeys pause, and go on when it answers again."""

from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import PauseCause, StoreEventKind
from models.tables import Shop
from storage.pausing import pause_by_itself, resume_by_itself
from storage.store_events import record_store_event


async def shop_is_gone(session: AsyncSession, shop_id: int, *, now: datetime) -> None:
    """The token is revoked, the app was removed, or the shop is frozen or closed: a person must act."""
    shop = await _locked(session, shop_id)
    if shop is None:
        return
    if shop.credential_ok:
        shop.credential_ok = False
        await record_store_event(
            session,
            shop.store_id,
            StoreEventKind.CREDENTIAL_REFUSED,
            dedupe_key=f"credential.refused:shop:{shop_id}:{now.isoformat()}",
            at=now,
            detail={
                "service": "shopify",
                "text": "The shop does not let us in. Install the app again and enter its new token, or reopen the "
                "shop; sending goes on by itself.",
            },
        )
    await pause_by_itself(session, shop.store_id, PauseCause.SHOP_DISCONNECTED, now=now)


async def shop_is_back(session: AsyncSession, shop_id: int, *, now: datetime) -> None:
    """Only an app that is installed gets an answer."""
    shop = await _locked(session, shop_id)
    if shop is None:
        return
    shop.credential_ok, shop.uninstalled_at = True, None
    await resume_by_itself(session, shop.store_id, PauseCause.SHOP_DISCONNECTED, now=now)


async def _locked(session: AsyncSession, shop_id: int) -> Shop | None:
    found = await session.exec(
        select(Shop).where(col(Shop.id) == shop_id).with_for_update().execution_options(populate_existing=True)
    )
    return found.first()
