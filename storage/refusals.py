"""What a refusal of WhatsApp's says beyond its own message: of the person, the template, the number or the account.

It is written down at once, in the transaction that records the refusal, whether it came as the answer to our request
or as a status, so that nobody else asks the same again.
"""

from datetime import datetime
from typing import assert_never

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import TemplateStatus
from models.tables import Send
from policies.phones import region_of
from policies.whatsapp_reactions import Reaction, blocks_template
from storage.enrollments import EnrollmentFacts
from storage.opt_outs import OptOutSource, opt_out
from storage.reachability import note_unreachable
from storage.senders import block_country, pause_sender, refuse_credential
from storage.stores import required_id
from storage.template_states import block_message, mark_template

_GONE = {132007: TemplateStatus.REJECTED}
_PAUSED_CODE = 132015


async def heed(
    session: AsyncSession,
    facts: EnrollmentFacts,
    send: Send,
    reaction: Reaction,
    code: int | None,
    *,
    now: datetime,
    used_template: bool = True,
) -> str | None:
    """Write down what a refusal says of others than this message.

    Args:
        session: a writing transaction that holds the customer's lock.
        facts: of the send's enrollment.
        send: whose attempt was refused.
        reaction: the table's word for the code.
        code: WhatsApp's.
        now: when it was refused.
        used_template: whether the refused attempt was a template and no free text.

    Returns:
        For a message that is blocked, what releases those who wait for it.
    """
    number_id = required_id(facts.number.id)
    match reaction:
        case Reaction.RECIPIENT_OPTOUT:
            await opt_out(
                session,
                facts.customer,
                source=OptOutSource.WHATSAPP_REFUSAL,
                at=now,
                received_at=now,
                dedupe_key=f"refused:{send.id}:{send.attempt}",
            )
        case Reaction.RECIPIENT_PERMANENT | Reaction.RECIPIENT_COOLDOWN:
            note_unreachable(facts.customer, code, at=now)
        case Reaction.TEMPLATE_HELD:
            status = TemplateStatus.PAUSED if code == _PAUSED_CODE else TemplateStatus.UNKNOWN
            await _mark(session, facts, send, status, code, now=now)
        case Reaction.TEMPLATE_DEAD:
            await _mark(session, facts, send, _GONE.get(code or 0, TemplateStatus.DISABLED), code, now=now)
        case Reaction.REQUEST_BUG:
            if used_template and send.template_name is not None and blocks_template(code):
                return await block_message(
                    session,
                    facts.number.waba_id,
                    send.template_name,
                    send.template_language or "",
                    facts.definition.stages[send.stage].message,
                    code,
                    journey=facts.journey.name,
                    at=now,
                )
        case Reaction.SENDER_PAUSED:
            await pause_sender(session, number_id, code, now=now)
        case Reaction.COUNTRY_BLOCKED:
            region = region_of(facts.customer.phone) if facts.customer.phone is not None else None
            if region is not None:
                await block_country(session, facts.number.waba_id, region, code, number_id=number_id, now=now)
        case Reaction.CREDENTIAL_FATAL:
            await refuse_credential(session, number_id, code, now=now)
        case Reaction.RETRY_SOON | Reaction.RETRY_24H | Reaction.WINDOW_CLOSED | Reaction.UNKNOWN_OUTCOME:
            pass
        case _:
            assert_never(reaction)
    return None


async def _mark(
    session: AsyncSession,
    facts: EnrollmentFacts,
    send: Send,
    status: TemplateStatus,
    code: int | None,
    *,
    now: datetime,
) -> None:
    if send.template_name is not None:
        await mark_template(
            session, facts.number.waba_id, send.template_name, send.template_language or "", status, code, at=now
        )
