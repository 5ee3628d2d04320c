"""A journey's statistics for the command line and the API, from what `storage.statistics` counts."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import AttributedBy, HoldReason, SendState, SkipReason
from models.money import Money, digits
from models.tables import Journey
from policies.phones import mask_phone
from policies.whatsapp_reactions import explain
from reports.documents import Amount
from reports.journeys import journey_line
from reports.lift import lift_view
from reports.statistics_documents import (
    Duration,
    Failure,
    Figures,
    FiguresRow,
    Headline,
    JourneyStatsDocument,
    ListedRow,
    MessageFigures,
    OptOuts,
    OrderCounts,
    Revenue,
    StageLine,
    StatsListDocument,
)
from reports.wording import EXITS as EXIT_WORDS
from reports.wording import HOLDS, SKIPS, outcome_words
from storage.journeys import summary
from storage.statistics.grouping import By
from storage.statistics.lists import Listed, keys_of, list_rows
from storage.statistics.messages import FAILED, NO_CODE, OPTED_OUT, SKIPPED, failure_code, message_key
from storage.statistics.outside import LEFT_OUT
from storage.statistics.passages import EXITED, EXITS, RUNNING
from storage.statistics.period import EVER, Period
from storage.statistics.times import Times
from storage.statistics.totals import Totals, totals, totals_by
from storage.stores import StoreParts, required_id

_SKIP_WORDS: Final[dict[str, str]] = {reason.value: text for reason, text in SKIPS.items()}
_HOLD_WORDS: Final[dict[str, str]] = {reason.value: text for reason, text in HOLDS.items()}
_RATE_DIGITS: Final = 4
_FINER: Final = 2
"""More decimals than the currency has: a message's share of the revenue is often less than a cent."""


async def journey_stats(
    session: AsyncSession,
    parts: StoreParts,
    journey: Journey,
    *,
    now: datetime,
    period: Period = EVER,
    by: By | None = None,
) -> JourneyStatsDocument:
    """One journey's numbers in a period whose zone is the store's, split if asked for."""
    journey_id = required_id(journey.id)
    whole = await totals(session, journey_id, period)
    keys = await keys_of(session, journey_id)
    rows = None if by is None else await totals_by(session, journey_id, by, zone=period.zone, period=period)
    stages = _stages(keys)
    return JourneyStatsDocument(
        store=parts.store.slug,
        journey=await journey_line(session, parts, await summary(session, journey), now=now),
        first_day=period.first,
        end_day=period.end,
        time_zone=period.zone.key,
        numbers=_numbers(keys, whole.counts),
        by=by,
        rows=rows
        and [
            FiguresRow(version=label.version, day=label.day, coupon=label.coupon, **dict(_figures(found, stages)))
            for label, found in rows
        ],
        lift=await lift_view(session, parts.id, journey_id, now=now),
        **dict(_figures(whole, stages)),
    )


async def stats_list(
    session: AsyncSession,
    parts: StoreParts,
    journey: Journey,
    key: str,
    *,
    period: Period = EVER,
    after: str | None = None,
    limit: int,
) -> StatsListDocument:
    """The rows behind one number.

    Raises:
        UnknownKeyError: no number has that key.
    """
    found = await list_rows(session, required_id(journey.id), key, period, after=after, limit=limit + 1)
    rows = [_listed(one, key) for one in found[:limit]]
    return StatsListDocument(
        store=parts.store.slug,
        journey=journey.name,
        key=key,
        first_day=period.first,
        end_day=period.end,
        rows=rows,
        next=rows[-1].id if len(found) > limit else None,
    )


def _stages(keys: Iterable[str]) -> int:
    return sum(key.endswith(":sent") and key.startswith("stage:") for key in keys)


def _numbers(keys: Iterable[str], counts: Counter[str]) -> dict[str, int]:
    """Every number by its key, zeros among them; where `CODE` stands, the codes that there are."""
    found: dict[str, int] = {}
    for key in keys:
        if key.endswith(f"{FAILED}:CODE"):
            start = key.removesuffix("CODE")
            found |= {one: counts[one] for one in sorted(counts) if one.startswith(start)}
        else:
            found[key] = counts[key]
    return found


def _figures(found: Totals, stages: int) -> Figures:
    counts, revenue = found.counts, _revenue(found)
    received = counts["messages:delivered"]
    unsubscribed = counts["exited:unsubscribed"]
    return Figures(
        headline=Headline(
            started=counts["started"],
            exited=counts["exited"],
            purchased=counts["purchased"],
            completed=counts["completed"],
            revenue=revenue,
        ),
        states={state.value: counts[f"state:{state}"] for state in RUNNING},
        exits={word: counts[f"closed:{word}"] for word in EXITS},
        exited={word: counts[f"exited:{word}"] for word in EXITED},
        holding={reason.value: counts[f"holding:{reason}"] for reason in HoldReason},
        control=counts["control"],
        paced=counts["paced"],
        left_out={word.value: counts[f"left_out:{word}"] for word in LEFT_OUT},
        all_messages=_messages(counts, None),
        stages=[StageLine(stage=stage + 1, **dict(_messages(counts, stage))) for stage in range(stages)],
        opt_outs=OptOuts(
            customers=unsubscribed,
            messages=counts[OPTED_OUT],
            received=received,
            customer_rate=_rate(unsubscribed, received),
            message_rate=_rate(counts[OPTED_OUT], received),
        ),
        time_to_reply=_duration(found.to_reply),
        time_to_order=_duration(found.to_order),
        orders=OrderCounts(
            total=counts["orders"],
            window=counts[f"orders:{AttributedBy.WINDOW}"],
            coupon=counts[f"orders:{AttributedBy.COUPON}"],
            with_code=counts["orders:with_code"],
            after_message=counts["orders:after_message"],
        ),
        credits=found.credits,
        revenue_per_message=_shares(found, counts["messages:sent"]),
        revenue_per_credit=_shares(found, found.credits),
    )


def _messages(counts: Counter[str], stage: int | None) -> MessageFigures:
    def number(word: str) -> int:
        return counts[message_key(word, stage)]

    start = message_key(f"{FAILED}:", stage)
    codes = {failure_code(key.removeprefix(start)): counts[key] for key in counts if key.startswith(start)}
    failures = [
        Failure(code=_code(code), text=_failure_text(code), messages=failed)
        for code, failed in codes.items()
        if code is not None and failed
    ]
    return MessageFigures(
        messages={state.value: number(f"state:{state}") for state in SendState},
        sent=number("sent"),
        possibly_sent=number("possibly_sent"),
        received=number("delivered"),
        read=number("read"),
        replied=number("replied"),
        failed=number(FAILED),
        failures=sorted(failures, key=lambda one: (-one.messages, one.code or 0)),
        skipped={reason.value: number(f"{SKIPPED}:{reason}") for reason in SkipReason},
        opted_out=number(OPTED_OUT),
    )


def _revenue(found: Totals) -> Revenue:
    def amounts(part: str) -> list[Amount]:
        minors = {currency: getattr(one, part) for currency, one in sorted(found.revenue.items())}
        return [Amount.of(Money(minor, currency)) for currency, minor in minors.items()]

    return Revenue(
        total=amounts("total"), window=amounts("window"), coupon=amounts("coupon"), with_code=amounts("with_code")
    )


def _shares(found: Totals, number: int) -> list[Amount]:
    """The revenue over a number; nothing over none."""
    if number <= 0:
        return []
    shares = []
    for currency, one in sorted(found.revenue.items()):
        finest = Decimal(1).scaleb(-digits(currency) - _FINER)
        share = (Money(one.total, currency).amount / number).quantize(finest)
        shares.append(Amount(amount=f"{share:f}", currency=currency))
    return shares


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, _RATE_DIGITS) if whole else None


def _duration(found: Times) -> Duration:
    return Duration(number=found.number, median=found.median, ninetieth=found.ninetieth)


def _code(code: int) -> int | None:
    return None if code == NO_CODE else code


def _failure_text(code: int) -> str:
    return "it was refused, or never left, without a code of WhatsApp's" if code == NO_CODE else explain(code)


def _listed(one: Listed, key: str) -> ListedRow:
    is_failure = FAILED in key.split(":") and one.code is not None
    return ListedRow(
        id=one.id,
        at=one.at,
        day=one.day,
        customer_id=one.customer_id,
        phone=mask_phone(one.phone) if one.phone is not None else None,
        first_name=one.first_name,
        enrollment=one.enrollment_id,
        version=one.version,
        stage=None if one.stage is None else one.stage + 1,
        state=one.state,
        reason=one.reason,
        text=_failure_text(one.code) if is_failure and one.code is not None else _words(one.reason, key),
        code=None if one.code is None else _code(one.code),
        seen=one.seen,
        threshold=one.threshold,
        order_id=one.order_id,
        amount=Amount.of(one.total) if one.total is not None else None,
        attributed_by=one.attributed_by,
    )


def _words(reason: str | None, key: str) -> str | None:
    """The reason as a sentence; several vocabularies may have the same word, so the number says whose it is."""
    if reason is None:
        return None
    subject = key.partition(":")[0]
    if subject == "left_out":
        return outcome_words(reason)
    if subject in {"stage", "messages", OPTED_OUT}:
        return _SKIP_WORDS.get(reason, reason)
    return EXIT_WORDS.get(reason) or _HOLD_WORDS.get(reason, reason)
