"""A journey's statistics as documents: `stats` and the staff API answer with them alike.

Every count has a key, and `numbers` has them all by it: `stats J --list KEY` prints as many rows as the number says.
What the words mean stands in docs/statistics.md. A rate of nothing is null.
"""

from datetime import date

from pydantic import Field

from reports.documents import Amount, Document, JourneyLine, Moment
from reports.lift import LiftView


class Revenue(Document):
    """What is left of the attributed orders, each currency for itself.

    Attributes:
        total: all of it.
        window: of orders within the attribution window of a received message.
        coupon: of the others, which used the journey's coupon.
        with_code: of orders of either kind that used the coupon.
    """

    total: list[Amount]
    window: list[Amount]
    coupon: list[Amount]
    with_code: list[Amount]


class Headline(Document):
    """The five numbers; they overlap on purpose.

    Attributes:
        started: entered the journey.
        exited: opted out, were taken over by a journey of higher priority, or bought what is not attributed.
        purchased: placed an attributed order while they were in it.
        completed: came to the last message, or purchased.
        revenue: of all attributed orders, also of those after the passage was over.
    """

    started: int
    exited: int
    purchased: int
    completed: int
    revenue: Revenue


class Failure(Document):
    """Messages whose last attempt failed, by WhatsApp's code; null where there was none."""

    code: int | None
    text: str
    messages: int


class MessageFigures(Document):
    """What became of messages, each counted once however many attempts it took.

    Attributes:
        messages: by the state that they are in.
        sent: WhatsApp took them.
        possibly_sent: nobody knows whether it did: `unknown` and `parked`.
        received: delivered, as WhatsApp told.
        read: seen to be read.
        replied: the customer wrote after them, before the next one, while they were in the journey.
        failed: the last attempt failed, before WhatsApp took it or after.
        failures: those by code.
        skipped: passed over, by reason.
        opted_out: the customer opted out because of them, as far as that can be told.
    """

    messages: dict[str, int]
    sent: int
    possibly_sent: int
    received: int
    read: int
    replied: int
    failed: int
    failures: list[Failure]
    skipped: dict[str, int]
    opted_out: int


class StageLine(MessageFigures):
    """One stage's messages, over all versions; `stage` counts from 1."""

    stage: int


class OptOuts(Document):
    """How many opted out: customers whose passage ended with it, and messages that led to it.

    The rates are over the received messages, 0.05 being five in a hundred.
    """

    customers: int
    messages: int
    received: int
    customer_rate: float | None = Field(ge=0)
    message_rate: float | None = Field(ge=0)


class Duration(Document):
    """How long it took, in whole seconds: the middle one, and the one that nine in ten do not exceed."""

    number: int
    median: int | None
    ninetieth: int | None


class OrderCounts(Document):
    """The attributed orders: by what credits them, those that used the coupon, and those after a message."""

    total: int
    window: int
    coupon: int
    with_code: int
    after_message: int


class Figures(Document):
    """The numbers of a journey, or of one row of it.

    Attributes:
        states: who is under way, by state.
        exits: how it ended for the others; `states` and `exits` sum to `headline.started`.
        exited: what `headline.exited` is made of.
        holding: those of state `holding`, by why.
        control: held out, and in none of the other numbers.
        paced: wait for a later day.
        left_out: considered and left out, by the newest reason.
        all_messages: those of all stages.
        time_to_reply: from a message's acceptance to the customer's words.
        time_to_order: from the acceptance of the last message before it to an attributed order.
        credits: charged for messages and calls of the model.
        revenue_per_message: revenue over sent messages.
        revenue_per_credit: revenue over credits.
    """

    headline: Headline
    states: dict[str, int]
    exits: dict[str, int]
    exited: dict[str, int]
    holding: dict[str, int]
    control: int
    paced: int
    left_out: dict[str, int]
    all_messages: MessageFigures
    stages: list[StageLine]
    opt_outs: OptOuts
    time_to_reply: Duration
    time_to_order: Duration
    orders: OrderCounts
    credits: int
    revenue_per_message: list[Amount]
    revenue_per_credit: list[Amount]


class FiguresRow(Figures):
    """The numbers of one version, one day, one week (its Monday) or one coupon; which one, the others being null.

    With rows by coupon all three are null for the versions without one.
    """

    version: int | None
    day: date | None
    coupon: str | None


class JourneyStatsDocument(Figures):
    """`stats`: one journey's numbers.

    Attributes:
        journey: as `journeys` has it, whatever the period.
        first_day: the first store-local day that counts; null for all.
        end_day: the day after the last one.
        time_zone: whose days these are.
        numbers: every count by its key.
        by: what the rows are; null without.
        rows: the numbers split; those of days and weeks each on its own day, days without any left out.
        lift: what the journey really brought, compared with the holdout, whatever the period.
    """

    store: str
    journey: JourneyLine
    first_day: date | None
    end_day: date | None
    time_zone: str
    numbers: dict[str, int]
    by: str | None
    rows: list[FiguresRow] | None
    lift: LiftView


class ListedRow(Document):
    """One row behind a number; what does not belong to its subject is null. `stage` counts from 1.

    Attributes:
        id: names the row; `after` takes it.
        at: when it counts.
        day: the day that somebody waits for.
        enrollment: the passage, for `status --workflow-id`.
        state: of the passage or the message.
        reason: why it ended, is held, was passed over or left out.
        text: the reason, or WhatsApp's code, in words.
        code: WhatsApp's.
        seen: what the rule saw that left the customer out.
        threshold: what it asks.
        amount: what is left of the order.
    """

    id: str
    at: Moment | None
    day: date | None
    customer_id: str | None
    phone: str | None
    first_name: str | None
    enrollment: str | None
    version: int
    stage: int | None
    state: str | None
    reason: str | None
    text: str | None
    code: int | None
    seen: str | None
    threshold: str | None
    order_id: str | None
    amount: Amount | None
    attributed_by: str | None


class StatsListDocument(Document):
    """`stats --list`: the rows behind one number, oldest first; `next` asks for the following ones, null at the end."""

    store: str
    journey: str
    key: str
    first_day: date | None
    end_day: date | None
    rows: list[ListedRow]
    next: str | None
