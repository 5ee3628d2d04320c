"""What a test sees of a stack: workflows, rows, messages, and where everybody stands."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select
from temporalio.client import WorkflowHandle

from models.enums import EnrollmentState, ExitReason, HoldReason
from models.orchestration import JourneyStatus
from models.tables import Enrollment, Send, SendAttempt, TimelineEntry
from sandbox.whatsapp.books import AcceptedMessage
from tests.around.base import Person, Surroundings
from workflows.journey import JourneyWorkflow


@dataclass(kw_only=True)
class Sights(Surroundings):
    """What can be looked at, and waited for."""

    def handle(self, enrollment_id: str) -> WorkflowHandle[Any, Any]:
        """The journey's workflow, through a client that never moves the clock."""
        return self.client.get_workflow_handle_for(JourneyWorkflow.run, enrollment_id)

    async def status(self, enrollment_id: str) -> JourneyStatus:
        """What the workflow says of itself."""
        found: JourneyStatus = await self.handle(enrollment_id).query(JourneyWorkflow.status)
        return found

    async def enrollment(self, enrollment_id: str) -> Enrollment:
        """The enrollment as it is now."""
        (row,) = await self.rows(Enrollment, id=enrollment_id)
        assert isinstance(row, Enrollment)
        return row

    async def send(self, enrollment_id: str, stage: int = 0) -> Send:
        """The send of a stage."""
        (row,) = await self.rows(Send, enrollment_id=enrollment_id, stage=stage)
        assert isinstance(row, Send)
        return row

    async def attempts(self, enrollment_id: str, stage: int = 0) -> list[SendAttempt]:
        """The attempts at a stage's message, oldest first."""
        send = await self.send(enrollment_id, stage)
        async with self.database.read() as session:
            rows = select(SendAttempt).where(SendAttempt.send_id == send.id).order_by(col(SendAttempt.number))
            return list((await session.exec(rows)).all())

    async def story(self, enrollment_id: str) -> list[tuple[str, str | None]]:
        """What the timeline tells beyond sends."""
        return [(one.what, one.reason) for one in await self.rows(TimelineEntry, enrollment_id=enrollment_id)]

    def received(self, person: Person | None = None) -> list[AcceptedMessage]:
        """The messages that WhatsApp accepted, for one person or all."""
        return [one for one in self.whatsapp.books.messages if person is None or one.recipient == person.phone]

    async def accepted(self, count: int) -> None:
        """Wait until so many messages are accepted and on our own record."""

        async def recorded() -> bool:
            rows = await self.rows(SendAttempt)
            return sum(one.accepted_at is not None for one in rows) >= count

        await self.until(recorded)
        assert len(self.received()) == count

    async def reaches(self, enrollment_id: str, state: EnrollmentState, stage: int | None = None) -> Enrollment:
        """Wait until the enrollment is in that state (and stage)."""

        async def there() -> Enrollment | None:
            row = await self.enrollment(enrollment_id)
            return row if row.state is state and stage in (None, row.stage) else None

        found: Enrollment = await self.until(there)
        return found

    async def holds(self, enrollment_id: str, reason: HoldReason) -> Enrollment:
        """Wait until database and workflow both say that it holds for that reason."""

        async def held() -> Enrollment | None:
            row = await self.enrollment(enrollment_id)
            if row.state is not EnrollmentState.HOLDING or row.hold_reason is not reason:
                return None
            return row if (await self.status(enrollment_id)).hold_reason is reason else None

        found: Enrollment = await self.until(held)
        return found

    async def waits(self, enrollment_id: str, stage: int) -> JourneyStatus:
        """Wait until the workflow itself waits for that stage (or watches after the last)."""

        async def waiting() -> JourneyStatus | None:
            status = await self.status(enrollment_id)
            quiet = status.state in (EnrollmentState.WAITING, EnrollmentState.WATCHING)
            return status if quiet and status.stage == stage else None

        found: JourneyStatus = await self.until(waiting)
        return found

    async def ends(self, enrollment_id: str) -> ExitReason:
        """Wait until the workflow is over; the reason, which database and workflow agree upon."""
        await self.reaches(enrollment_id, EnrollmentState.CLOSED)

        async def over() -> bool:
            description = await self.handle(enrollment_id).describe()
            return description.close_time is not None

        await self.until(over)
        reason = (await self.enrollment(enrollment_id)).exit_reason
        assert reason is not None
        assert (await self.handle(enrollment_id).result()).reason == reason
        return reason
