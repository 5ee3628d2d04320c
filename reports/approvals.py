"""The messages that a person has to read before they go."""

from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from policies.windows import service_window_open
from reports.documents import ApprovalsDocument, WaitingMessage
from reports.passages import Templates, filled_template
from reports.people import customer_view
from storage.approvals import Waiting, waiting_for_approval
from storage.stores import StoreParts, required_id
from storage.templates import templates_of


async def approvals_of(
    session: AsyncSession, parts: StoreParts, *, after: int, limit: int, now: datetime
) -> ApprovalsDocument:
    """The store's waiting messages beyond the id `after`, at most so many."""
    mirror = await template_mirror(session, parts)
    rows = await waiting_for_approval(session, parts.id, after=after, limit=limit + 1)
    waiting = [waiting_message(one, mirror, now=now) for one in rows[:limit]]
    return ApprovalsDocument(
        store=parts.store.slug,
        waiting=waiting,
        next=waiting[-1].send_id if len(rows) > limit else None,
    )


async def template_mirror(session: AsyncSession, parts: StoreParts) -> Templates:
    """The store's templates by name and language."""
    return {(one.name, one.language): one for one in await templates_of(session, parts.number.waba_id)}


def waiting_message(waiting: Waiting, mirror: Templates, *, now: datetime) -> WaitingMessage:
    """What a person has to know to decide: everything that the customer may come to see, and until when."""
    send = waiting.send
    template = filled_template(send, mirror)
    free_text = send.free_text if service_window_open(waiting.customer.last_inbound_at, now) else None
    return WaitingMessage(
        approval_id=waiting.approval_id,
        send_id=required_id(send.id),
        revision=send.revision,
        workflow_id=waiting.enrollment.id,
        journey=waiting.journey,
        stage=send.stage + 1,
        customer=customer_view(waiting.customer),
        template=send.template_name,
        language=send.template_language,
        text=free_text or template,
        text_later=template if free_text is not None else None,
        written_by=send.written_by,
        drafted_at=send.drafted_at,
        expires_at=waiting.enrollment.due_at,
    )
