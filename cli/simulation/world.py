"""The outside world of a simulation or of the embedded stack: a shop with a history, its people, and WhatsApp.

Order files keep the merchant's own ids and dates. The sandbox's shop has numbers for ids, as Shopify has, and lives
in 2030; this module holds the translation.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from models.enums import ConsentState
from models.money import Money
from models.orders_file import OrderRow, order_id_key
from models.synthetic import synthetic_person, synthetic_phones
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from storage.stores import NewStore

SHOP_DOMAIN = "sandbox-shop.myshopify.com"
PHONE_NUMBER_ID = "100000000000001"
WABA_ID = "200000000000001"
TOKEN, SECRET = "sandbox-token", "sandbox-secret"
_CURRENCY = "EUR"
_MORNING = time(8)
"""Local time of orders of the past: before the opening at 09:00, and in no zone's clock change."""


@dataclass(frozen=True, slots=True)
class FutureOrder:
    """An order of the file that happens during the simulation, `days` times 24 hours after its start."""

    customer_id: int
    order_id: int
    days: int


@dataclass(frozen=True, slots=True)
class World:
    """A shop made from an order file.

    Attributes:
        shop: the sandbox's shop, past and future orders in it.
        future: what happens during the simulation, by day.
        phone_of: E.164 by the shop's customer id.
        merchant_id_of: the file's customer id by the shop's.
        synthetic: phones that were made up, for want of any in the file.
        currency: the shop's: the most common one of the orders.
    """

    shop: ShopState
    future: tuple[FutureOrder, ...]
    phone_of: dict[int, str]
    merchant_id_of: dict[int, str]
    synthetic: frozenset[str]
    currency: str


def build_world(
    rows: Sequence[OrderRow],
    *,
    as_of: date,
    opening: datetime,
    zone: ZoneInfo,
    token: str,
    secret: str,
    currency: str = _CURRENCY,
) -> World:
    """The shop as it is at the opening.

    Orders up to and on `as_of` are its past, on the same calendar distance from the opening's day. One dated k days
    later happens exactly k times 24 hours after the opening. Customers whose first order is later do not exist yet.

    Args:
        rows: the file.
        as_of: its day that counts as today.
        opening: the simulation's first moment.
        zone: the store's.
        token: what opens the shop's Admin API.
        secret: what signs its webhooks.
        currency: the shop's, where no order tells.
    """
    if rows:
        currency = Counter(row.currency for row in rows).most_common(1)[0][0]
    shop = ShopState(
        domain=SHOP_DOMAIN, token=token, secret=secret, name="Sandbox shop", time_zone=zone.key, currency=currency
    )
    numbers = _customer_numbers({row.customer_id for row in rows})
    people = _people(rows, numbers, opening)
    shop.load(people.records, _orders(rows, numbers, as_of=as_of, opening=opening, zone=zone))
    future = tuple(
        FutureOrder(numbers[row.customer_id], number, (row.ordered_on - as_of).days)
        for number, row in _numbered(rows)
        if row.ordered_on > as_of
    )
    return World(
        shop=shop,
        future=future,
        phone_of={record.id: record.phone for record in people.records if record.phone is not None},
        merchant_id_of={number: merchant_id for merchant_id, number in numbers.items()},
        synthetic=people.synthetic,
        currency=currency,
    )


def sandbox_store(
    slug: str, *, time_zone: str, currency: str, shop_url: str, whatsapp_url: str | None, salt: str | None
) -> NewStore:
    """The store that sells in the sandbox's shop and writes from its number.

    Args:
        slug: its name.
        time_zone: IANA name.
        currency: ISO code.
        shop_url: where the sandbox's shop is.
        whatsapp_url: where the sandbox's WhatsApp is, unless the process knows it anyway.
        salt: of its draws; None draws one.
    """
    return NewStore(
        slug=slug,
        time_zone=time_zone,
        currency=currency,
        languages=("en", "es", "pt_BR"),
        default_region="DE",
        phone_number_id=PHONE_NUMBER_ID,
        waba_id=WABA_ID,
        portfolio_id=None,
        whatsapp_token=TOKEN,
        whatsapp_app_secret=SECRET,
        whatsapp_verify_token=SECRET,
        shop_domain=SHOP_DOMAIN,
        shop_token=TOKEN,
        shop_webhook_secrets=(SECRET,),
        shop_endpoint=shop_url,
        whatsapp_endpoint=whatsapp_url,
        salt=salt,
    )


def _customer_numbers(ids: set[str]) -> dict[str, int]:
    """The shop's number of each of the file's customers, in the order of the file's ids.

    Ids of digits keep their value, unless two of them are the same number written differently.
    """
    if all(one.isascii() and one.isdigit() and int(one) > 0 for one in ids) and len({int(one) for one in ids}) == len(
        ids
    ):
        return {one: int(one) for one in ids}
    return {one: number for number, one in enumerate(sorted(ids), start=1)}


def _numbered(rows: Sequence[OrderRow]) -> Iterable[tuple[int, OrderRow]]:
    """The rows with numbers in the order of the file's order ids: the highest id stays the highest."""
    return enumerate(sorted(rows, key=lambda row: order_id_key(row.order_id)), start=1_000_001)


@dataclass(frozen=True, slots=True)
class _People:
    records: list[CustomerRecord]
    synthetic: frozenset[str]


def _people(rows: Sequence[OrderRow], numbers: dict[str, int], opening: datetime) -> _People:
    told: dict[str, OrderRow] = {}
    for row in rows:
        known = told.get(row.customer_id)
        if known is None or (row.phone, row.first_name, row.consent) != (None, None, None):
            told[row.customer_id] = row
    phones = {merchant_id: row.phone for merchant_id, row in told.items() if row.phone is not None}
    made_up = synthetic_phones(
        (merchant_id for merchant_id, row in told.items() if row.phone is None), taken=frozenset(phones.values())
    )
    consented_at = opening - timedelta(days=365)
    records = []
    for merchant_id, row in told.items():
        person = synthetic_person(merchant_id)
        records.append(
            CustomerRecord(
                id=numbers[merchant_id],
                first_name=row.first_name if row.first_name is not None else person.first_name,
                phone=(phones.get(merchant_id) or None) if merchant_id in phones else made_up[merchant_id],
                consent=row.consent if row.consent is not None else person.consent,
                consent_updated_at=consented_at if row.consent is not ConsentState.NEVER_SUBSCRIBED else None,
            )
        )
    return _People(records, frozenset(made_up.values()))


def _orders(
    rows: Sequence[OrderRow], numbers: dict[str, int], *, as_of: date, opening: datetime, zone: ZoneInfo
) -> Iterable[OrderRecord]:
    opening_day = opening.astimezone(zone).date()
    for number, row in _numbered(rows):
        days = (row.ordered_on - as_of).days
        if days > 0:
            at = opening + timedelta(hours=24 * days)
        else:
            at = datetime.combine(opening_day + timedelta(days=days), _MORNING, zone).astimezone(UTC)
        yield OrderRecord(
            id=number,
            customer_id=numbers[row.customer_id],
            created_at=at,
            total=Decimal(Money(row.total_minor, row.currency).amount),
            currency=row.currency,
            discount_codes=(row.discount_code,) if row.discount_code else (),
        )
