"""The rows behind one of a journey's numbers, for a person."""

from zoneinfo import ZoneInfo

from cli.output import Output
from reports.statistics_documents import ListedRow, StatsListDocument


def show_list(output: Output, document: StatsListDocument, zone: ZoneInfo, *, after: str | None = None) -> None:
    """The rows as a table, without the columns that say nothing; `after` is the row behind which they begin."""
    if not document.rows:
        counted = f"Nobody and nothing counts as {document.key}."
        output.line(
            counted if after is None else f"Nothing of {document.key} comes after {after}, if it is a row of it."
        )
        return
    columns = [
        ("when", [_when(one, zone) for one in document.rows]),
        ("customer", [one.first_name or one.customer_id or "(no name)" for one in document.rows]),
        ("shop id", [one.customer_id or "" for one in document.rows]),
        ("phone", [one.phone or "no phone" for one in document.rows]),
        ("version#", [str(one.version) for one in document.rows]),
        ("stage#", [_number(one.stage) for one in document.rows]),
        ("state", [one.state or "" for one in document.rows]),
        ("why", [_why(one) for one in document.rows]),
        ("seen", [one.seen or "" for one in document.rows]),
        ("asked", [one.threshold or "" for one in document.rows]),
        ("order", [one.order_id or "" for one in document.rows]),
        ("amount#", [f"{one.amount.amount} {one.amount.currency}" if one.amount else "" for one in document.rows]),
        ("by", [one.attributed_by or "" for one in document.rows]),
        ("passage", [one.enrollment or "" for one in document.rows]),
    ]
    filled = [(name, cells) for name, cells in columns if any(cells)]
    output.table([name for name, _ in filled], [list(row) for row in zip(*(cells for _, cells in filled), strict=True)])
    if document.next is not None:
        output.line(f"There are more: --after {document.next} shows the next ones.")


def _when(one: ListedRow, zone: ZoneInfo) -> str:
    if one.at is None:
        return str(one.day)
    return f"{one.at.astimezone(zone):%Y-%m-%d %H:%M}"


def _why(one: ListedRow) -> str:
    if one.text is None:
        return ""
    return one.text if one.code is None else f"{one.code}: {one.text}"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
