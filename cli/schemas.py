"""Writes `docs/schemas/*.json`: `python -m cli.schemas`.

One JSON Schema for each document of the command line, and for what a store's own systems are told and asked.
"""

import json
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from cli.documents import DOCUMENTS
from cli.evaluation.document import EvaluateDocument
from cli.simulation.several_document import Simulated
from models.enums import OutgoingKind
from models.outgoing import body_schema
from providers.crm import CrmQuestion, CrmReply
from reports.documents import Document

ALL: Final[dict[str, type[Document]]] = {**DOCUMENTS, "evaluate": EvaluateDocument}
"""The evaluation's document is kept beside the evaluation, and the simulation's beside the simulation."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
FOLDER: Final = Path(__file__).parents[1] / "docs" / "schemas"


def schemas() -> dict[str, str]:
    """The files' contents by name."""
    found = {name: model.model_json_schema(mode="serialization") for name, model in ALL.items()}
    found["simulate"] = TypeAdapter(Simulated).json_schema(mode="serialization")
    found |= {f"webhook.{kind.value}": body_schema(kind) for kind in OutgoingKind}
    found |= {"crm.question": CrmQuestion.model_json_schema(mode="serialization")}
    found |= {"crm.answer": CrmReply.model_json_schema()}
    return {f"{name}.json": json.dumps({"$schema": _DIALECT, **one}, indent=2) + "\n" for name, one in found.items()}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        (FOLDER / name).write_text(content, encoding="utf-8")
