"""The messages that a person has to read before they go."""

from sqlmodel.ext.asyncio.session import AsyncSession

from reports.documents import ApprovalsDocument, WaitingMessage
from reports.passages import shown_text
from reports.people import customer_view
from storage.approvals import waiting_for_approval
from storage.stores import StoreParts, required_id
from storage.templates import templates_of


async def approvals_of(session: AsyncSession, parts: StoreParts, *, after: int, limit: int) -> ApprovalsDocument:
    """The store's waiting messages beyond the id `after`, at most so many."""
    mirror = {(one.name, one.language): one for one in await templates_of(session, parts.number.waba_id)}
    rows = await waiting_for_approval(session, parts.id, after=after, limit=limit + 1)
    waiting = [
        WaitingMessage(
            send_id=required_id(one.send.id),
            workflow_id=one.enrollment.id,
            journey=one.journey,
            stage=one.send.stage + 1,
            customer=customer_view(one.customer),
            template=one.send.template_name,
            language=one.send.template_language,
            text=shown_text(one.send, [], mirror),
            written_by=one.send.written_by,
            drafted_at=one.send.drafted_at,
        )
        for one in rows[:limit]
    ]
    return ApprovalsDocument(
        store=parts.store.slug,
        waiting=waiting,
        next=waiting[-1].send_id if len(rows) > limit else None,
    )
