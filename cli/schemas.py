"""Writes `docs/schemas/*.json`, one JSON Schema for each document of the command line: `python -m cli.schemas`."""

import json
from pathlib import Path
from typing import Final

from cli.documents import DOCUMENTS
from cli.simulation.document import Outcome
from reports.documents import Document

ALL: Final[dict[str, type[Document]]] = {**DOCUMENTS, "simulate": Outcome}
"""The simulation's document is kept beside the simulation."""

FOLDER: Final = Path(__file__).parents[1] / "docs" / "schemas"


def schemas() -> dict[str, str]:
    """The files' contents by name."""
    return {
        f"{name}.json": json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **model.model_json_schema(mode="serialization"),
            },
            indent=2,
        )
        + "\n"
        for name, model in ALL.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
