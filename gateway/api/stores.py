"""The store that a caller's key belongs to; nothing of any other can be seen."""

from http import HTTPStatus
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from gateway.api.guard import Caller
from gateway.api.problems import ApiError
from policies.zones import zone_or_none
from storage.stores import StoreParts, UnknownStoreError, store_parts


async def store_of(session: AsyncSession, caller: Caller) -> StoreParts:
    """The store with its number and shop.

    Raises:
        ApiError: it is not set up whole.
    """
    try:
        return await store_parts(session, caller.store_id)
    except UnknownStoreError:
        raise ApiError(HTTPStatus.CONFLICT, "the store has no number or no shop yet") from None


def zone_of(parts: StoreParts) -> ZoneInfo:
    """The store's time zone.

    Raises:
        ApiError: this machine does not know it.
    """
    zone = zone_or_none(parts.store.time_zone)
    if zone is None:
        raise ApiError(HTTPStatus.CONFLICT, "the store's time zone is unknown on this machine")
    return zone
