"""A journey's numbers as tables for a person."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from cli.output import Output
from models.enums import HoldReason, SkipReason
from reports.documents import Amount
from reports.statistics_documents import Duration, Figures, FiguresRow, JourneyStatsDocument, MessageFigures
from reports.wording import EXITS, HOLDS, OUTCOMES, SKIPS

_NONE: Final = "-"


def show_stats(output: Output, document: JourneyStatsDocument) -> None:
    """Everything, the five numbers first."""
    line = document.journey
    since = f"from {document.first_day}" if document.first_day is not None else ""
    until = f"before {document.end_day}" if document.end_day is not None else ""
    period = " ".join(one for one in (since, until) if one) or "since it began"
    output.line(f"{line.name}, {line.kind.value}, {line.state.value}: {period} ({document.time_zone})", style="bold")
    headline = document.headline
    output.table(
        ["started#", "exited#", "purchased#", "completed#", "revenue#"],
        [
            [
                *(str(n) for n in (headline.started, headline.exited, headline.purchased, headline.completed)),
                _money(headline.revenue.total),
            ]
        ],
    )
    _show_people(output, document)
    _show_messages(output, document)
    _show_money(output, document)
    _show_lift(output, document)
    if document.rows is not None:
        _show_rows(output, document.by or "", document.rows)
    output.line()
    output.line("Every number has a key: `--list exited:unsubscribed` prints who is behind it; `--json` has them all.")


def _show_people(output: Output, found: Figures) -> None:
    output.line()
    started = found.headline.started
    rows = [["under way", state, str(count), ""] for state, count in found.states.items() if count]
    rows += [["ended", word, str(count), EXITS[word]] for word, count in found.exits.items() if count]
    rows += [["held now", word, str(count), HOLDS[HoldReason(word)]] for word, count in found.holding.items() if count]
    rows += [["control", "", str(found.control), "held out, and in none of the other numbers"]] if found.control else []
    rows += [["paced", "", str(found.paced), "wait for a later day"]] if found.paced else []
    rows += [["left out", word, str(count), OUTCOMES[word]] for word, count in found.left_out.items() if count]
    if rows:
        output.table(["", "word", "customers#", ""], rows, title=f"The {started} who entered, and the others")
    else:
        output.line("Nobody has entered, and nobody was left out.")


def _show_messages(output: Output, found: Figures) -> None:
    stages = [(str(one.stage), one) for one in found.stages]
    if not stages:
        return
    lines: list[tuple[str, MessageFigures]] = [*stages, *([("all", found.all_messages)] if len(stages) > 1 else [])]
    output.line()
    output.table(
        ["stage", "sent#", "possibly#", "received#", "read#", "replied#", "failed#", "skipped#", "opted out#"],
        [
            [
                name,
                *(str(n) for n in (one.sent, one.possibly_sent, one.received, one.read, one.replied, one.failed)),
                *(str(n) for n in (sum(one.skipped.values()), one.opted_out)),
            ]
            for name, one in lines
        ],
        title="Messages",
    )
    for name, one in stages:
        for failure in one.failures:
            code = "without a code" if failure.code is None else f"with {failure.code}"
            output.line(f"stage {name}: {failure.messages} failed {code}: {failure.text}")
        for word, count in one.skipped.items():
            if count:
                output.line(f"stage {name}: {count} skipped, {word}: {SKIPS[SkipReason(word)]}")


def _show_money(output: Output, found: Figures) -> None:
    revenue, orders, opt_outs = found.headline.revenue, found.orders, found.opt_outs
    output.line()
    output.table(
        ["", "orders#", "revenue#"],
        [
            ["within the window of a message", str(orders.window), _money(revenue.window)],
            ["by the coupon alone", str(orders.coupon), _money(revenue.coupon)],
            ["together", str(orders.total), _money(revenue.total)],
            ["of these with the coupon", str(orders.with_code), _money(revenue.with_code)],
        ],
        title="Attributed orders",
    )
    output.line(
        f"revenue per sent message {_money(found.revenue_per_message)}, per credit {_money(found.revenue_per_credit)} "
        f"({found.credits} credits)"
    )
    output.line(
        f"opted out: {opt_outs.customers} customers ({_percent(opt_outs.customer_rate)}) and {opt_outs.messages} "
        f"messages that led to it ({_percent(opt_outs.message_rate)}), of {opt_outs.received} received"
    )
    output.line(f"time to reply {_time(found.time_to_reply)}; time to order {_time(found.time_to_order)}")


def _show_lift(output: Output, document: JourneyStatsDocument) -> None:
    lift = document.lift
    output.line()
    output.line("What it really brought, compared with those held out (since it began)", style="bold")
    output.line(f"  {lift.conversion.text}")
    for one in lift.revenue:
        output.line(f"  {one.currency}: {one.text}")


def _show_rows(output: Output, by: str, rows: Iterable[FiguresRow]) -> None:
    output.line()
    output.table(
        [
            by,
            "started#",
            "exited#",
            "purchased#",
            "completed#",
            "sent#",
            "received#",
            "replied#",
            "failed#",
            "skipped#",
            "ended#",
            "orders#",
            "revenue#",
        ],
        [_row(one) for one in rows],
        title=f"By {by}" + (", each fact on its own day" if by in {"day", "week"} else ""),
    )


def _row(one: FiguresRow) -> list[str]:
    label = one.version if one.version is not None else one.day if one.day is not None else one.coupon or "none"
    headline, messages = one.headline, one.all_messages
    counts = (
        headline.started,
        headline.exited,
        headline.purchased,
        headline.completed,
        messages.sent,
        messages.received,
        messages.replied,
        messages.failed,
        sum(messages.skipped.values()),
        sum(one.exits.values()),
        one.orders.total,
    )
    return [str(label), *(str(count) for count in counts), _money(headline.revenue.total)]


def _money(amounts: Iterable[Amount]) -> str:
    return ", ".join(f"{one.amount} {one.currency}" for one in amounts) or _NONE


def _percent(rate: float | None) -> str:
    return _NONE if rate is None else f"{100 * rate:.2f}%"


def _time(found: Duration) -> str:
    if found.median is None or found.ninetieth is None:
        return _NONE
    return (
        f"{timedelta(seconds=found.median)}, nine in ten within {timedelta(seconds=found.ninetieth)} ({found.number})"
    )
