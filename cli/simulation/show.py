"""A simulation's outcome as a person wants to read it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from cli.output import Output
from cli.passages import show_enrollment
from cli.simulation.document import Outcome
from models.enums import JourneyKind
from models.journey import JourneyDefinition
from reports.documents import EnrollmentView
from reports.wording import EXITS, OUTCOMES

_BAR = 40
_SUBJECTS = {
    JourneyKind.WIN_BACK: "customers",
    JourneyKind.FOLLOW_UP: "conversations",
    JourneyKind.ABANDONED_CART: "carts",
    JourneyKind.TRACKING: "conversations",
}


def show_outcome(output: Output, outcome: Outcome, definitions: tuple[JourneyDefinition, ...], zone: ZoneInfo) -> None:
    """Audience, messages, exits, revenue, and what the sandbox counted."""
    opened = outcome.opened_at.astimezone(zone)
    last = opened + timedelta(days=outcome.virtual_days)
    names = " and ".join(definition.name for definition in definitions)
    output.line()
    output.line(f"{names}: {outcome.virtual_days} days in {outcome.wall_seconds:.0f} seconds", style="bold")
    output.line(f"from {opened:%a %Y-%m-%d %H:%M} to {last:%a %Y-%m-%d} on the virtual clock ({zone.key})")
    _show_audience(output, outcome, _counted(definitions))
    _show_messages(output, outcome)
    _show_exits(output, outcome)
    _show_checks(output, outcome)


def _counted(definitions: tuple[JourneyDefinition, ...]) -> str:
    """What an audience is made of."""
    words = [_SUBJECTS[kind] for kind in dict.fromkeys(definition.kind for definition in definitions)]
    return " and ".join(words)


def _show_audience(output: Output, outcome: Outcome, counted: str) -> None:
    audience = outcome.audience
    output.line()
    output.line(f"Audience: {audience.considered} {counted} considered", style="bold")
    rows = [
        ["entered", str(audience.entered), ""],
        ["control", str(audience.control), "held out, to compare with"],
    ]
    if audience.paced:
        rows.append(["paced", str(audience.paced), "still waiting for their day"])
    rows += [
        [f"left out: {reason}", str(count), OUTCOMES.get(reason, "")]
        for reason, count in sorted(audience.skipped.items(), key=lambda item: -item[1])
        if count
    ]
    output.table(["who", f"{counted}#", "why"], rows)


def _show_messages(output: Output, outcome: Outcome) -> None:
    output.line()
    output.line(f"Messages: {outcome.messages.sent} accepted by WhatsApp", style="bold")
    output.table(["stage", "messages#"], [[f"message {n}", str(c)] for n, c in outcome.messages.by_stage.items()])
    most = max(outcome.messages.by_local_hour.values(), default=1)
    for hour, count in outcome.messages.by_local_hour.items():
        output.line(f"  {int(hour):02d}:00  {'#' * max(1, round(_BAR * count / most))} {count}")


def _show_exits(output: Output, outcome: Outcome) -> None:
    output.line()
    output.line(f"How the {sum(outcome.exits.values())} journeys that are over ended", style="bold")
    output.table(
        ["exit", "journeys#", "meaning"],
        [[reason, str(n), EXITS[reason]] for reason, n in sorted(outcome.exits.items(), key=lambda i: -i[1]) if n],
    )
    for what, count in outcome.unfinished.items():
        output.line(f"  not over at the end: {count} ({what})")
    revenue = ", ".join(f"{amount} {currency}" for currency, amount in outcome.orders.revenue.items()) or "none"
    output.line()
    output.line(f"Attributed orders: {outcome.orders.attributed}, revenue: {revenue}", style="bold")


def _show_checks(output: Output, outcome: Outcome) -> None:
    seen = outcome.provider
    output.line()
    output.line(
        f"Counted by the other side: {seen.received} messages received, {seen.duplicates} twice, "
        f"{seen.outside_hours} outside the hours, {seen.after_exit} after an exit"
    )


def show_story(output: Output, story: EnrollmentView, zone: ZoneInfo) -> None:
    """One customer's whole timeline."""
    output.line()
    output.line("One customer's story", style="bold")
    show_enrollment(output, story, zone)
