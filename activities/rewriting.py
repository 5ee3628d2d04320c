"""A text that staff write in place of the one that waits for them, held to what a model's text is held to.

It is stored before anybody is told of it, so that Temporal carries ids only (promise 6).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.briefs import writing_brief
from activities.coupons import CouponValue
from activities.drafts import template_draft, values_for
from models.placeholders import AI_TEXT
from models.tables import Send
from policies.message_text import TextProblemKind, VariableMissing
from policies.windows import service_window_open
from storage.approvals import Waiting, is_waiting
from storage.coupons import coupon_of
from storage.enrollments import EnrollmentFacts
from storage.sends import Draft, save_draft
from storage.stages import locked_stage
from storage.subjects import Subject, subject_of

STAFF: Final = "staff"
"""Stands in `Send.written_by` where a model's name stands else."""


_UNQUOTED: Final[dict[TextProblemKind, str]] = {
    TextProblemKind.UNKNOWN_CODE: "it names something like a coupon code that this customer does not have",
    TextProblemKind.UNKNOWN_LINK: "it has a link that is not one of the store's",
    TextProblemKind.UNFILLED: "it has a placeholder that nothing fills",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason not to send a text: in full for whoever wrote it, and without a word of it for logs."""

    full: str
    unquoted: str


class TextRefusedError(Exception):
    """The text may not be sent; `faults` is all that is wrong with it."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("the text may not be sent")
        self.faults = list(faults)


async def rewrite(session: AsyncSession, waiting: Waiting, text: str, *, now: datetime) -> Send | None:
    """Put a text of staff's into a message that waits for them.

    Asked again with the text that stands there already, it changes nothing.

    Returns:
        The send with its new revision; None when it does not wait any more, or its text is another by now.

    Raises:
        TextRefusedError: it breaks a rule; nothing was changed.
    """
    text = text.strip()
    asked = waiting.send
    scene = await locked_stage(session, asked.enrollment_id, asked.stage, asked.occurrence)
    facts, send = scene.enrollment, scene.send
    if send is None or not is_waiting(facts.enrollment, send):
        return None
    if send.written_by == STAFF and send.free_text == text:
        return send
    if send.revision != asked.revision:
        return None
    subject = await subject_of(session, facts.enrollment)
    coupon = await _coupon(session, send)
    draft, faults = _draft(facts, subject, send, coupon, text, now=now)
    brief, rules = await writing_brief(session, facts, subject, send.stage, now=now)
    brief = replace(brief, coupon_code=send.coupon_code)
    for problem in rules.problems(text, brief):
        faults.append(Fault(problem.detail, _UNQUOTED.get(problem.kind, problem.detail)))
    if draft is None or faults:
        raise TextRefusedError(faults)
    save_draft(send, draft, now=now)
    await session.flush()
    return send


async def _coupon(session: AsyncSession, send: Send) -> CouponValue | None:
    """The code that the message has, whether the customer's own or everybody's."""
    if send.coupon_code is None:
        return None
    issued = await coupon_of(session, send.enrollment_id)
    return CouponValue(send.coupon_code, issued.valid_until if issued is not None else None)


def _draft(
    facts: EnrollmentFacts, subject: Subject, send: Send, coupon: CouponValue | None, text: str, *, now: datetime
) -> tuple[Draft | None, list[Fault]]:
    """The draft with the text in it, and why it could not be sent.

    A template that cannot show the text would say something else than what was decided: it is left out, and outside
    WhatsApp's window the stage is then passed over.
    """
    message = facts.definition.stages[send.stage].message
    if message.ai is None and message.text is None:
        which = f"{send.template_name} ({send.template_language})"
        return None, [_fault(f"the message is the template {which}, whose words are fixed at Meta")]
    template = message.template if message.template is not None and message.template.uses(AI_TEXT) else None
    faults: list[Fault] = []
    if template is None and not service_window_open(facts.customer.last_inbound_at, now):
        faults.append(_fault("WhatsApp's 24-hour window has closed, and no template of the message can show a text"))
    try:
        filled = template_draft(template, values_for(facts, subject, coupon, ai_text=text), coupon)
    except VariableMissing as missing:
        return None, [*faults, _fault(f"{missing}, which the template needs beside the text")]
    return replace(filled, free_text=text, written_by=STAFF), faults


def _fault(words: str) -> Fault:
    return Fault(words, words)
