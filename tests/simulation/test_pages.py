"""Spreads over several runs, and the page that shows them: whole, self-contained, and saying what the document says."""

import json
from datetime import date, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cli.simulation.collected import comparison, ranged
from cli.simulation.document import Outcome
from cli.simulation.options import Options
from cli.simulation.page import rendered
from cli.simulation.ranges import Point, Rate
from cli.simulation.several import Trial
from cli.simulation.several_document import Comparison, Ranged
from cli.simulation.views import view_of
from models.journey import WinBack

GOLDEN = Path(__file__).parents[1] / "cli" / "golden" / "simulate.json"
RATES = (Rate.parse("0.05-0.15"), Rate.parse("0.04"))
POINTS = (Point(0.1, 0.04), Point(0.05, 0.04), Point(0.15, 0.04))
BEGIN = date(2030, 11, 4)
SAYS = {"template": "hello", "language": "en"}
LAPSED = WinBack.model_validate(
    {
        "name": "lapsed",
        "kind": "win_back",
        "audience": {"inactive_days": 60},
        "stages": [{"after": "0d", "message": SAYS}],
    }
)
OPTIONS = Options(definitions=(LAPSED,), orders=(), as_of=date(2026, 11, 2))
VOID = {"meta"}
REFERENCES = {"src", "href", "xlink:href", "srcset", "action", "data", "poster", "background", "style"}


def outcome(sent: list[int], cents: list[int], *, held: int = 0) -> Outcome:
    """A simulation that sent so much on each day, with orders of so many cents on each."""
    document = json.loads(GOLDEN.read_text("utf-8"))
    nothing = document["days"][0] | {"capped": dict.fromkeys(document["days"][0]["capped"], 0)}
    nothing["holds"] = dict.fromkeys(nothing["holds"], 0)
    document["days"] = [
        nothing
        | {
            "day": place + 1,
            "date": (BEGIN + timedelta(days=place)).isoformat(),
            "entered": 0,
            "sent": count,
            "credits": 2 * count,
            "orders": int(minor > 0),
            "holds": nothing["holds"] | {"portfolio_limit": held if place == 0 else 0},
            "revenue": {"EUR": f"{minor / 100:.2f}"},
        }
        for place, (count, minor) in enumerate(zip(sent, cents, strict=True))
    ]
    return Outcome.model_validate(document)


def three_runs() -> Ranged:
    """The second is over a day earlier."""
    found = [outcome([4, 2, 0], [0, 500, 1000]), outcome([4, 1], [0, 0]), outcome([4, 3, 1], [200, 0, 0], held=2)]
    return ranged(OPTIONS, RATES, {Trial(0, at, 7): one for at, one in zip(POINTS, found, strict=True)})


def side_by_side(names: tuple[str, str]) -> Comparison:
    """Two runs of each file; B sends more, and sells more in the one run and less in the other."""
    runs = {
        Trial(0, POINTS[0], 7): outcome([4], [0]),
        Trial(1, POINTS[0], 7): outcome([5], [900]),
        Trial(0, POINTS[0], 8): outcome([4], [700]),
        Trial(1, POINTS[0], 8): outcome([6], [600]),
    }
    return comparison(names, [OPTIONS, OPTIONS], RATES, runs)


class Page(HTMLParser):
    """Everything of a page that a test asks about; each tag that opens has to close in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self.text = ""
        self._rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing that loads or runs anything."""
        assert tag not in {"script", "link", "iframe", "img", "object", "embed", "base"}
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.references += [value or "" for name, value in attrs if name in REFERENCES]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self._rows.append([])
        elif tag in {"td", "th"}:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """In its place."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text, of a table or not."""
        self.text += data
        if self.open and self.open[-1] == "caption":
            self.tables[data] = self._rows = []
        elif self.open and self.open[-1] in {"td", "th"}:
            self._rows[-1][-1] += data


@pytest.fixture(scope="module")
def page() -> Page:
    """Of the three runs."""
    return Page(rendered(view_of(three_runs())))


def test_the_spread_is_that_of_the_runs_also_where_one_is_over_earlier() -> None:
    """Each figure has its own lowest, middle and highest run; revenue so far stays when a run is over."""
    spread = three_runs().spread
    assert spread.figures["sent"].model_dump() == {"lowest": 5, "middle": 6, "highest": 8}
    assert spread.revenue["EUR"].model_dump() == {"lowest": "0.00", "middle": "2.00", "highest": "15.00"}
    assert [day.figures["sent"].lowest for day in spread.days] == [4, 1, 0]
    assert [day.revenue["EUR"].highest for day in spread.days] == ["2.00", "5.00", "10.00"]
    assert [day.revenue_so_far["EUR"].middle for day in spread.days] == ["0.00", "2.00", "2.00"]
    assert [point.figures["sent"].middle for point in three_runs().points] == [6, 5, 8]


def test_the_difference_is_taken_run_by_run() -> None:
    """The second file less the first with the same rates and seed: 9.00 more in one run, 1.00 less in the other."""
    difference = side_by_side(("a.yaml", "b.yaml")).difference
    assert difference.figures["sent"].model_dump() == {"lowest": 1, "middle": 1, "highest": 2}
    assert difference.revenue["EUR"].model_dump() == {"lowest": "-1.00", "middle": "-1.00", "highest": "9.00"}


def test_a_page_asks_nothing_of_any_network(page: Page) -> None:
    """No script, image, style sheet or font from anywhere; what it refers to is in it, by ids that are unique."""
    text = rendered(view_of(three_runs()))
    assert "http" not in text
    assert "//" not in text
    assert len(set(page.ids)) == len(page.ids)
    inside = [one[1:] for one in page.references if one.startswith("#")]
    assert inside
    assert set(inside) <= set(page.ids)
    assert all(one.startswith("#") or "url(" not in one.replace("url(#", "") for one in page.references)


def test_the_tables_of_a_page_say_what_the_document_says(page: Page) -> None:
    """Under each chart stands every figure that it draws, and the assumptions are written out."""
    days = three_runs().spread.days

    def column(caption: str, heading: str) -> list[str]:
        heads, *rows = page.tables[caption]
        return [row[heads.index(heading)] for row in rows]

    for which in ("lowest", "middle", "highest"):
        assert column("Messages sent: messages", f"messages, {which}") == [
            str(getattr(day.figures["sent"], which)) for day in days
        ]
        assert column("Revenue so far, EUR: EUR", f"EUR, {which}") == [
            getattr(day.revenue_so_far["EUR"], which) for day in days
        ]
    held = column("Stages held: stages that began to wait", "portfolio limit, highest")
    assert held == [str(day.figures["holds:portfolio_limit"].highest) for day in days] == ["2", "0", "0"]
    assert column("Messages sent: messages", "day") == [day.date.isoformat() for day in days]
    assert "5.0% to 15.0% of messages are answered, 4.0% bring an order" in page.text
    assert "what would come if the rates were so" in page.text
    assert "forecast" not in page.text
    assert "No cap was reached." in page.text


def test_a_long_simulation_is_shown_by_week_and_adds_up_to_the_same() -> None:
    """Weeks begin on Monday; the document keeps every day."""
    long = [outcome([n % 7 for n in range(40)], [100] * 40)]
    document = ranged(OPTIONS, RATES, dict(zip([Trial(0, POINTS[0], 7)], long, strict=True)))
    view = view_of(document)
    assert (view.weekly, len(document.spread.days), len(view.begins)) == (True, 40, 6)
    assert {begin.weekday() for begin in view.begins} == {0}
    assert sum(int(one.middle) for one in view.charts[0].series[0].values) == sum(n % 7 for n in range(40))
    assert Decimal(view.charts[-1].series[0].values[-1].middle) == 40


def test_names_are_text_and_never_markup() -> None:
    """A file may be called what it likes, dollars that a drawing library takes for mathematics among it."""
    nasty = ("<script>alert(1)</script>$x_{1}$.yaml", "b&amp;\"'.yaml")
    page = Page(rendered(view_of(side_by_side(nasty))))
    assert f"A: {nasty[0]} (lapsed), 2 runs." in page.text
    assert f"B: {nasty[1]} (lapsed), 2 runs." in page.text
    totals = page.tables["The middle run (lowest to highest)"]
    assert totals[0] == ["what", "A", "B", "B less A"]
    sent: dict[str, Any] = {row[0]: row[1:] for row in totals}
    assert sent["messages sent"] == ["4", "5 (5 to 6)", "1 (1 to 2)"]


def test_the_same_figures_give_the_same_page() -> None:
    """No time, no chance and no counter goes into it."""
    assert rendered(view_of(three_runs())) == rendered(view_of(three_runs()))
