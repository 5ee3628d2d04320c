"""Messages by what became of them, above all those of which nobody knows."""

from datetime import datetime
from typing import Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttemptStatus, SendState
from reports.documents import CustomerView, Document, Moment
from reports.people import customer_view
from storage.settling import UNSETTLED, ListedSend, list_sends
from storage.stores import StoreParts, required_id


class SendLine(Document):
    """One message.

    Attributes:
        send_id: names the message; `sends settle` takes it.
        attempt_id: its newest attempt as WhatsApp was given it; `sends settle` takes it as well.
        attempted_at: when that attempt began.
        settled_at: since when its stage is over; null while the journey waits for the outcome.
        settled_by: whose word it is that the message was sent or not, where it is not WhatsApp's.
        can_settle: whether a person may say so now.
    """

    send_id: int
    workflow_id: str
    journey: str
    stage: int
    customer: CustomerView
    state: SendState
    attempt_id: str | None
    attempt_status: AttemptStatus | None
    error_code: int | None
    template: str | None
    attempted_at: Moment | None
    settled_at: Moment | None
    settled_by: str | None
    settled_by_at: Moment | None
    can_settle: bool


class SendsDocument(Document):
    """`sends list`, by id. `next` asks for the following ones; null at the end."""

    store: str
    sends: list[SendLine]
    next: int | None


class SettledDocument(Document):
    """`sends settle`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    settled: Literal["sent", "not_sent"]
    send: SendLine
    delivered: bool


def send_line(listed: ListedSend) -> SendLine:
    """One message for a list."""
    send, attempt = listed.send, listed.attempt
    return SendLine(
        send_id=required_id(send.id),
        workflow_id=send.enrollment_id,
        journey=listed.journey,
        stage=send.stage + 1,
        customer=customer_view(listed.customer),
        state=send.state,
        attempt_id=attempt.id if attempt is not None else None,
        attempt_status=attempt.status if attempt is not None else None,
        error_code=attempt.error_code if attempt is not None else None,
        template=send.template_name,
        attempted_at=attempt.claimed_at if attempt is not None else None,
        settled_at=send.settled_at,
        settled_by=attempt.settled_by if attempt is not None else None,
        settled_by_at=attempt.settled_by_at if attempt is not None else None,
        can_settle=send.state in UNSETTLED,
    )


async def sends_of(
    session: AsyncSession,
    parts: StoreParts,
    *,
    states: tuple[SendState, ...],
    journey_id: int | None,
    since: datetime | None,
    until: datetime | None,
    after: int,
    limit: int,
) -> SendsDocument:
    """The store's messages beyond the id `after`, at most so many; see `list_sends`."""
    rows = await list_sends(
        session,
        parts.id,
        states=states,
        journey_id=journey_id,
        since=since,
        until=until,
        after=after,
        limit=limit + 1,
    )
    lines = [send_line(row) for row in rows[:limit]]
    return SendsDocument(store=parts.store.slug, sends=lines, next=lines[-1].send_id if len(rows) > limit else None)
