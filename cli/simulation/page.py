"""The page of `simulate --html`: charts with the table of each under it, in one file that needs no network.

It is built as a tree, so that it is well-formed and names of files and journeys are only ever text.
"""

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from xml.etree import ElementTree as ET

from cli.failures import REFUSED, Failure
from cli.simulation.collected import assumptions
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.ranges import Rate
from cli.simulation.several_document import Comparison, PointDocument, Ranged
from cli.simulation.views import (
    CAUTION,
    AnySpread,
    Chart,
    View,
    assumption_lines,
    figure_rows,
    in_a_cell,
    view_of,
    view_of_one,
)

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2328; background: #fff; max-width: 62rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
.caution { border-left: 4px solid #c2571a; padding: .25rem 1rem; background: #fdf6f0; }
svg { width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { padding: .2rem .7rem; border-bottom: 1px solid #d8dee4; text-align: right; vertical-align: bottom; }
th:first-child { text-align: left; font-weight: 500; }
"""


@dataclass(frozen=True, slots=True)
class Page:
    """Where the page goes."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The page of that file.

        Raises:
            Failure: it cannot be written there, or nothing is installed that draws.
        """
        if importlib.util.find_spec("matplotlib") is None:
            raise Failure("--html draws with matplotlib: install requirements-dev.txt", code=REFUSED)
        if path.is_dir() or not path.parent.is_dir():
            raise Failure(f"{path}: a file in a directory that exists is needed", code=REFUSED)
        return cls(path)

    def write(self, document: Ranged | Comparison) -> None:
        """The page of several simulations.

        Raises:
            Failure: it cannot be written.
        """
        self._write(view_of(document))

    def write_one(self, options: Options, rates: tuple[Rate, Rate], outcome: Outcome) -> None:
        """The page of one.

        Raises:
            Failure: it cannot be written.
        """
        assumed = assumptions(options, rates, [options.seed])
        self._write(view_of_one([one.name for one in options.definitions], assumed, outcome))

    def _write(self, view: View) -> None:
        try:
            self.path.write_text(rendered(view), encoding="utf-8")
        except OSError as error:
            raise Failure(f"{self.path}: cannot be written ({error.strerror})", code=REFUSED) from error


def rendered(view: View) -> str:
    """The whole page."""
    from cli.simulation.charts import drawn  # noqa: PLC0415 - loads slowly

    html = ET.Element("html", {"lang": "en"})
    head, body = ET.SubElement(html, "head"), ET.SubElement(html, "body")
    ET.SubElement(head, "meta", {"charset": "utf-8"})
    ET.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _text(head, "title", f"Simulation: {view.heading}")
    _text(head, "style", _STYLE)
    _text(body, "h1", f"Simulation: {view.heading}")
    _text(body, "p", CAUTION, {"class": "caution"})
    _introduce(body, view)
    _totals(body, view)
    for side in view.sides:
        if len(side.points) > 1:
            _points(body, side.label, side.points)
    for number, chart in enumerate(view.charts, start=1):
        _text(body, "h2", chart.title)
        if not chart.series:
            _text(body, "p", chart.nothing)
            continue
        figure = ET.SubElement(body, "figure", {"style": "margin: 0"})
        figure.append(drawn(chart, view.begins, weekly=view.weekly, name=f"chart{number}"))
        if _spreads(one for series in chart.series for one in series.values):
            _text(figure, "figcaption", "The line is the middle run; the band reaches from the lowest to the highest.")
        _series(body, view, chart)
    return "<!DOCTYPE html>\n" + ET.tostring(html, encoding="unicode", method="html") + "\n"


def _introduce(body: ET.Element, view: View) -> None:
    _text(body, "h2", "What was assumed")
    listed = ET.SubElement(body, "ul")
    for side in view.sides:
        runs = len(side.outcomes)
        made = "one run" if runs == 1 else f"{runs} runs"
        _text(listed, "li", f"{side.label}: {side.title}, {made}." if side.label else f"{side.title}, {made}.")
    for line in assumption_lines(view.assumed):
        _text(listed, "li", line)


def _totals(body: ET.Element, view: View) -> None:
    _text(body, "h2", "What it came to")
    rows = figure_rows(view)
    spreads = _spreads(one for _, found in rows for one in found)
    caption = "The middle run (lowest to highest)" if spreads else "Totals"
    heads = [side.label or "total" for side in view.sides] + (["B less A"] if view.difference is not None else [])
    _table(body, caption, ["what", *heads], [[name, *(in_a_cell(one) for one in found)] for name, found in rows])


def _points(body: ET.Element, label: str, points: Sequence[PointDocument]) -> None:
    currencies = sorted({currency for point in points for currency in point.revenue})
    rows = [
        [
            f"{point.replies or 0:.1%} / {point.order_rate or 0:.1%}",
            str(point.runs),
            in_a_cell(point.figures["sent"]),
            in_a_cell(point.figures["orders"]),
            in_a_cell(point.figures["credits"]),
            *(in_a_cell(point.revenue[one]) if one in point.revenue else "0" for one in currencies),
        ]
        for point in points
    ]
    caption = f"{label}: at each point of the ranges" if label else "At each point of the ranges"
    heads = ["replies / orders", "runs", "messages", "orders", "credits", *(f"revenue, {one}" for one in currencies)]
    _table(body, caption, heads, rows)


def _series(body: ET.Element, view: View, chart: Chart) -> None:
    """The chart's own figures, so that nobody depends on seeing it."""
    heads, columns = [view.period], []
    for series in chart.series:
        if _spreads(series.values):
            heads += [f"{series.name}, {which}" for which in ("lowest", "middle", "highest")]
            columns += [
                [str(getattr(one, which)) for one in series.values] for which in ("lowest", "middle", "highest")
            ]
        else:
            heads.append(series.name)
            columns.append([str(one.middle) for one in series.values])
    rows = [[begin.isoformat(), *row] for begin, *row in zip(view.begins, *columns, strict=True)]
    _table(body, f"{chart.title}: {chart.unit}", heads, rows)


def _spreads(values: Iterable[AnySpread]) -> bool:
    return any(one.lowest != one.highest for one in values)


def _table(parent: ET.Element, caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = ET.SubElement(ET.SubElement(parent, "div", {"class": "wide"}), "table")
    _text(table, "caption", caption)
    head = ET.SubElement(ET.SubElement(table, "thead"), "tr")
    for one in heads:
        _text(head, "th", one, {"scope": "col"})
    body = ET.SubElement(table, "tbody")
    for first, *rest in rows:
        row = ET.SubElement(body, "tr")
        _text(row, "th", first, {"scope": "row"})
        for one in rest:
            _text(row, "td", one)


def _text(parent: ET.Element, tag: str, text: str, attributes: dict[str, str] | None = None) -> None:
    ET.SubElement(parent, tag, attributes or {}).text = text
