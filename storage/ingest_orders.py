"""One webhook request of a shop's, in one transaction: the raw update and, where it is an order, what that does."""

from dataclasses import dataclass

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState
from models.tables import Customer
from storage.engine import Database
from storage.ingest import Delivery, Ingested, insert_new, store_delivery
from storage.orders import OrderFacts, apply_order


@dataclass(frozen=True, slots=True)
class OrderPiece:
    """An order and who placed it: the shop's customer id, the phone (E.164), either of which may be missing."""

    store_id: int
    customer_external_id: str | None
    phone: str | None
    facts: OrderFacts


async def ingest_shopify(database: Database, delivery: Delivery, order: OrderPiece | None) -> Ingested:
    """Store the request and bring its order up to date; a request that was stored before changes nothing.

    Raises:
        DatabaseUnavailableError: the database cannot be reached; nothing is stored.
    """
    async with database.write() as session:
        if not await store_delivery(session, delivery):
            return Ingested(duplicate=True)
        if order is None:
            return Ingested()
        customer = await _buyer(session, order)
        if customer is None:
            return Ingested()
        await apply_order(session, customer, order.facts, received_at=delivery.received_at, source="shopify")
        return Ingested(applied=1)


async def _buyer(session: AsyncSession, order: OrderPiece) -> Customer | None:
    """The locked customer who placed the order.

    Nobody we know and no customer id means an order of a stranger, which is no journey's business.
    """
    customer = await _find_locked(session, order)
    if customer is None and order.customer_external_id is not None:
        row = {
            "store_id": order.store_id,
            "external_id": order.customer_external_id,
            "phone": order.phone,
            "phone_synthetic": False,
            "consent": ConsentState.NEVER_SUBSCRIBED,
        }
        await insert_new(session, Customer, [row], returning="id")
        customer = await _find_locked(session, order)
    if customer is None:
        return None
    if customer.external_id is None and order.customer_external_id is not None and customer.erased_at is None:
        # Met on WhatsApp before the shop told us who it is.
        customer.external_id = order.customer_external_id
    return customer


async def _find_locked(session: AsyncSession, order: OrderPiece) -> Customer | None:
    of_store = select(Customer).where(Customer.store_id == order.store_id).with_for_update()
    found: Customer | None = None
    if order.customer_external_id is not None:
        known = of_store.where(Customer.external_id == order.customer_external_id)
        found = (await session.exec(known)).first()
    if found is None and order.phone is not None:
        found = (await session.exec(of_store.where(Customer.phone == order.phone))).first()
    return found
