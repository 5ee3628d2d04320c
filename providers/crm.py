"""Asking a store's own CRM whether somebody has bought: one read-only question over HTTP, signed like a webhook.

The question is a POST, because a phone number in a URL would stand in every log on its way.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, StrictBool, ValidationError

from providers.errors import (
    BadAnswer,
    CredentialRefused,
    NotSent,
    OutcomeUnknown,
    ProviderError,
    Rejected,
    Throttled,
)
from providers.outgoing import Answer, NoAnswerError, OutgoingClient
from providers.signatures import new_message_id, signed

Clock = Callable[[], datetime]

_OPERATION: Final = "has_bought"
_DEFAULT_PAUSE: Final = timedelta(seconds=30)
_LONGEST_PAUSE: Final = timedelta(minutes=10)
_CLOSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BUSY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class CrmAccess:
    """Where a store's CRM is asked, and what signs the question."""

    url: str = field(repr=False)
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CrmAnswer:
    """Whether the person has bought since the moment that was asked about, and when if the CRM says so."""

    bought: bool
    at: datetime | None = None


class CrmQuestion(BaseModel):
    """The body of the question; at least one of phone and reference is there.

    Attributes:
        phone: the customer's number in E.164.
        reference: the shop's own id of the customer.
        since: purchases from this moment on count.
    """

    model_config = ConfigDict(frozen=True)

    question: str = _OPERATION
    phone: str | None
    reference: str | None
    since: AwareDatetime


class CrmReply(BaseModel):
    """The body of the answer; other keys in it are left alone."""

    bought: StrictBool
    at: AwareDatetime | None = None


class CrmClient:
    """Asks CRMs.

    Args:
        outgoing: reaches addresses that others have entered.
        clock: the time that signatures carry.
    """

    def __init__(self, outgoing: OutgoingClient, clock: Clock) -> None:
        self._outgoing = outgoing
        self._clock = clock

    async def has_bought(
        self, access: CrmAccess, *, phone: str | None, external_id: str | None, since: datetime
    ) -> CrmAnswer:
        """Whether somebody has bought since a moment.

        Args:
            access: the store's CRM.
            phone: in E.164.
            external_id: the shop's own id.
            since: what was bought before does not count, also where the CRM tells of it.

        Raises:
            ProviderError: there is no answer that can be relied on.
        """
        question = CrmQuestion(phone=phone, reference=external_id, since=since.astimezone(UTC))
        body = question.model_dump_json()
        headers = signed(new_message_id(), body, keys=[access.secret], at=self._clock())
        try:
            answer = await self._outgoing.post(
                access.url, headers={**headers, "Accept": "application/json"}, content=body.encode()
            )
        except NoAnswerError as error:
            kind = NotSent if error.trouble.never_left else OutcomeUnknown
            raise kind(service="crm", operation=_OPERATION, detail=error.trouble.value) from None
        if answer.status != HTTPStatus.OK:
            raise _refusal(answer)
        return _read(answer, since)


def _read(answer: Answer, since: datetime) -> CrmAnswer:
    if not (answer.whole and answer.plain):
        raise BadAnswer(service="crm", operation=_OPERATION, detail="the answer is too long or compressed")
    try:
        reply = CrmReply.model_validate_json(answer.body)
    except ValidationError:
        raise BadAnswer(service="crm", operation=_OPERATION, status=answer.status) from None
    if reply.bought and reply.at is not None and reply.at < since:
        return CrmAnswer(bought=False)
    return CrmAnswer(bought=reply.bought, at=reply.at if reply.bought else None)


def _refusal(answer: Answer) -> ProviderError:
    """What a status other than 200 says; a redirect is not followed, and so is none."""
    status = answer.status
    if status in _CLOSED:
        return CredentialRefused(service="crm", operation=_OPERATION, status=status)
    if status in _BUSY:
        wait = min(answer.retry_after or _DEFAULT_PAUSE, _LONGEST_PAUSE)
        return Throttled(service="crm", operation=_OPERATION, retry_after=wait, status=status)
    transient = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Rejected(service="crm", operation=_OPERATION, status=status, code=str(status), transient=transient)
