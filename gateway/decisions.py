"""A person's yes or no to a waiting message, as the staff API and the command line take it alike.

The database says whether it waits and what its text is; a new text is stored there first. Then the workflow is asked,
which alone can take the decision and is told ids only (promise 6).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from activities.rewriting import rewrite
from models.orchestration import Approval
from reports.documents import DecisionDocument
from storage.approvals import Waiting, has_send, waiting_send
from storage.engine import Database
from storage.enrollments import note

Decision = Literal["approved", "rejected"]

APPROVED: Final = "approved"
APPROVED_OTHERWISE: Final = "approved_with_another_text"

_ANSWER_WITHIN: Final = timedelta(seconds=10)
_UPDATES: Final[dict[Decision, str]] = {"approved": "approve", "rejected": "reject"}


class NoSuchMessageError(LookupError):
    """The store never had that message."""


class NotWaitingError(Exception):
    """The message does not wait for a decision any more."""


class HasChangedError(Exception):
    """The text is another one than the person has read; `now` names the message with its text of now."""

    def __init__(self, now: str) -> None:
        super().__init__(f"the text has changed; read it again, as {now}")
        self.now = now


class NoAnswerError(Exception):
    """Temporal or its worker does not answer. A new text is stored all the same; the message goes on waiting."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which message a decision is about, and which of its texts was read; None takes the one of now."""

    send_id: int
    revision: int | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """Where decisions are made for one store; without a client to Temporal nothing can be decided."""

    database: Database
    client: Client | None
    store_id: int
    clock: Callable[[], datetime]

    async def approve(self, wanted: Wanted, *, text: str | None = None) -> DecisionDocument:
        """Let the message go, as it was read or with another text.

        Raises:
            NoSuchMessageError, NotWaitingError, HasChangedError: nothing was decided.
            TextRefusedError: the text breaks a rule; nothing was changed.
            NoAnswerError: Temporal did not take it, as far as is known.
        """
        waiting = await self._waiting(wanted)
        if text is not None:
            waiting = await self._rewritten(waiting, text)
        return await self._decide(waiting, "approved", note_as=APPROVED if text is None else APPROVED_OTHERWISE)

    async def reject(self, wanted: Wanted) -> DecisionDocument:
        """End the customer's passage instead of sending.

        Raises:
            NoSuchMessageError, NotWaitingError, HasChangedError: nothing was decided.
            NoAnswerError: Temporal did not take it, as far as is known.
        """
        return await self._decide(await self._waiting(wanted), "rejected")

    async def _waiting(self, wanted: Wanted) -> Waiting:
        async with self.database.read() as session:
            waiting = await waiting_send(session, self.store_id, wanted.send_id)
            if waiting is None and not await has_send(session, self.store_id, wanted.send_id):
                raise NoSuchMessageError
        if waiting is None:
            raise NotWaitingError
        if wanted.revision not in (None, waiting.send.revision):
            raise HasChangedError(waiting.approval_id)
        return waiting

    async def _rewritten(self, waiting: Waiting, text: str) -> Waiting:
        async with self.database.write() as session:
            send = await rewrite(session, waiting, text, now=self.clock())
            if send is None:
                # Between our look and our lock it was decided, or somebody else wrote: look again to say which.
                found = await waiting_send(session, self.store_id, waiting.send.id or 0)
                raise HasChangedError(found.approval_id) if found is not None else NotWaitingError
        return Waiting(send, waiting.enrollment, waiting.journey, waiting.customer)

    async def _decide(self, waiting: Waiting, decision: Decision, *, note_as: str | None = None) -> DecisionDocument:
        send, workflow_id = waiting.send, waiting.enrollment.id
        send_id = send.id or 0
        if self.client is None:
            raise NoAnswerError
        await _update(self.client, workflow_id, _UPDATES[decision], Approval(draft_id=send_id, revision=send.revision))
        if note_as is not None:
            async with self.database.write() as session:
                note(session, workflow_id, what=APPROVED, reason=note_as, stage=send.stage, at=self.clock())
        return DecisionDocument(send_id=send_id, revision=send.revision, workflow_id=workflow_id, decision=decision)


async def _update(client: Client, workflow_id: str, update: str, approval: Approval) -> None:
    """Ask the workflow, which answers itself; a repetition of the same decision is answered as the first time."""
    handle = client.get_workflow_handle(workflow_id)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN.total_seconds()):
            await handle.execute_update(
                update, approval, id=f"{update}-{approval.draft_id}-{approval.revision}", rpc_timeout=_ANSWER_WITHIN
            )
    except WorkflowUpdateFailedError:
        raise NotWaitingError from None
    except RPCError as error:
        raise (NotWaitingError if error.status is RPCStatusCode.NOT_FOUND else NoAnswerError) from None
    except (RuntimeError, TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        # A lazy client that cannot connect, or no worker to ask: the client makes an error of its own of a time-out.
        raise NoAnswerError from None
