"""`history`: a workflow's Temporal history as a file, to be looked at or replayed; it holds ids and codes only."""

import json
import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from temporalio.service import RPCError, RPCStatusCode

from cli.documents import HistoryDocument
from cli.failures import DONE, NOT_FOUND, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from composition import connect


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("history")(history)


def history(
    workflow_id: Annotated[str, typer.Argument(metavar="WORKFLOW_ID", help="As `status` shows it.")],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write it.")],
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Save a workflow's Temporal history as JSON."""
    return execute(lambda run: _history(run, workflow_id, out), as_json=as_json, store=store, debug=debug)


async def _history(run: Run, workflow_id: str, out: Path) -> int:
    client = await connect()
    try:
        found = await client.get_workflow_handle(workflow_id).fetch_history()
    except RPCError as error:
        if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT):
            raise Failure(f"Temporal has no workflow {workflow_id} (any more)", code=NOT_FOUND) from None
        raise
    content = json.dumps(json.loads(found.to_json()), indent=1) + "\n"
    try:
        _write_whole(out, content)
    except OSError as error:
        raise Failure(f"{out} cannot be written: {error.strerror}") from None
    run.output.document(HistoryDocument(workflow_id=workflow_id, file=str(out), events=len(found.events)))
    run.output.line(f"{len(found.events)} events written to {out}")
    return DONE


def _write_whole(out: Path, content: str) -> None:
    """Complete or not at all."""
    handle, draft = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        Path(draft).replace(out)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
