"""Whether a message may go as far as WhatsApp's counting is concerned: how fast to one person, to how many new ones."""

from datetime import datetime
from zoneinfo import ZoneInfo

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.messages import Outgoing
from activities.outcomes import hold_stage
from activities.services import Services
from models.enums import HoldReason
from models.orchestration import StageResult
from models.verdicts import Hold
from policies.throughput import pair_free_at
from policies.windows import service_window_open
from storage.allowances import NoRoom, Room, Wanted, find_room
from storage.enrollments import EnrollmentFacts
from storage.stages import StageFacts
from storage.stores import required_id


async def look_for_room(
    session: AsyncSession, services: Services, scene: StageFacts, message: Outgoing, *, now: datetime
) -> Room | StageResult | None:
    """Room that is still to be taken, or how the stage waits for it; None when nothing counts this message.

    Nothing is consumed. The count's lock is held until the transaction ends, so that whoever comes between this and the
    claim waits.
    """
    facts = scene.enrollment
    free_at = pair_free_at(scene.last_claimed_at, now)
    if free_at is not None:
        return hold_stage(session, facts, Hold(HoldReason.META_RETRY_LATER, free_at), None, now=now)
    return await room_for_recipient(session, services, facts, message, now=now)


async def room_for_recipient(
    session: AsyncSession, services: Services, facts: EnrollmentFacts, message: Outgoing, *, now: datetime
) -> Room | StageResult | None:
    """The same for the counts of new recipients alone."""
    address = message.to or message.recipient
    if address is None or service_window_open(facts.customer.last_inbound_at, now):
        # Who wrote to us a moment ago is no new recipient, whatever goes back.
        return None
    wanted = Wanted(
        number=facts.number,
        address=address,
        customer_id=required_id(facts.customer.id),
        kind=facts.definition.kind,
        enrollment=facts.enrollment,
        zone=ZoneInfo(facts.store.time_zone),
        at=now,
    )
    found = await find_room(session, wanted, services.cipher)
    if isinstance(found, NoRoom):
        hold = Hold(HoldReason.PORTFOLIO_LIMIT, found.until)
        return hold_stage(session, facts, hold, found.key, now=now)
    return found
