"""Other automations' reports: whom they write to now, so that our journeys make room."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter

from gateway.api.answers import ExternalDocument, ExternalEndDocument
from gateway.api.guard import Marketer, TheGateway
from gateway.api.people import known, met
from gateway.api.problems import ApiError
from gateway.api.requests import LONGEST_EXTERNAL, ExternalEndRequest, ExternalRequest
from gateway.api.responses import IS_OVER, NO_SUCH_CUSTOMER
from gateway.api.stores import store_of
from storage.customers import lock_customer
from storage.stores import required_id
from storage.takeovers import end_external, report_external

router = APIRouter(prefix="/external-journeys", tags=["external journeys"])

_USUAL: Final = timedelta(hours=72)


@router.post("", responses={409: IS_OVER}, summary="Report that another automation writes to a customer")
async def report(request: ExternalRequest, caller: Marketer, gateway: TheGateway) -> ExternalDocument:
    """Our journey of a lower priority ends for this customer with `entered_priority_journey`, naming the automation.

    Until `until` none of that priority or a lower one begins. Reporting the same name again moves its end. A customer
    whom the store does not know yet is made, so that ours stay away from the first moment on.
    """
    now = gateway.clock()
    until = min(request.until or now + _USUAL, now + LONGEST_EXTERNAL)
    if until <= now:
        raise ApiError(HTTPStatus.CONFLICT, "`until` has passed already")
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        customer = await met(session, parts, request.customer, now=now)
        found = await report_external(
            session, customer, name=request.name, priority=request.priority, until=until, now=now
        )
    gateway.wake()
    return ExternalDocument(
        store=parts.store.slug,
        name=request.name,
        priority=request.priority,
        until=until,
        took_over=found.took_over,
        kept=found.kept,
    )


@router.post("/end", responses={404: NO_SUCH_CUSTOMER}, summary="Report that the automation is through")
async def end(request: ExternalEndRequest, caller: Marketer, gateway: TheGateway) -> ExternalEndDocument:
    """Ours may write to the customer again. Repeating it changes nothing."""
    now = gateway.clock()
    async with gateway.database.write() as session:
        parts = await store_of(session, caller)
        customer_id = required_id((await known(session, parts, request.customer)).id)
        customer = await lock_customer(session, customer_id)
        ended = await end_external(session, customer, name=request.name, now=now)
    gateway.wake()
    return ExternalEndDocument(store=parts.store.slug, name=request.name, ended=ended)
