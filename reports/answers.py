"""Why did this customer get, or not get, a message of this journey? One answer, the newest fact that gives one."""

from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AnswerCode
from policies.phones import mask_phone, suppression_hash
from reports.cases import Answer, Case
from reports.documents import AnswerView
from reports.entry_answers import left_out, never_considered, of_journey, paced, reviewed
from reports.passage_answers import ended, inside
from storage.customers import suppressed
from storage.stores import StoreParts

_FROM_THE_SHOP: Final = "a customer whom the shop has is heard of with their next order, message or cart"


def answer(case: Case) -> AnswerView:
    """The one answer: what is open comes first, then what waits, then whatever was decided last."""
    return _answer(case).view()


def _answer(case: Case) -> Answer:
    # After a merge the open one need not be the newest: the passage of whoever was given up may be younger.
    running = (one for one in case.passages if one.enrollment.closed_at is None)
    newest = next(running, case.passages[0] if case.passages else None)
    if newest is not None and newest.enrollment.closed_at is None:
        return inside(case, newest)
    closed_at = newest.enrollment.closed_at if newest is not None else None
    waits = paced(case)
    if waits is not None:
        return waits
    # Between two facts the newer one is the answer: left out since, or over since.
    said = left_out(case) or reviewed(case)
    if said is not None and (closed_at is None or (said.since is not None and said.since > closed_at)):
        return said
    if newest is not None:
        return ended(case, newest)
    return of_journey(case) or never_considered(case)


async def stranger_answer(
    session: AsyncSession, parts: StoreParts, phone: str | None, *, suppression_key: bytes, shop_asked: bool | None
) -> AnswerView:
    """The answer about a number, or another name, that no customer of the store has.

    Args:
        session: any transaction.
        parts: the store.
        phone: in E.164; None if the question gave another name.
        suppression_key: `storage.stores.suppression_key` of the store.
        shop_asked: whether the shop could be asked for it; None where nobody tried.
    """
    if phone is None:
        text = f"no customer of {parts.store.slug} has this id, so it was never considered for anything"
        return Answer(AnswerCode.UNKNOWN, text, None, None, f"ask by the phone number; {_FROM_THE_SHOP}").view()
    shown = mask_phone(phone)
    listed = await suppressed(session, parts.id, [suppression_hash(phone, suppression_key)])
    if listed:
        text = (
            f"No customer of {parts.store.slug} has the number {shown}, and it is on the list of those who must not be "
            "written to: they opted out, or their data was erased."
        )
        return Answer(AnswerCode.SUPPRESSED, text, None, None, "leave them alone").view()
    first = f"no customer of {parts.store.slug} has the number {shown}"
    if shop_asked:
        text = f"{first}, the shop's own list included, so it was never considered for anything"
        advice = "see that the number is written as the shop has it, with its country"
    elif shop_asked is None:
        text = f"{first}, so it was never considered for anything; the shop was not asked"
        advice = f"`why-not JOURNEY PHONE` asks the shop too; {_FROM_THE_SHOP}"
    else:
        text = f"{first}, so it was never considered for anything; the shop could not be asked whether it has them"
        advice = f"see that the shop answers (`store check`), and ask again; {_FROM_THE_SHOP}"
    return Answer(AnswerCode.UNKNOWN, text, None, None, advice).view()
