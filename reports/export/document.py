"""What `report` says of the file that it wrote."""

from datetime import date
from decimal import Decimal

from pydantic import Field

from models.enums import AttributedBy
from models.money import digits
from reports.documents import Document
from reports.export.columns import RowKind
from reports.export.formats import Format
from reports.export.totals import Earned, Totals
from storage.statistics.period import Period


class RevenueLine(Document):
    """What the journey brought in one currency; `usd` leaves out the orders `without_rate`, null where all are."""

    currency: str
    orders: int
    window: str
    coupon: str
    total: str
    usd: str | None
    without_rate: int


class ReportTotals(Document):
    """The rows by kind, and what they come to.

    Attributes:
        possibly_sent: of the messages those of which nobody knows whether they went.
        orders_attributed: all, and by `window` and `coupon`.
        usd: over all currencies; null unless every attributed order could be converted.
        not_received: by reason; those that do not occur are left out, as codes of WhatsApp's have no end.
    """

    rows: dict[str, int]
    possibly_sent: int
    orders_attributed: dict[str, int]
    revenue: list[RevenueLine]
    usd: str | None
    not_received: dict[str, int]


class ReportDocument(Document):
    """`report`. `file_bytes` is the file's size; `emailed_to` is null unless it was mailed."""

    store: str
    journey: str
    file: str
    format: Format
    file_bytes: int
    from_: date | None = Field(serialization_alias="from")
    to: date | None
    time_zone: str
    totals: ReportTotals
    emailed_to: list[str] | None
    email_refused: int | None


def totals_view(totals: Totals) -> ReportTotals:
    """The totals as they are printed."""
    earned = sorted(totals.earned.items())
    complete = all(one.without_rate == 0 for _, one in earned)
    return ReportTotals(
        rows={**{kind.value: totals.rows[kind] for kind in RowKind}, "total": sum(totals.rows.values())},
        possibly_sent=totals.possibly_sent,
        orders_attributed={
            "total": sum(totals.attributed.values()),
            **{word.value: totals.attributed[word] for word in AttributedBy},
        },
        revenue=[_line(currency, one) for currency, one in earned],
        usd=f"{sum((one.usd for _, one in earned), _ZERO):.2f}" if complete else None,
        not_received=dict(sorted(totals.reasons.items())),
    )


def report_document(
    totals: Totals,
    *,
    store: str,
    journey: str,
    file: str,
    form: Format,
    file_bytes: int,
    period: Period,
    emailed_to: list[str] | None,
    email_refused: int | None,
) -> ReportDocument:
    """The whole document."""
    return ReportDocument(
        store=store,
        journey=journey,
        file=file,
        format=form,
        file_bytes=file_bytes,
        from_=period.first,
        to=period.end,
        time_zone=period.zone.key,
        totals=totals_view(totals),
        emailed_to=emailed_to,
        email_refused=email_refused,
    )


def _line(currency: str, earned: Earned) -> RevenueLine:
    places = digits(currency)
    return RevenueLine(
        currency=currency,
        orders=earned.orders,
        window=f"{earned.by[AttributedBy.WINDOW]:.{places}f}",
        coupon=f"{earned.by[AttributedBy.COUPON]:.{places}f}",
        total=f"{earned.total:.{places}f}",
        usd=f"{earned.usd:.2f}" if earned.without_rate < earned.orders else None,
        without_rate=earned.without_rate,
    )


_ZERO = Decimal(0)
