"""A simulation's outcome as a person wants to read it."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from cli.output import Output
from cli.passages import show_enrollment
from cli.simulation.collected import assumed_in
from cli.simulation.document import Outcome, ReviewCounts
from cli.simulation.options import Options
from cli.simulation.show_several import show_days
from cli.simulation.views import view_of_one
from models.enums import JourneyKind, ReviewOutcome
from models.journey import JourneyDefinition
from reports.documents import EnrollmentView
from reports.wording import EXITS, OUTCOMES, REVIEWS

_BAR = 40
_SUBJECTS = {
    JourneyKind.WIN_BACK: "customers",
    JourneyKind.FOLLOW_UP: "conversations",
    JourneyKind.ABANDONED_CART: "carts",
    JourneyKind.TRACKING: "conversations",
}


def show_outcome(output: Output, outcome: Outcome, options: Options, zone: ZoneInfo, *, days: bool) -> None:
    """Audience, messages, exits, revenue, the days if they are asked for, and what the sandbox counted."""
    definitions, opened = options.definitions, outcome.opened_at.astimezone(zone)
    last = opened + timedelta(days=outcome.virtual_days)
    names = " and ".join(definition.name for definition in definitions)
    output.line()
    output.line(f"{names}: {outcome.virtual_days} days in {outcome.wall_seconds:.0f} seconds", style="bold")
    output.line(f"from {opened:%a %Y-%m-%d %H:%M} to {last:%a %Y-%m-%d} on the virtual clock ({zone.key})")
    _show_audience(output, outcome, _counted(definitions))
    if outcome.reviews is not None:
        _show_reviews(output, outcome.reviews)
    _show_messages(output, outcome, options)
    _show_exits(output, outcome)
    if days:
        show_days(output, view_of_one([one.name for one in definitions], assumed_in(options), outcome))
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
        [f"left out: {reason}", str(count), _words(reason)]
        for reason, count in sorted(audience.skipped.items(), key=lambda item: -item[1])
        if count
    ]
    output.table(["who", f"{counted}#", "why"], rows)


def _words(reason: str) -> str:
    return OUTCOMES[reason] if reason in OUTCOMES else REVIEWS[ReviewOutcome(reason)]


def _show_reviews(output: Output, found: ReviewCounts) -> None:
    """What the runs came to together; who was left out stands in the audience, each conversation once."""
    stopped = f", {found.stopped} of them stopped before their end" if found.stopped else ""
    levels = ", ".join(f"{count} {level}" for level, count in reversed(found.detected.items()) if count)
    outcomes, cost = found.outcomes, found.cost
    output.line()
    output.line(f"Reviews: {found.runs} runs{stopped}", style="bold")
    output.line(f"  considered {found.considered}, analysed {found.analysed}, unreadable {outcomes['unreadable']}")
    output.line(
        f"  detected {sum(found.detected.values())}{f' ({levels})' if levels else ''}, "
        f"verified {found.verified} of which {found.bought_before} had bought, enrolled {outcomes['enrolled']}, "
        f"reported {outcomes['reported']}, control {outcomes['control']}, opted out {outcomes['opted_out']}"
    )
    output.line(
        f"  reached {found.reached}, still to be written to {found.undecided}; "
        f"answered {found.answered}, bought {found.bought}"
    )
    for reason, count in found.not_reached.items():
        if count:
            output.line(f"  not reached {count}: {reason.replace('_', ' ')}")
    output.line(
        f"  cost {cost.calls} calls, {cost.prompt_tokens} + {cost.completion_tokens} tokens, {cost.credits} credits"
    )
    output.line("  the verdicts are the sandbox's own, found by key words: they say nothing about a model's quality")


def _show_messages(output: Output, outcome: Outcome, options: Options) -> None:
    output.line()
    output.line(f"Messages: {outcome.messages.sent} accepted by WhatsApp", style="bold")
    output.table(["stage", "messages#"], [[f"message {n}", str(c)] for n, c in outcome.messages.by_stage.items()])
    most = max(outcome.messages.by_local_hour.values(), default=1)
    for hour, count in outcome.messages.by_local_hour.items():
        output.line(f"  {int(hour):02d}:00  {'#' * max(1, round(_BAR * count / most))} {count}")
    if any(one.needs_approval and options.approves(one) for one in options.definitions):
        output.line("  assumed: people approve each message at once, as it is (--no-approve leaves them waiting)")
    if any(one.needs_approval and not options.approves(one) for one in options.definitions):
        output.line("  messages that wait for a person were not approved (--approve has people approve them)")


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
