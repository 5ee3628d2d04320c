"""Customers: the look-up that support works with, and the opt-out."""

from http import HTTPStatus

from fastapi import APIRouter

from gateway.api.answers import OptOutAnswer
from gateway.api.guard import Support, TheGateway
from gateway.api.people import answered, find
from gateway.api.problems import ApiError
from gateway.api.requests import Who
from gateway.api.responses import NO_SUCH_CUSTOMER
from gateway.api.stores import store_of, zone_of
from policies.phones import parse_phone
from reports.documents import StatusDocument
from reports.dossiers import Asking
from reports.people import customer_view
from reports.status import status_of
from storage.customers import SuppressionReason, lock_customer, suppress
from storage.opt_outs import OptOutSource, opt_out
from storage.stores import required_id, suppression_key

router = APIRouter(prefix="/customers", tags=["customers"])


@router.post("/lookup", responses={404: NO_SUCH_CUSTOMER}, summary="Look a customer up")
async def look_up(who: Who, caller: Support, gateway: TheGateway) -> StatusDocument:
    """What the customer is in, what happens next, and everything so far; for one who is in nothing, why not.

    The same document as `starter.py status --json`; about somebody unknown the 404 holds the `answer`. A POST, so that
    no phone number stands in an address.
    """
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        asking = Asking(parts, suppression_key(parts.store, gateway.cipher), zone_of(parts), gateway.clock())
        customer = await answered(session, parts, who, suppression_key=asking.suppression_key)
        return await status_of(session, asking, customer)


@router.post("/opt-out", responses={404: NO_SUCH_CUSTOMER}, summary="Take a customer out of all marketing")
async def take_out(who: Who, caller: Support, gateway: TheGateway) -> OptOutAnswer:
    """Ends the journey that runs and prevents new ones, until the shop tells of a newer consent.

    A number that the store does not know yet is put on its suppression list, so that a later import leaves it out.
    """
    now = gateway.clock()
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        customer = await find(session, parts, who)
        if customer is None and who.phone is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "the store has no such customer")
        phone = parse_phone(who.phone, parts.store.default_region) if who.phone is not None else None
        if customer is not None:
            customer = await lock_customer(session, required_id(customer.id))
            phone = phone or customer.phone
            once = f"operator:opt_out:{customer.id}:{now.isoformat()}"
            await opt_out(session, customer, source=OptOutSource.OPERATOR, at=now, received_at=now, dedupe_key=once)
        if phone is not None:
            key = suppression_key(parts.store, gateway.cipher)
            await suppress(session, parts.id, phone, reason=SuppressionReason.OPT_OUT, key=key, now=now)
        answer = OptOutAnswer(
            store=parts.store.slug,
            known=customer is not None,
            customer=customer_view(customer) if customer is not None else None,
        )
    gateway.wake()
    return answer
