"""Messages that a person has to read before they go: which wait, and for whose decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import EnrollmentState, HoldReason
from models.tables import Customer, Enrollment, Journey, Send
from storage.engine import LARGEST_ID
from storage.sends import CLAIMABLE


@dataclass(frozen=True, slots=True)
class Waiting:
    """One message with whom and what it is for."""

    send: Send
    enrollment: Enrollment
    journey: str
    customer: Customer

    @property
    def approval_id(self) -> str:
        """Names the message and which of its texts (see `approval_id`)."""
        return approval_id(self.send)


def approval_id(send: Send) -> str:
    """How a person names a waiting message with the text that they have read: `12.1`."""
    return f"{send.id}.{send.revision}"


def is_waiting(enrollment: Enrollment, send: Send) -> bool:
    """Whether the message waits for a person."""
    return (
        enrollment.state is EnrollmentState.HOLDING
        and enrollment.hold_reason is HoldReason.APPROVAL
        and send.stage == enrollment.stage
        and send.state in CLAIMABLE
    )


async def waiting_for_approval(
    session: AsyncSession, store_id: int, *, after: int = 0, limit: int = 100
) -> Sequence[Waiting]:
    """The store's waiting messages, by send id beyond `after`."""
    rows = await session.exec(
        _WAITING.where(Send.store_id == store_id, col(Send.id) > min(after, LARGEST_ID)).limit(limit)
    )
    return [Waiting(*row) for row in rows]


async def waiting_send(session: AsyncSession, store_id: int, send_id: int) -> Waiting | None:
    """That message, if it waits."""
    row = (await session.exec(_WAITING.where(Send.store_id == store_id, Send.id == min(send_id, LARGEST_ID)))).first()
    return Waiting(*row) if row is not None else None


async def has_send(session: AsyncSession, store_id: int, send_id: int) -> bool:
    """Whether the store ever had that message."""
    found = await session.exec(select(Send.id).where(Send.store_id == store_id, Send.id == min(send_id, LARGEST_ID)))
    return found.first() is not None


_WAITING = (
    select(Send, Enrollment, Journey.name, Customer)
    .join(Enrollment, col(Enrollment.id) == Send.enrollment_id)
    .join(Journey, col(Journey.id) == Send.journey_id)
    .join(Customer, col(Customer.id) == Send.customer_id)
    .where(
        Enrollment.state == EnrollmentState.HOLDING,
        Enrollment.hold_reason == HoldReason.APPROVAL,
        Send.stage == Enrollment.stage,
        col(Send.state).in_(CLAIMABLE),
    )
    .order_by(col(Send.id))
)
