"""Do two win-backs ask for the same people? Each customer is in one journey at a time, so somebody has to give way."""

from decimal import Decimal

from models.audience import Audience, MoneyRange


def overlaps(one: Audience, other: Audience) -> bool:
    """Whether a customer may pass both filters on the same day."""
    return _days_meet(one, other) and _totals_meet(one.last_order_total, other.last_order_total)


def _days_meet(one: Audience, other: Audience) -> bool:
    return _meet((one.inactive_days, one.inactive_days_max), (other.inactive_days, other.inactive_days_max))


def _totals_meet(one: MoneyRange | None, other: MoneyRange | None) -> bool:
    if one is None or other is None:
        return True
    return _meet((one.min, one.max), (other.min, other.max))


def _meet(
    one: tuple[int | Decimal | None, int | Decimal | None], other: tuple[int | Decimal | None, int | Decimal | None]
) -> bool:
    """Whether two ranges, both ends included and an open end None, have a value in common."""
    return _reaches(one[0], other[1]) and _reaches(other[0], one[1])


def _reaches(least: int | Decimal | None, most: int | Decimal | None) -> bool:
    return least is None or most is None or least <= most
