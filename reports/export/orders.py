"""Order rows: which orders stand in a journey's report, whether they belong to it, and why not where they do not.

Attribution itself is not asked again here: what the database holds is what statistics count too. Only the reason is
worked out, by the same rule (`policies.attribution`).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from models.enums import SendState
from models.money import Money
from policies.attribution import counts
from policies.calendar import local_date
from reports.export.columns import Arm, ReportRow, RowKind
from reports.export.context import Context
from reports.export.messages import message_name
from storage.report_facts import MessageFacts, OrderFacts, PassageFacts, PersonFacts, VersionFacts


class Shown:
    """One passage with the time in which its customer's orders are shown.

    That is from the entry until the later of the holdout's horizon and the end of the last message's attribution
    window; an old enrollment without a horizon that received nothing shows them until it closed.
    """

    def __init__(self, passage: PassageFacts, messages: Iterable[MessageFacts], version: VersionFacts) -> None:
        self.passage = passage
        self.version = version
        self.window = timedelta(days=version.attribution_days)
        self.received = sorted(
            at for one in messages if one.enrollment_id == passage.id and (at := receipt(one)) is not None
        )

    def holds(self, at: datetime) -> bool:
        """Whether an order of that moment is shown."""
        if at < self.passage.entered_at:
            return False
        if self.received and at <= self.received[-1] + self.window:
            return True
        if self.passage.horizon_at is not None:
            return at < self.passage.horizon_at
        return not self.received and (self.passage.closed_at is None or at <= self.passage.closed_at)

    def why_not(self, at: datetime) -> str:
        """Why an order of that moment that counts and is nobody else's does not belong to this passage."""
        if self.passage.control:
            return "control: held out, so nothing was sent"
        if not self.received:
            return "no message has reached the customer"
        if at < self.received[0]:
            return "before the first message"
        days = self.version.attribution_days
        return f"outside the window: more than {days} {'day' if days == 1 else 'days'} after the last message received"


def order_rows(person: PersonFacts, context: Context) -> Iterator[ReportRow]:
    """The customer's orders that the report shows, each once."""
    passages = [Shown(one, person.messages, context.versions[one.version_id]) for one in person.passages]
    for order in person.orders:
        if order.attributed_journey_id == context.journey_id:
            yield _row(person, order, _attributed_to(order, passages), context)
        elif (within := [one for one in passages if one.holds(order.ordered_at)]) != []:
            yield _row(person, order, within[-1], context)


def receipt(message: MessageFacts) -> datetime | None:
    """When the message counts as received: delivered or read, else accepted (DESIGN section 5)."""
    if message.state is SendState.ACCEPTED:
        return message.received_at or message.settled_at
    return message.received_at if message.state is SendState.PARKED else None


def _attributed_to(order: OrderFacts, passages: Sequence[Shown]) -> Shown | None:
    return next((one for one in passages if one.passage.id == order.attributed_enrollment_id), None)


def _row(person: PersonFacts, order: OrderFacts, shown: Shown | None, context: Context) -> ReportRow:
    money = Money(order.total_minor, order.currency)
    ours = order.attributed_journey_id == context.journey_id
    message = next((one for one in person.messages if ours and one.id == order.attributed_send_id), None)
    return ReportRow(
        at=order.ordered_at,
        kind=RowKind.ORDER,
        contact=person.contact.phone,
        customer_id=person.contact.external_id,
        first_name=person.contact.first_name,
        journey=context.journey,
        version=shown.version.number if shown is not None else None,
        arm=None if shown is None else Arm.CONTROL if shown.passage.control else Arm.TREATED,
        stage=message.stage + 1 if message is not None else None,
        message=message_name(message) if message is not None else None,
        order_id=order.external_id,
        order_date=order.ordered_at,
        order_amount=money.amount,
        currency=money.currency,
        amount_usd=context.rates.in_usd(money, local_date(order.ordered_at, context.zone)),
        attributed=ours,
        attributed_by=order.attributed_by if ours else None,
        why=None if ours else _why_not(order, shown, context),
        coupon=_code(order, person, shown),
    )


def _why_not(order: OrderFacts, shown: Shown | None, context: Context) -> str | None:
    """Why an order is not the journey's, in the order in which attribution asks."""
    status = (order.financial_status or "").casefold()
    if order.test:
        return "a test order"
    if order.cancelled_at is not None:
        return "cancelled"
    if status == "voided":
        return "voided: never paid"
    if not counts(order):
        return "refunded in full"
    if order.attributed_journey_id is not None:
        return f"belongs to journey {context.about.journeys.get(order.attributed_journey_id, 'of another store')}"
    return shown.why_not(order.ordered_at) if shown is not None else None


def _code(order: OrderFacts, person: PersonFacts, shown: Shown | None) -> str | None:
    """The journey's code that stands on the order, as the shop wrote it; None where none does."""
    fixed = shown.version.coupon if shown is not None else None
    ours = {code.strip().casefold() for code in (*person.codes, *([fixed] if fixed is not None else []))}
    used = [code for code in order.discount_codes if code.strip().casefold() in ours]
    return " ".join(used) or None
