"""What a report's rows come to, counted while they are written: the same figures as the statistics of that time."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from models.enums import AttributedBy, SendState
from reports.export.columns import ReportRow, RowKind


@dataclass(slots=True)
class Earned:
    """What the attributed orders of one currency come to.

    Attributes:
        usd: of those orders whose day has a rate.
        without_rate: how many orders have none.
    """

    orders: int = 0
    by: dict[AttributedBy, Decimal] = field(default_factory=lambda: dict.fromkeys(AttributedBy, Decimal(0)))
    usd: Decimal = Decimal(0)
    without_rate: int = 0

    @property
    def total(self) -> Decimal:
        """By window and by coupon together."""
        return sum(self.by.values(), Decimal(0))


@dataclass(slots=True)
class Totals:
    """The sums over all rows so far.

    Attributes:
        possibly_sent: of the message rows those of which nobody knows whether they went.
        attributed: the orders that belong to the journey, by what ties them to it.
        earned: by currency.
        reasons: the `not_received` rows by reason.
    """

    rows: dict[RowKind, int] = field(default_factory=lambda: dict.fromkeys(RowKind, 0))
    possibly_sent: int = 0
    attributed: dict[AttributedBy, int] = field(default_factory=lambda: dict.fromkeys(AttributedBy, 0))
    earned: dict[str, Earned] = field(default_factory=lambda: defaultdict(Earned))
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, rows: Iterable[ReportRow]) -> None:
        """Count these rows too."""
        for row in rows:
            self.rows[row.kind] += 1
            if row.kind is RowKind.MESSAGE:
                self.possibly_sent += row.message_status in _NOBODY_KNOWS
            elif row.kind is RowKind.ORDER:
                self._add_order(row)
            elif row.reason is not None:
                self.reasons[row.reason] += 1

    def _add_order(self, row: ReportRow) -> None:
        if not row.attributed or row.attributed_by is None or row.order_amount is None or row.currency is None:
            return
        self.attributed[row.attributed_by] += 1
        earned = self.earned[row.currency]
        earned.orders += 1
        earned.by[row.attributed_by] += row.order_amount
        if row.amount_usd is None:
            earned.without_rate += 1
        else:
            earned.usd += row.amount_usd


_NOBODY_KNOWS = frozenset({SendState.PARKED.value, SendState.UNKNOWN.value})
