"""The document of `rates`."""

from datetime import date

from pydantic import Field

from models.tables import Store
from policies.exchange import Quote
from reports.documents import Document


class RateLine(Document):
    """What one unit of a currency is worth in US dollars, from a day on until the next one."""

    currency: str
    on: date
    usd: str = Field(pattern=r"^\d+(\.\d+)?$")


class RatesDocument(Document):
    """`rates`: the store's rates by currency, newest first, and what the command changed of them."""

    store: str
    rates: list[RateLine]
    added: int
    changed: int
    removed: int


def rates_document(
    store: Store, quotes: list[Quote], *, added: int = 0, changed: int = 0, removed: int = 0
) -> RatesDocument:
    """The document."""
    lines = [RateLine(currency=one.currency, on=one.day, usd=f"{one.usd:f}") for one in quotes]
    return RatesDocument(store=store.slug, rates=lines, added=added, changed=changed, removed=removed)
