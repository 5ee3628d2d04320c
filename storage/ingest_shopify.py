"""One webhook request of a shop's, in one transaction: the raw update and everything that follows from it.

What the shop says comes late, twice and in any order. Each kind of news is applied by rules of its own module; here
stands who is meant, and in which order the locks are taken: the update's row, then customers.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import ConsentState, EnrollmentState, EventKind, ExitReason, PrivacyRequestKind
from models.orchestration import Wake
from models.tables import Customer, Shop
from storage.checkouts import apply_checkout, delete_checkout, find_checkout
from storage.customers import lock_customer
from storage.engine import Database
from storage.enrollments import open_enrollment
from storage.erasure import erase_person
from storage.events import add_intent, record_event
from storage.ingest import Delivery, Ingested, insert_new, store_deliveries
from storage.intents import wrote_intents
from storage.merging import merge_customers
from storage.opt_outs import change_consent, upkeep_workflow_id
from storage.orders import apply_order, apply_refund
from storage.privacy import fulfil_page, note_request
from storage.raw_bodies import empty_body
from storage.refunds import OrderedMeanwhileError, RefundFacts, expect_order, find_order, record_refund
from storage.shop_connection import shop_is_gone
from storage.shop_pieces import (
    CheckoutDeletedPiece,
    CheckoutPiece,
    ConsentPiece,
    CustomerDeletedPiece,
    CustomerPiece,
    DataRequestPiece,
    MergePiece,
    OrderPiece,
    RedactPiece,
    RefundPiece,
    ShopifyRequest,
    ShopPiece,
    ShopRedactPiece,
    UninstalledPiece,
)
from storage.shoppers import Shopper, find_both, find_shopper, lock_shoppers, meet_shopper, update_shopper
from storage.stores import required_id

_TRIES = 5
_SOURCE = "shopify"


async def ingest_shopify(
    database: Database, delivery: Delivery, piece: ShopPiece | None, *, sent_at: datetime | None = None
) -> Ingested:
    """Store the request and what follows from it; a request that was stored before changes nothing.

    The arguments are those of `ShopifyRequest`.

    Raises:
        DatabaseUnavailableError: the database cannot be reached; nothing is stored.
    """
    (done,) = await ingest_shopify_together(database, [ShopifyRequest(delivery, piece, sent_at)])
    return done


async def ingest_shopify_together(database: Database, requests: Sequence[ShopifyRequest]) -> list[Ingested]:
    """Store several requests in one transaction, one after the other; what each of them did.

    Raises:
        DatabaseUnavailableError: the database cannot be reached; nothing is stored.
    """
    for _ in range(_TRIES):
        try:
            async with database.write() as session:
                return await _ingest(session, requests)
        except OrderedMeanwhileError:
            continue
    raise OrderedMeanwhileError


async def _ingest(session: AsyncSession, requests: Sequence[ShopifyRequest]) -> list[Ingested]:
    stored = await store_deliveries(session, [one.delivery for one in requests])
    fresh = [request for request, new in zip(requests, stored, strict=True) if new]
    for one in sorted(fresh, key=lambda one: one.delivery.store_id or 0):
        if one.sent_at is not None and not isinstance(one.piece, UninstalledPiece | RedactPiece | ShopRedactPiece):
            await _note_installed(session, one.delivery.store_id, one.sent_at)
    if len(fresh) > 1:
        await lock_shoppers(
            session, [one.piece.buyer for one in fresh if isinstance(one.piece, OrderPiece | CheckoutPiece)]
        )
    done = [
        await _apply(session, request) if new else Ingested(duplicate=True)
        for request, new in zip(requests, stored, strict=True)
    ]
    return [replace(one, told=True) for one in done] if await wrote_intents(session) else done


async def _apply(session: AsyncSession, request: ShopifyRequest) -> Ingested:
    delivery, piece = request.delivery, request.piece
    if delivery.store_id is None or piece is None:
        return Ingested()
    customer = await apply_piece(session, delivery.store_id, piece, key=delivery.key, received_at=delivery.received_at)
    if customer is not None and customer.erased_at is not None:
        # The shop may go on telling of somebody whom it asked us to forget.
        await empty_body(session, delivery.source, delivery.key)
    return Ingested(applied=1)


async def apply_piece(
    session: AsyncSession, store_id: int, piece: ShopPiece, *, key: str, received_at: datetime, source: str = _SOURCE
) -> Customer | None:
    """Put one piece of a shop's news into effect; the reconciliation uses it without a request of the shop's.

    Args:
        session: a writing transaction.
        store_id: whose shop it is.
        piece: what it says.
        key: the same for every repetition.
        received_at: the time.
        source: where it came from.

    Returns:
        The customer whom it is about, locked, if there is one.

    Raises:
        OrderedMeanwhileError: the transaction must be run again.
    """
    match piece:
        case OrderPiece():
            return await _order(session, piece, received_at=received_at, source=source)
        case RefundPiece():
            return await _refund(session, store_id, piece.facts)
        case CheckoutPiece():
            return await _checkout(session, store_id, piece, received_at=received_at, source=source)
        case CheckoutDeletedPiece():
            await delete_checkout(session, store_id, external_id=piece.external_id, token=piece.token, now=received_at)
        case CustomerPiece():
            return await update_shopper(session, piece.customer, at=piece.at, now=received_at)
        case CustomerDeletedPiece():
            return await _customer_deleted(session, store_id, piece.external_id, received_at=received_at)
        case MergePiece():
            return await _merge(session, store_id, piece, received_at=received_at)
        case ConsentPiece():
            return await _consent(session, piece, key=key, received_at=received_at, source=source)
        case UninstalledPiece():
            await _uninstalled(session, store_id, piece.at)
        case DataRequestPiece():
            await _data_request(session, store_id, piece, received_at=received_at)
        case RedactPiece():
            await _redact(session, store_id, piece, key=key, received_at=received_at)
        case ShopRedactPiece():
            await _redact_shop(session, store_id, piece, key=key, received_at=received_at)
        case _:
            assert_never(piece)
    return None


async def _order(session: AsyncSession, piece: OrderPiece, *, received_at: datetime, source: str) -> Customer | None:
    if piece.buyer.external_id is not None:
        customer: Customer | None = await meet_shopper(session, piece.buyer, now=received_at)
    else:
        customer = await find_shopper(session, piece.buyer)
    # Nobody we know and no customer id: an order of a stranger, which is no journey's business.
    if customer is not None:
        await apply_order(session, customer, piece.facts, received_at=received_at, source=source)
    return customer


async def _refund(session: AsyncSession, store_id: int, facts: RefundFacts) -> Customer | None:
    order = await find_order(session, store_id, facts.order_external_id)
    if order is None:
        await record_refund(session, store_id, facts)
        await expect_order(session, store_id, facts.order_external_id)
        return None
    customer = await lock_customer(session, order.customer_id)
    order = await find_order(session, store_id, facts.order_external_id) or order
    await apply_refund(session, customer, order, facts)
    return customer


async def _checkout(
    session: AsyncSession, store_id: int, piece: CheckoutPiece, *, received_at: datetime, source: str
) -> Customer | None:
    customer: Customer | None = None
    if piece.buyer.external_id is not None or piece.buyer.phone is not None:
        customer = await meet_shopper(session, piece.buyer, now=received_at)
    else:
        known = await find_checkout(session, store_id, token=piece.facts.token, external_id=piece.facts.external_id)
        if known is not None and known.customer_id is not None:
            customer = await lock_customer(session, known.customer_id)
    await apply_checkout(session, store_id, customer, piece.facts, received_at=received_at, source=source)
    return customer


async def _customer_deleted(
    session: AsyncSession, store_id: int, external_id: str, *, received_at: datetime
) -> Customer | None:
    """The shop has no such customer any more: whatever runs ends. It is no wish of the customer's, so consent stays."""
    customer = await find_shopper(session, Shopper(store_id, external_id))
    if customer is None or customer.external_id != external_id:
        # Unknown, or merged into another one who is a customer still.
        return customer
    enrollment = await open_enrollment(session, required_id(customer.id))
    if enrollment is not None and enrollment.state is not EnrollmentState.CONTROL:
        await record_event(
            session,
            customer,
            kind=EventKind.STOP,
            exit_reason=ExitReason.NO_LONGER_ELIGIBLE,
            occurred_at=received_at,
            received_at=received_at,
            source=_SOURCE,
            dedupe_key=f"deleted:{enrollment.id}",
            enrollment_id=enrollment.id,
        )
    return customer


async def _merge(session: AsyncSession, store_id: int, piece: MergePiece, *, received_at: datetime) -> Customer:
    # Both are made if nobody knows them, so that what comes later for the one finds the other.
    rows = [
        {
            "store_id": store_id,
            "external_id": external_id,
            "phone_synthetic": False,
            "consent": ConsentState.NEVER_SUBSCRIBED,
        }
        for external_id in sorted((piece.kept, piece.gone))
    ]
    await insert_new(session, Customer, rows, returning="id")
    kept, gone = await find_both(session, store_id, piece.kept, piece.gone)
    await merge_customers(session, kept, gone, now=received_at)
    return kept


async def _consent(
    session: AsyncSession, piece: ConsentPiece, *, key: str, received_at: datetime, source: str
) -> Customer:
    customer = await meet_shopper(session, piece.customer, now=received_at, strict=True)
    if customer.erased_at is None:
        await change_consent(
            session,
            customer,
            piece.state,
            at=piece.at,
            source=source,
            received_at=received_at,
            dedupe_key=f"{source}:consent:{key}",
        )
    return customer


async def _note_installed(session: AsyncSession, store_id: int | None, sent_at: datetime) -> None:
    """A webhook that was sent off after the app was removed says that it is back."""
    await session.exec(
        update(Shop)
        .where(col(Shop.store_id) == store_id, col(Shop.uninstalled_at) < sent_at)
        .values(uninstalled_at=None)
        .execution_options(synchronize_session=False)
    )


async def _uninstalled(session: AsyncSession, store_id: int, at: datetime) -> None:
    """The shop's token is void: whoever is due holds for the credential until the app is back with a new one."""
    shop = (await session.exec(select(Shop).where(Shop.store_id == store_id).with_for_update())).one()
    if shop.uninstalled_at is None or at > shop.uninstalled_at:
        shop.uninstalled_at = at
    await session.flush()
    await shop_is_gone(session, required_id(shop.id), now=at)


async def _data_request(
    session: AsyncSession, store_id: int, piece: DataRequestPiece, *, received_at: datetime
) -> None:
    customer = await find_shopper(session, piece.customer)
    known = customer is not None and customer.erased_at is None
    await note_request(
        session,
        store_id,
        PrivacyRequestKind.DATA_REQUEST,
        dedupe_key=f"data_request:{piece.request_id}",
        customer_id=customer.id if customer is not None else None,
        received_at=received_at,
        # Of somebody unknown there is nothing to tell.
        fulfilled_at=None if known else received_at,
    )


async def _redact(session: AsyncSession, store_id: int, piece: RedactPiece, *, key: str, received_at: datetime) -> None:
    erased = await erase_person(
        session,
        store_id,
        external_id=piece.customer.external_id,
        phone=piece.customer.phone,
        suppression_key=piece.suppression_key,
        now=received_at,
    )
    await note_request(
        session,
        store_id,
        PrivacyRequestKind.CUSTOMER_REDACT,
        dedupe_key=f"customer_redact:{key}",
        customer_id=next((one.id for one in erased), None),
        received_at=received_at,
        fulfilled_at=received_at,
    )


async def _redact_shop(
    session: AsyncSession, store_id: int, piece: ShopRedactPiece, *, key: str, received_at: datetime
) -> None:
    await note_request(
        session,
        store_id,
        PrivacyRequestKind.SHOP_REDACT,
        dedupe_key=f"shop_redact:{key}",
        customer_id=None,
        received_at=received_at,
        fulfilled_at=None,
    )
    # A small shop is erased at once; the store's upkeep goes on with a large one.
    if await fulfil_page(session, store_id, suppression_key=piece.suppression_key, now=received_at):
        add_intent(session, upkeep_workflow_id(store_id), "wake", Wake().model_dump(mode="json"), now=received_at)
