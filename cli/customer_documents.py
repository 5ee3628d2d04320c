"""What `customers` answers with (see `cli/documents.py`)."""

from reports.documents import Document


class BadLine(Document):
    """A line of an import that cannot be used."""

    line: int
    reason: str


class ImportDocument(Document):
    """`customers import`."""

    store: str
    imported: int
    suppressed: int
    bad_rows: list[BadLine]


class OptOutDocument(Document):
    """`customers opt-out`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    phone: str
    known: bool
    delivered: bool


class EraseDocument(Document):
    """`customers erase`. `delivered` is false while Temporal has yet to hear of it."""

    store: str
    phone: str
    known: bool
    delivered: bool


class ExportDocument(Document):
    """`customers export`; what is stored stands in the file, not here."""

    store: str
    phone: str
    file: str
    rows: int
    requests_fulfilled: int
