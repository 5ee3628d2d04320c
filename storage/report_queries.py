"""The statements of a report: what is known of some customers in one journey, each answered by an index."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Select, and_, func, or_
from sqlalchemy import select as sql_select
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LeftOut
from models.tables import (
    CouponIssue,
    Customer,
    Enrollment,
    EntryDecision,
    Launch,
    Order,
    Paced,
    Send,
    SendAttempt,
)
from storage.decisions import counts
from storage.engine import padded
from storage.report_facts import (
    AttemptFacts,
    Contact,
    DecisionFacts,
    MessageFacts,
    OrderFacts,
    PacedFacts,
    PassageFacts,
    Reported,
)

IdSpan = tuple[int, int]
"""The first and the last id of a page of customers."""


def columns(*wanted: Any) -> Select[Any]:
    """A query of any width: the types of `select` end at a dozen columns."""
    return sql_select(*wanted)


async def fetch(session: AsyncSession, query: Any) -> Sequence[Any]:
    """The rows of a query of any width, as plain values."""
    return (await (await session.connection()).execute(query)).all()


async def contacts_of(session: AsyncSession, ids: Collection[int]) -> dict[int, Contact]:
    """Who they are; of somebody who was merged into another, that one."""
    found: dict[int, Contact] = {}
    merged: dict[int, int] = {}
    for wanted in (ids, merged.values()):
        if not wanted:
            continue
        rows = await fetch(
            session,
            columns(
                col(Customer.id), Customer.phone, Customer.external_id, Customer.first_name, Customer.merged_into_id
            ).where(col(Customer.id).in_(padded(wanted))),
        )
        for key, phone, external_id, first_name, into in rows:
            found[key] = Contact(key, phone, external_id, first_name)
            if into is not None:
                merged[key] = into
    return {key: found[merged.get(key, key)] for key in ids}


async def passages_of(session: AsyncSession, about: Reported, span: IdSpan) -> dict[int, list[PassageFacts]]:
    """Their enrollments, oldest first; who has none is not in it."""
    rows = await fetch(
        session,
        columns(
            Enrollment.customer_id,
            Enrollment.id,
            Enrollment.version_id,
            Enrollment.control,
            Enrollment.state,
            Enrollment.stage,
            Enrollment.exit_reason,
            Enrollment.hold_reason,
            Enrollment.selected_at,
            Enrollment.entered_at,
            Enrollment.stage_due_at,
            Enrollment.closed_at,
            Enrollment.horizon_at,
        ).where(col(Enrollment.journey_id) == about.journey_id, col(Enrollment.customer_id).between(*span)),
    )
    found: dict[int, list[PassageFacts]] = defaultdict(list)
    for row in rows:
        passage = PassageFacts(*row[1:])
        # A version that was published since the report began is for the next one.
        if passage.version_id in about.versions:
            found[row[0]].append(passage)
    for passages in found.values():
        passages.sort(key=lambda one: (one.entered_at, one.id))
    return found


async def messages_of(session: AsyncSession, about: Reported, span: IdSpan) -> dict[int, list[MessageFacts]]:
    """Every send of the journey's enrollments, also of those that were only drafted or skipped."""
    rows = await fetch(
        session,
        columns(
            Enrollment.customer_id,
            Send.id,
            Send.enrollment_id,
            Send.stage,
            Send.state,
            Send.template_name,
            Send.template_language,
            Send.coupon_code,
            Send.skip_reason,
            Send.settled_at,
            Send.received_at,
            Send.drafted_at,
            SendAttempt.number,
            SendAttempt.status,
            SendAttempt.error_code,
            SendAttempt.used_template,
            SendAttempt.claimed_at,
            SendAttempt.accepted_at,
            SendAttempt.delivered_at,
            SendAttempt.read_at,
            SendAttempt.failed_at,
        )
        .join(Send, col(Send.enrollment_id) == col(Enrollment.id))
        .outerjoin(SendAttempt, col(SendAttempt.send_id) == col(Send.id))
        .where(col(Enrollment.journey_id) == about.journey_id, col(Enrollment.customer_id).between(*span)),
    )
    known: dict[int, MessageFacts] = {}
    found: dict[int, list[MessageFacts]] = defaultdict(list)
    for row in rows:
        message = known.get(row[1])
        if message is None:
            message = known[row[1]] = MessageFacts(*row[1:12])
            found[row[0]].append(message)
        if row[12] is not None:
            message.attempts.append(AttemptFacts(*row[12:]))
    for message in known.values():
        message.attempts.sort(key=lambda one: one.number)
    for messages in found.values():
        messages.sort(key=lambda one: (one.enrollment_id, one.stage, one.id))
    return found


ORDERS: Final[Any] = columns(
    Order.customer_id,
    Order.id,
    Order.external_id,
    Order.ordered_at,
    Order.total_minor,
    Order.original_minor,
    Order.currency,
    Order.test,
    Order.cancelled_at,
    Order.financial_status,
    Order.discount_codes,
    Order.attributed_by,
    Order.attributed_journey_id,
    Order.attributed_enrollment_id,
    Order.attributed_send_id,
)


async def orders_of(
    session: AsyncSession, about: Reported, ids: Collection[int], passages: Mapping[int, list[PassageFacts]]
) -> dict[int, list[OrderFacts]]:
    """Their orders since the first entry of any of them, and those that are the journey's."""
    found: dict[int, list[OrderFacts]] = defaultdict(list)
    enrolled = [key for key in ids if key in passages]
    if not enrolled:
        return found
    since = min(one.entered_at for key in enrolled for one in passages[key])
    rows = await fetch(
        session,
        ORDERS.where(
            col(Order.customer_id).in_(padded(enrolled)),
            or_(col(Order.ordered_at) >= since, col(Order.attributed_journey_id) == about.journey_id),
        ).order_by(col(Order.ordered_at), col(Order.id)),
    )
    for row in rows:
        found[row[0]].append(OrderFacts(*row[1:]))
    return found


async def decisions_of(
    session: AsyncSession, about: Reported, span: IdSpan, passages: Mapping[int, list[PassageFacts]]
) -> dict[int, DecisionFacts]:
    """What was last decided about them, where that kept them out and nothing has overtaken it."""
    of_them = and_(col(EntryDecision.journey_id) == about.journey_id, col(EntryDecision.customer_id).between(*span))
    newest = select(func.max(EntryDecision.id)).where(of_them, counts()).group_by(col(EntryDecision.customer_id))
    rows = await fetch(
        session,
        columns(
            EntryDecision.customer_id,
            EntryDecision.version_id,
            EntryDecision.at,
            EntryDecision.outcome,
            EntryDecision.seen,
            EntryDecision.threshold,
        ).where(col(EntryDecision.id).in_(newest), col(EntryDecision.outcome).in_(_LEFT_OUT)),
    )
    found = {row[0]: DecisionFacts(*row[1:]) for row in rows}
    return {
        key: one
        for key, one in found.items()
        if one.version_id in about.versions
        and not any(passage.selected_at >= one.at for passage in passages.get(key, []))
    }


_LEFT_OUT: Final = [word.value for word in LeftOut]


async def paced_of(session: AsyncSession, about: Reported, span: IdSpan) -> dict[int, PacedFacts]:
    """Who waits for which day."""
    rows = await fetch(
        session,
        columns(Paced.customer_id, Paced.version_id, Paced.day, Launch.requested_at)
        .join(Launch, col(Launch.id) == col(Paced.launch_id))
        .where(col(Paced.journey_id) == about.journey_id, col(Paced.customer_id).between(*span)),
    )
    return {row[0]: PacedFacts(*row[1:]) for row in rows if row[1] in about.versions}


async def codes_of(session: AsyncSession, about: Reported, ids: Collection[int]) -> dict[int, list[str]]:
    """The personal codes that were made for them."""
    rows = await fetch(
        session,
        columns(CouponIssue.customer_id, CouponIssue.code).where(
            col(CouponIssue.journey_id) == about.journey_id, col(CouponIssue.customer_id).in_(padded(ids))
        ),
    )
    found: dict[int, list[str]] = defaultdict(list)
    for customer_id, code in rows:
        found[customer_id].append(code)
    return found
