"""A measured figure with its aim, and the table that shows them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        aim: in words; empty where there is none and the figure only informs.
        reached: None where there is no aim.
    """

    name: str
    aim: str
    measured: str
    reached: bool | None = None

    @property
    def verdict(self) -> str:
        """`ok`, `short`, or nothing."""
        return "" if self.reached is None else "ok" if self.reached else "short"


def at_most(name: str, value: float, limit: float, unit: str = "", *, digits: int = 0) -> Figure:
    """A figure that should not be larger than its limit."""
    return Figure(name, f"<= {limit:g}{unit}", f"{value:.{digits}f}{unit}", value <= limit)


def at_least(name: str, value: float, limit: float, unit: str = "", *, digits: int = 2) -> Figure:
    """A figure that should not be smaller than its limit."""
    return Figure(name, f">= {limit:g}{unit}", f"{value:.{digits}f}{unit}", value >= limit)


def note(name: str, measured: str) -> Figure:
    """A figure without an aim."""
    return Figure(name, "", measured)


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table that also reads well in a terminal."""
    rows = [("figure", "aim", "measured", ""), *((one.name, one.aim, one.measured, one.verdict) for one in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [_line(row, widths) for row in rows]
    return "\n".join([lines[0], _line(tuple("-" * width for width in widths), widths), *lines[1:]])


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
