"""Writing to a store's own people about its events. Nothing waits for a mail, and a server that is away is no fault."""

from datetime import datetime

import structlog

from activities.mail_texts import mail_about
from activities.services import Services
from providers.mail import MailNotSentError
from storage.mails import PAGE, SENT, DueMail, put_off_mail, settle_mail, take_mails
from storage.store_events import NO_ADDRESS
from storage.stores import StoreParts

log = structlog.get_logger(__name__)

NOT_CONFIGURED = "not configured"
"""The outcome where this installation has no mail server."""


async def send_mails(services: Services, parts: StoreParts, *, now: datetime) -> bool:
    """Send the next mails of a store; whether more are due.

    The first that finds the server away puts all of them off: the others would each wait as long for it.
    """
    async with services.database.write() as session:
        due = await take_mails(session, parts.id, now=now)
    away: str | None = None
    for one in due:
        if away is None:
            away = await _send(services, parts, one, now=now)
        else:
            async with services.database.write() as session:
                await put_off_mail(session, one, why=away, now=now)
    return len(due) == PAGE


async def _send(services: Services, parts: StoreParts, due: DueMail, *, now: datetime) -> str | None:
    """Send one and write down what came of it; why the server is away, if it is."""
    outcome, later = SENT, None
    if services.mail is None:
        outcome = NOT_CONFIGURED
    elif not parts.store.alert_emails:
        outcome = NO_ADDRESS
    else:
        try:
            refused = await services.mail.send(mail_about(due, parts.store.slug), parts.store.alert_emails, at=now)
            if refused:
                # Sent again it would come twice to the others, and a refused address is mended by a person.
                log.warning("some recipients of a mail were refused", store=parts.id, refused=refused)
        except MailNotSentError as error:
            log.warning("a mail was not sent", store=parts.id, mail=due.kind.value, why=str(error))
            outcome, later = f"refused: {error}", None if error.permanent else str(error)
    async with services.database.write() as session:
        if later is not None:
            await put_off_mail(session, due, why=later, now=now)
        else:
            await settle_mail(session, due.event_id, outcome=outcome, now=now)
    return later
