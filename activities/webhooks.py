"""Telling a store's own systems of an event: one signed request a try, and what follows from its answer.

The request may leave twice, when a worker dies between it and the record of it; its id is the same both times, by which
the receiver can tell.
"""

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import structlog
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from activities.services import Services, started_at
from models.enums import DeliveryState
from models.orchestration import DeliveryRef, DeliveryReport
from providers.outgoing import Answer, NoAnswerError
from providers.signatures import signed
from storage.deliveries import DueDelivery, heed_failure, note_delivered, note_not_delivered, take_delivery
from storage.secrets import SecretKeyError

log = structlog.get_logger(__name__)

_REDIRECTS: Final = range(300, 400)
_ASKS_TO_WAIT: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_REDIRECT: Final = "redirect"
"""The word for an answer that names another address: it is not followed."""
_NO_KEY: Final = "secret_cannot_be_opened"


class WebhookActivities:
    """What a delivery's workflow asks; it runs on a queue of its own."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    async def deliver_webhook(self, ask: DeliveryRef) -> DeliveryReport:
        """Try once. Where a further try follows, this one fails, and Temporal repeats it after the pause."""
        now = started_at()
        async with self._services.database.write() as session:
            due = await take_delivery(session, ask.delivery_id, now=now)
        if isinstance(due, DeliveryState):
            return DeliveryReport(state=due)
        answer, error = await self._post(due, now=now)
        if answer is not None and answer.is_success:
            async with self._services.database.write() as session:
                await note_delivered(session, due, status=answer.status, now=now)
            return DeliveryReport(state=DeliveryState.DELIVERED)
        return await self._not_taken(due, answer, error, now=now)

    async def _post(self, due: DueDelivery, *, now: datetime) -> tuple[Answer | None, str | None]:
        """The answer, or a word for why there is none; of a redirect both."""
        try:
            keys = [self._services.cipher.decrypt(secret) for secret in due.secrets]
            headers = signed(due.message_id, due.body, keys=keys, at=now)
            answer = await self._services.outgoing.post(due.url, headers=headers, content=due.body.encode())
        except SecretKeyError:
            return None, _NO_KEY
        except NoAnswerError as error:
            return None, error.trouble.value
        return answer, _REDIRECT if answer.status in _REDIRECTS else None

    async def _not_taken(
        self, due: DueDelivery, answer: Answer | None, error: str | None, *, now: datetime
    ) -> DeliveryReport:
        status = answer.status if answer is not None else None
        gone = status == HTTPStatus.GONE
        asked = answer.retry_after if answer is not None and status in _ASKS_TO_WAIT else None
        async with self._services.database.write() as session:
            again = await note_not_delivered(
                session, due, status=status, error=error, asked=asked, is_final=gone, now=now
            )
        async with self._services.database.write() as session:
            patience = self._services.webhook_patience
            disabled = await heed_failure(session, due, gone=gone, patience=patience, now=now)
        log.info("a webhook was not taken", delivery=due.id, endpoint=due.endpoint_id, status=status, why=error)
        if again is None:
            return DeliveryReport(state=DeliveryState.FAILED)
        if disabled:
            again = now  # the next look withdraws it
        raise ApplicationError(
            f"not taken: {error or f'HTTP {status}'}",
            type="NotTaken",
            next_retry_delay=max(again - now, timedelta(seconds=1)),
            category=ApplicationErrorCategory.BENIGN,
        )
