"""What a journey really brought, as a document: the plain answer first, then both arms with their intervals."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from pydantic import Field
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import LiftAnswer
from models.holdout import Arms, Standing
from models.money import digits
from models.tables import Journey
from policies.lift import LEAST_BUYERS, LEAST_CUSTOMERS, LEVEL, Comparison, Estimate, Shortage, conversion, revenue
from reports.documents import Document
from storage.holdout_arms import holdout_arms

_MORE_DIGITS = 2
"""An amount per customer is smaller than any order, so it is shown finer than its currency's own."""

_SHARE_DIGITS = 6


class ShareEstimate(Document):
    """A share (0.031 is 3.1 in 100), or a number of customers, with the ends of its interval."""

    value: float
    low: float
    high: float


class MoneyEstimate(Document):
    """Money in major units with the ends of its interval."""

    value: str = Field(pattern=r"^-?\d+(\.\d+)?$")
    low: str = Field(pattern=r"^-?\d+(\.\d+)?$")
    high: str = Field(pattern=r"^-?\d+(\.\d+)?$")


class ArmView(Document):
    """One arm: everybody who was drawn into it, whatever became of them.

    `eligible` = `compared` + `running` (their first horizon is not over) + `unheld` (they entered under a
    `control_percent` under which nobody was held out, or in which they have nobody to be compared with).
    """

    eligible: int
    compared: int
    running: int
    unheld: int
    converted: int
    conversion: float | None


class ConversionView(Document):
    """Buyers per customer in both arms; null where there is not enough data. `extra` counts customers who bought."""

    answer: LiftAnswer
    text: str
    missing: list[str]
    treated: ShareEstimate | None
    control: ShareEstimate | None
    difference: ShareEstimate | None
    relative: ShareEstimate | None
    extra: ShareEstimate | None


class RevenueView(Document):
    """Revenue per customer in one currency in both arms; null where there is not enough data."""

    currency: str
    answer: LiftAnswer
    text: str
    missing: list[str]
    treated: MoneyEstimate | None
    control: MoneyEstimate | None
    difference: MoneyEstimate | None
    relative: ShareEstimate | None
    extra: MoneyEstimate | None


class LiftView(Document):
    """The holdout's answer. `level` is that of every interval; `revenue` has a line for each currency spent."""

    level: float
    control_percents: list[int]
    treated: ArmView
    control: ArmView
    conversion: ConversionView
    revenue: list[RevenueView]


async def lift_view(session: AsyncSession, store_id: int, journey_id: int, *, now: datetime) -> LiftView:
    """What the journey of this store brought, as far as can be told by now.

    Raises:
        LookupError: the store has no such journey.
    """
    journey = await session.get(Journey, journey_id)
    if journey is None or journey.store_id != store_id:
        raise LookupError(f"the store has no journey {journey_id}")
    # Away from the loop: in the gateway webhooks must not wait until the statistics library is loaded.
    return await asyncio.to_thread(view_of, await holdout_arms(session, journey_id, now=now))


def view_of(arms: Arms) -> LiftView:
    """The document of what the database counted."""
    bought = conversion(arms.strata)
    return LiftView(
        level=LEVEL,
        control_percents=[one.control_percent for one in arms.strata],
        treated=_arm(arms.treated, [one.treated.converted for one in arms.strata]),
        control=_arm(arms.control, [one.control.converted for one in arms.strata]),
        conversion=ConversionView(
            answer=bought.answer,
            text=_conversion_text(bought, arms),
            missing=_missing(bought.lacking),
            treated=_share(bought.treated),
            control=_share(bought.control),
            difference=_share(bought.difference),
            relative=_share(bought.relative),
            extra=_share(bought.extra, digits=1),
        ),
        revenue=[_revenue(one, revenue(arms.strata, one), arms) for one in arms.currencies],
    )


def _arm(standing: Standing, converted: Sequence[int]) -> ArmView:
    bought = sum(converted)
    return ArmView(
        eligible=standing.eligible,
        compared=standing.compared,
        running=standing.running,
        unheld=standing.unheld,
        converted=bought,
        conversion=round(bought / standing.compared, _SHARE_DIGITS) if standing.compared else None,
    )


def _revenue(currency: str, found: Comparison, arms: Arms) -> RevenueView:
    fine = digits(currency) + _MORE_DIGITS
    return RevenueView(
        currency=currency,
        answer=found.answer,
        text=_revenue_text(found, currency, arms),
        missing=_missing(found.lacking),
        treated=_money(found.treated, currency, fine),
        control=_money(found.control, currency, fine),
        difference=_money(found.difference, currency, fine),
        relative=_share(found.relative),
        extra=_money(found.extra, currency, digits(currency)),
    )


def _share(found: Estimate | None, *, digits: int = _SHARE_DIGITS) -> ShareEstimate | None:
    if found is None:
        return None
    # Zero has no sign: -0.0 would be a needless riddle.
    value, low, high = (round(one, digits) + 0.0 for one in (found.value, found.low, found.high))
    return ShareEstimate(value=value, low=low, high=high)


def _money(found: Estimate | None, currency: str, decimals: int) -> MoneyEstimate | None:
    if found is None:
        return None
    value, low, high = (_major(one, currency, decimals) for one in (found.value, found.low, found.high))
    return MoneyEstimate(value=value, low=low, high=high)


def _major(minor: float, currency: str, decimals: int) -> str:
    amount = Decimal(minor).scaleb(-digits(currency)).quantize(Decimal(1).scaleb(-decimals))
    return f"{amount or abs(amount):f}"


def _conversion_text(found: Comparison, arms: Arms) -> str:
    if found.treated is None or found.control is None or found.difference is None:
        return _nothing_yet(found, arms)
    span = f"95%: {100 * found.difference.low:.1f} to {100 * found.difference.high:.1f}"
    rates = f"{100 * found.treated.value:.1f} in 100 bought, and {100 * found.control.value:.1f} in 100 of the held out"
    by = abs(100 * found.difference.value)
    match found.answer:
        case LiftAnswer.GAIN:
            said = f"brought {by:.1f} more buyers in 100 ({span})"
        case LiftAnswer.LOSS:
            said = f"cost {by:.1f} buyers in 100 (difference, {span})"
        case _:
            said = f"no difference in buyers shown: {100 * found.difference.value:+.1f} in 100 ({span})"
    return f"{said}; {rates}{_still_running(arms)}"


def _revenue_text(found: Comparison, currency: str, arms: Arms) -> str:
    if found.difference is None or found.extra is None:
        return _nothing_yet(found, arms)
    plain = digits(currency)

    def told(minor: float) -> str:
        return _major(minor, currency, plain)

    span = f"95%: {told(found.difference.low)} to {told(found.difference.high)}"
    each, whole = told(abs(found.difference.value)), told(abs(found.extra.value))
    match found.answer:
        case LiftAnswer.GAIN:
            return f"brought {each} {currency} more per customer ({span}), {whole} {currency} in all"
        case LiftAnswer.LOSS:
            return f"cost {each} {currency} per customer (difference, {span}), {whole} {currency} in all"
        case _:
            return f"no difference in revenue shown: {told(found.difference.value)} {currency} per customer ({span})"


def _nothing_yet(found: Comparison, arms: Arms) -> str:
    if found.answer is LiftAnswer.NO_HOLDOUT:
        return "nobody is held out to compare with: what the journey brought by itself cannot be told"
    reasons = "; ".join(_missing(found.lacking)) or "too few buyers in one arm to tell how differently they spend"
    return f"not enough data yet: {reasons}{_still_running(arms)}"


def _still_running(arms: Arms) -> str:
    running = arms.treated.running + arms.control.running
    return f"; {running} customers are not counted yet, as their time is still running" if running else ""


def _missing(lacking: Sequence[Shortage]) -> list[str]:
    return [_shortage(one) for one in lacking]


def _shortage(one: Shortage) -> str:
    who = "held out" if one.control else "treated"
    if one.customers < LEAST_CUSTOMERS:
        return f"{one.customers} of at least {LEAST_CUSTOMERS} {who} customers whose time is over"
    if one.more is None:
        return f"nobody has bought, of the {one.customers} {who} or of the others"
    return (
        f"{one.buyers:.1f} of at least {LEAST_BUYERS} buyers to be expected of the {one.customers} {who}: "
        f"about {one.more} customers more at the rate so far"
    )
