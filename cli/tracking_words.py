"""A daily review in words: what a tracking file does when, for `validate` and `launch`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from cli.run import Run
from cli.tracking_documents import TrackingSummary
from models.enums import BuyingIntent
from models.sending import Weekday
from models.tracking import Tracking
from policies.run_times import Oddity, RunTimes

RUNS_SHOWN: Final = 3
_WARNED_DAYS: Final = 366
_MINUTES: Final = 60


def tracking_summary(definition: Tracking) -> TrackingSummary:
    """The review as a document."""
    template = definition.template
    return TrackingSummary(
        run_at=definition.run_at,
        run_days=[day.value for day in definition.weekdays],
        window_hours=definition.window_hours,
        sensitivity=definition.sensitivity,
        wait_days=definition.wait_days,
        max_conversations=definition.max_conversations,
        restart_days=definition.restart_days,
        max_attempts=definition.max_attempts,
        act=definition.act,
        auto_send=definition.auto_send,
        instructions=definition.instructions,
        template=f"{template.name} ({template.language})" if template is not None else None,
    )


def next_runs(definition: Tracking, zone: ZoneInfo, now: datetime) -> list[datetime]:
    """The runs that begin next, if the journey runs."""
    return list(islice(RunTimes.of(definition, zone).runs(now), RUNS_SHOWN))


def describe_tracking(run: Run, definition: Tracking, runs: Sequence[datetime], zone: ZoneInfo | None) -> None:
    """The review for a person; without a store nobody knows its zone."""
    out = run.output
    out.line(f"{definition.name}: tracking, priority {definition.priority}", style="bold")
    out.line(f"  runs      at {definition.run_at} on {', '.join(definition.weekdays)}, by the store's clock")
    if runs and zone is not None:
        shown = ", ".join(f"{at.astimezone(zone):%a %Y-%m-%d %H:%M}" for at in runs)
        out.line(f"  next      {shown} ({zone.key})")
    out.line(
        f"  reviews   conversations in which the customer wrote in the last {definition.window_hours} hours, or since "
        f"the last run, at most {definition.max_conversations} a run"
    )
    taken = [intent.value for intent in BuyingIntent if definition.takes(intent)]
    out.line(
        f"  finds     {' or '.join(taken)} intent to buy where the sale is open, {definition.control_percent}% held out"
    )
    out.line(f"  then      {_what_follows(definition)}")
    sending = definition.sending
    if definition.act == "message":
        out.line(f"  outside   the 24-hour window {_outside(definition)}")
        out.line(
            f"  sending   {sending.hours} on {', '.join(sending.open_weekdays())} ({sending.time_zone}'s clock), "
            f"at most {sending.max_per_day} new customers a day"
        )
    out.line(
        f"  attempts  {definition.max_attempts} for each opportunity; a new one begins after {definition.restart_days} "
        "days of silence"
    )
    out.line(f"  orders    count for {definition.attribution_days} days; the watch lasts {definition.watch_days}")


def tracking_advice(definition: Tracking) -> Iterator[str]:
    """What is not wrong, but its author may not have meant."""
    if definition.act == "event":
        given = [key for key in ("auto_send", "template", "wait_days") if getattr(definition, key)]
        if given:
            means = "means" if len(given) == 1 else "mean"
            yield f"act: event sends no message, so {', '.join(given)} {means} nothing"
        return
    if definition.template is None and definition.wait_days:
        yield (
            f"wait_days is {definition.wait_days} and there is no template: the 24-hour window is closed by then, so "
            "messages are passed over (window_closed) unless the customer has written again, which ends the follow-up"
        )
    elif definition.template is None:
        yield (
            "template is left out: customers whose last message is more than 24 hours old when ours may go are passed "
            "over (window_closed)"
        )
    if definition.auto_send and definition.sending.approval == "required":
        yield "auto_send is true and sending.approval required: messages wait for approval all the same"
    if not definition.needs_approval and (closed := _closed_days(definition)):
        hours = f"{definition.sending.hours} on {', '.join(definition.sending.open_weekdays())}"
        yield (
            f"run_at {definition.run_at} on {', '.join(closed)} lies outside sending.hours ({hours}): messages then "
            "wait until they open"
        )


def clock_warnings(definition: Tracking, zone: ZoneInfo, now: datetime) -> Iterator[str]:
    """The days of the next year on which the clocks change over the time of the run."""
    return odd_day_warnings(RunTimes.of(definition, zone), now, what="run")


def odd_day_warnings(times: RunTimes, now: datetime, *, what: str) -> Iterator[str]:
    """The days of the next year on which the clocks change over a time of day, and when what is done then begins."""
    for odd in times.odd_days(now, days=_WARNED_DAYS):
        begins = f"that day's {what} begins at {odd.at.astimezone(times.zone):%H:%M %Z}"
        happens = "is jumped over" if odd.oddity is Oddity.MISSING else "comes twice"
        yield f"on {odd.day:%a %Y-%m-%d} the clocks change and {times.clock:%H:%M} {happens}; {begins}, once"


def _what_follows(definition: Tracking) -> str:
    asked = "asks the shop whether they have bought meanwhile; if not, "
    if definition.act == "event":
        return f"{asked}tells the store's own systems (followup.detected) and sends nothing"
    days = "day" if definition.wait_days == 1 else "days"
    when = f"{definition.wait_days} {days} after the customer's last message" if definition.wait_days else "at once"
    who = "once somebody has approved it" if definition.needs_approval else "by itself"
    return f"{asked}the message that was written for them goes {when}, {who}"


def _outside(definition: Tracking) -> str:
    template = definition.template
    return f"the template {template.name} ({template.language}) goes" if template is not None else "nothing goes"


def _closed_days(definition: Tracking) -> list[str]:
    """The run days on which nothing may be sent at the time of the run, if the customer's clock shows the store's."""
    opening, open_days = definition.sending.opening(), definition.sending.open_weekdays()
    minute = definition.run_time.hour * _MINUTES + definition.run_time.minute
    days = list(Weekday)

    def may_send(day: Weekday) -> bool:
        before = days[days.index(day) - 1]
        if opening.start_minute < opening.end_minute:
            return day in open_days and opening.start_minute <= minute < opening.end_minute
        return (day in open_days and minute >= opening.start_minute) or (
            before in open_days and minute < opening.end_minute
        )

    return [day.value for day in definition.weekdays if not may_send(day)]
