"""What a store says its currencies are worth in US dollars, for sums over currencies."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.tables import ExchangeRate, Store
from policies.exchange import Quote, Rates


@dataclass(frozen=True, slots=True)
class RateChange:
    """For how many days a rate is new, and for how many it is another one than before."""

    added: int = 0
    changed: int = 0


async def list_rates(session: AsyncSession, store_id: int, *, currency: str | None = None) -> list[Quote]:
    """The store's rates by currency, newest first."""
    query = (
        select(ExchangeRate)
        .where(ExchangeRate.store_id == store_id)
        .order_by(col(ExchangeRate.currency), col(ExchangeRate.day).desc())
    )
    if currency is not None:
        query = query.where(ExchangeRate.currency == currency)
    return [Quote(row.currency, row.day, Decimal(row.usd)) for row in await session.exec(query)]


async def rates_of(session: AsyncSession, store_id: int) -> Rates:
    """The store's rates, to convert with."""
    return Rates(await list_rates(session, store_id))


async def set_rates(session: AsyncSession, store_id: int, quotes: Iterable[Quote]) -> RateChange:
    """Write rates down, over older ones for the same currency and day.

    Args:
        session: a writing transaction.
        store_id: whose rates.
        quotes: of two for one currency and day the later one stands.
    """
    # Two imports at once would both find a day without a rate.
    await session.exec(select(Store.id).where(Store.id == store_id).with_for_update(key_share=True))
    known = {
        (row.currency, row.day): row
        for row in await session.exec(select(ExchangeRate).where(ExchangeRate.store_id == store_id))
    }
    added = changed = 0
    for (currency, day), quote in {(one.currency, one.day): one for one in quotes}.items():
        row = known.get((currency, day))
        if row is None:
            session.add(ExchangeRate(store_id=store_id, currency=currency, day=day, usd=f"{quote.usd:f}"))
            added += 1
        elif Decimal(row.usd) != quote.usd:
            row.usd = f"{quote.usd:f}"
            changed += 1
    await session.flush()
    return RateChange(added, changed)


async def remove_rate(session: AsyncSession, store_id: int, currency: str, day: date) -> bool:
    """Take one rate away; false if there was none for that day."""
    row = (
        await session.exec(
            select(ExchangeRate).where(
                ExchangeRate.store_id == store_id, ExchangeRate.currency == currency, ExchangeRate.day == day
            )
        )
    ).first()
    if row is None:
        return False
    await session.delete(row)
    return True
