"""A page of a shop's customers, read whole although the shop throttles.

A page is a handful of requests, and a shop restores what they cost more slowly than we could ask (Shopify: 100 points a
second, of which a page costs over a thousand). What a throttled request asks for is asked again by itself: to begin
the page anew would pay for the first half of it each time, and never get to the second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Final, TypeVar

from providers.errors import Throttled
from providers.shopify.client import CUSTOMERS_PER_REQUEST, ShopifyClient
from providers.shopify.records import Page, ShopAccess, ShopCustomer

_PATIENCE: Final = timedelta(minutes=2)
"""How long a page waits for a shop in all; whoever asked for it has more."""
_LEAST: Final = timedelta(milliseconds=100)

AnswerT = TypeVar("AnswerT")


class _Patience:
    """What is left of the time that a page may wait."""

    def __init__(self) -> None:
        self._left = _PATIENCE

    async def ask(self, request: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Ask until the shop has enough to answer, or the time is over."""
        while True:
            try:
                return await request()
            except Throttled as error:
                pause = max(error.retry_after, _LEAST)
                if pause > self._left:
                    raise
                self._left -= pause
                await asyncio.sleep(pause.total_seconds())


async def read_lapsed(
    shopify: ShopifyClient,
    access: ShopAccess,
    *,
    inactive_days: int,
    inactive_days_max: int | None,
    time_zone: str,
    after: str | None,
) -> Page[ShopCustomer]:
    """The customers of a page of `lapsed_customers`, whose arguments these are.

    Raises:
        ProviderError: the shop could not be read, or throttled for too long.
    """
    patience = _Patience()
    members = await patience.ask(
        lambda: shopify.lapsed_customers(
            access, inactive_days=inactive_days, inactive_days_max=inactive_days_max, time_zone=time_zone, after=after
        )
    )
    people = await _people(patience, shopify, access, [member.customer_id for member in members.items])
    return Page(items=tuple(people), next_cursor=members.next_cursor, total=members.total)


async def read_people(shopify: ShopifyClient, access: ShopAccess, ids: Sequence[int]) -> list[ShopCustomer]:
    """These customers as the shop has them now; whom it does not know is left out.

    Raises:
        ProviderError: the shop could not be read, or throttled for too long.
    """
    return await _people(_Patience(), shopify, access, ids)


async def _people(
    patience: _Patience, shopify: ShopifyClient, access: ShopAccess, ids: Sequence[int]
) -> list[ShopCustomer]:
    people: list[ShopCustomer] = []
    for start in range(0, len(ids), CUSTOMERS_PER_REQUEST):
        some = ids[start : start + CUSTOMERS_PER_REQUEST]
        people += await patience.ask(partial(shopify.customers, access, some))
    return people
