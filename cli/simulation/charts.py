"""Charts as SVG that stands inside a page by itself: no script, no font and nothing else from anywhere.

Matplotlib is loaded here and nowhere else; whoever draws no chart need not have it.
"""

import io
import logging
from collections.abc import Sequence
from datetime import date
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cli.simulation.views import Chart

_COLOURS = ("#0b6e99", "#c2571a", "#4d7c0f", "#7b3fa0", "#a8322d", "#5c5c5c")
"""Told apart also by who sees no colours well, with the marks below."""
_MARKS = ("o", "s", "^", "D", "v", "P")
_MOST_TICKS = 10
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "rekindle",  # the same figures draw the same picture
    "text.parse_math": False,
    "font.size": 10,
    "font.sans-serif": ["DejaVu Sans"],  # comes with the library; a browser without it takes its own
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def drawn(chart: Chart, begins: Sequence[date], *, weekly: bool, name: str) -> ET.Element:
    """The chart's SVG element; it has its title for whoever does not see it.

    Args:
        chart: with at least one series.
        begins: the first day of each period.
        weekly: whether a period is a week.
        name: unique in the page, of letters and digits.
    """
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its font cache
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.add_subplot()
        places = range(len(begins))
        for number, series in enumerate(chart.series):
            colour, mark = _COLOURS[number % len(_COLOURS)], _MARKS[number % len(_MARKS)]
            middle, lowest, highest = (
                [float(getattr(one, which)) for one in series.values] for which in ("middle", "lowest", "highest")
            )
            axes.plot(places, middle, color=colour, marker=mark, markersize=4, label=series.name)
            if lowest != highest:
                axes.fill_between(places, lowest, highest, color=colour, alpha=0.18, linewidth=0)
        axes.set_ylabel(chart.unit)
        axes.set_xlabel("week from, on the virtual calendar" if weekly else "day, on the virtual calendar")
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=not chart.title.startswith("Revenue")))
        step = max(1, -(-len(begins) // _MOST_TICKS))
        axes.set_xticks(list(places)[::step], [f"{begin:%a %d %b}" for begin in begins][::step])
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        written = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(written, format="svg", metadata=nothing)
    return _accessible(written.getvalue(), chart.title, name)


def _accessible(svg: str, title: str, name: str) -> ET.Element:
    root = ET.fromstring(svg)  # noqa: S314 - drawn a moment ago by ourselves
    for one in [one for one in root if _plain(one.tag) == "metadata"]:
        root.remove(one)
    _rename(root, name)
    # The page decides how wide it is; the view box keeps its proportions.
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    label = ET.Element("title", {"id": f"{name}-title"})
    label.text = title
    root.insert(0, label)
    root.attrib.update({"role": "img", "aria-labelledby": f"{name}-title"})
    return root


def _rename(root: ET.Element, name: str) -> None:
    """Inside HTML an SVG needs no namespaces, and ids are unique in the page, not only in the picture."""
    for element in root.iter():
        element.tag = _plain(element.tag)
        for key, value in list(element.attrib.items()):
            del element.attrib[key]
            if key == "id":
                value = f"{name}-{value}"  # noqa: PLW2901 - renamed on its way
            elif value.startswith(("#", "url(#")) and not key.endswith("color"):
                value = value.replace("#", f"#{name}-", 1)  # noqa: PLW2901 - as above
            element.set(_plain(key), value)


def _plain(name: str) -> str:
    return name.rpartition("}")[2]
