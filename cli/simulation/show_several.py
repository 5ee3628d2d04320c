"""Several simulations as a person wants to read them: what was assumed, what came of it, and how it spread."""

from collections.abc import Sequence

from cli.output import Output
from cli.simulation.several_document import Comparison, PointDocument, Ranged
from cli.simulation.views import CAUTION, View, assumption_lines, figure_rows, in_a_cell, view_of


def show_ranged(output: Output, document: Ranged) -> None:
    """The totals over all runs, what each point of the ranges came to, and the days."""
    view, runs = view_of(document), len(document.runs)
    output.line()
    output.line(f"{view.heading}: {runs} runs", style="bold")
    _show_assumptions(output, view)
    output.line()
    output.line("What they came to: the middle run (lowest to highest)", style="bold")
    output.table(["what", "runs#"], [[name, in_a_cell(one)] for name, (one,) in figure_rows(view)])
    if len(document.points) > 1:
        output.line()
        output.line("At each point of the ranges", style="bold")
        _show_points(output, document.points)
    show_days(output, view)


def show_comparison(output: Output, document: Comparison) -> None:
    """A column for each file, and the difference."""
    view, runs = view_of(document), len(document.files[0].runs)
    output.line()
    output.line(f"{view.heading}, {runs} run{'s' if runs > 1 else ''} each, with the same people", style="bold")
    for side in view.sides:
        output.line(f"  {side.label}: {side.title}")
    _show_assumptions(output, view)
    output.line()
    output.table(
        ["what", "A#", "B#", "B less A#"],
        [[name, *(in_a_cell(one) for one in found)] for name, found in figure_rows(view)],
    )
    if runs == 1:
        output.line("one run each: a small difference may be chance (--runs 5 shows how far it spreads)")
    for side in view.sides:
        if len(side.points) > 1:
            output.line()
            output.line(f"{side.label} at each point of the ranges", style="bold")
            _show_points(output, side.points)
    show_days(output, view)


def show_days(output: Output, view: View) -> None:
    """What came on each day, or in each week of a long simulation."""
    series = [one for chart in view.charts for one in chart.series]
    headings = [
        one.name if chart.title.startswith(("Messages", "Credits")) else f"{_short(chart.title)} {one.name}"
        for chart in view.charts
        for one in chart.series
    ]
    output.line()
    output.line("By week" if view.weekly else "By day", style="bold")
    if not series:
        output.line("  nothing was sent, held or spent")
        return
    output.table(
        [view.period, *(f"{name}#" for name in headings)],
        [
            [f"{begin:%a %Y-%m-%d}", *(in_a_cell(one.values[place]) for one in series)]
            for place, begin in enumerate(view.begins)
        ],
    )


def _short(title: str) -> str:
    return {"Stages held": "held:", "Caps reached": "capped:"}.get(title, "revenue so far,")


def _show_assumptions(output: Output, view: View) -> None:
    output.line(CAUTION)
    for line in assumption_lines(view.assumed):
        output.line(f"  {line}")


def _show_points(output: Output, points: Sequence[PointDocument]) -> None:
    currencies = sorted({currency for point in points for currency in point.revenue})
    output.table(
        ["replies#", "order rate#", "runs#", "messages#", "orders#", *(f"revenue, {one}#" for one in currencies)],
        [
            [
                f"{point.replies or 0:.1%}",
                f"{point.order_rate or 0:.1%}",
                str(point.runs),
                in_a_cell(point.figures["sent"]),
                in_a_cell(point.figures["orders"]),
                *(in_a_cell(point.revenue[one]) if one in point.revenue else "0" for one in currencies),
            ]
            for point in points
        ],
    )
