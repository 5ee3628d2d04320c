"""What the store may still spend, and what it was charged."""

from typing import Annotated

from fastapi import APIRouter, Query

from gateway.api.guard import Support, TheGateway
from gateway.api.stores import store_of
from reports.credits import CreditsDocument, credits_document
from storage.credits import ledger_lines, reserved_credits

router = APIRouter(prefix="/credits", tags=["credits"])


@router.get("", summary="See the store's credits")
async def see(
    caller: Support,
    gateway: TheGateway,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Only lines older than that one: `next` of the "
                                        "answer before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="At most so many lines.")] = 50,
) -> CreditsDocument:  # fmt: skip
    """What is left, what things cost, and the ledger's lines, newest first; `starter.py credits add` pays in."""
    async with gateway.database.read() as session:
        parts = await store_of(session, caller)
        lines = list(await ledger_lines(session, parts.id, limit=limit, before=before))
        reserved = await reserved_credits(session, parts.id)
    more = lines[-1].id if len(lines) == limit else None
    return credits_document(parts.store, reserved=reserved, lines=lines, next_before=more)
