"""Promise 8: every recorded history replays with today's code, read by the worker's own plugin."""

import hashlib
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import SandboxImportNotificationPolicy

from tests.record_histories import HISTORIES, MANIFEST, PATHS
from workflows.plugin import WORKFLOWS, RekindlePlugin

RECORDED = sorted(HISTORIES.glob("*.json"))


class _Attentive(RekindlePlugin):
    """The worker's plugin, which also warns (and a warning is an error here) of imports while a workflow runs."""

    def __init__(self) -> None:
        super().__init__()
        usual = self.workflow_runner

        def runner(existing: WorkflowRunner | None) -> WorkflowRunner:
            assert callable(usual)
            chosen = usual(existing)
            assert isinstance(chosen, SandboxedWorkflowRunner)
            policy = SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
            return SandboxedWorkflowRunner(restrictions=chosen.restrictions.with_import_notification_policy(policy))

        self.workflow_runner = runner


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    """Today's workflows give the commands that stand in this history."""
    await Replayer(workflows=WORKFLOWS, plugins=[_Attentive()]).replay_workflow(_history(path))


def _history(path: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json(path.stem, path.read_text("utf-8"))


def test_every_path_is_recorded() -> None:
    """Each way through a workflow that the recorder knows has its history."""
    assert set(PATHS) <= {path.stem for path in RECORDED}


def test_no_recorded_history_was_changed() -> None:
    """The manifest lists every history with its checksum: they are added to, never edited."""
    lines = [line.split("  ") for line in MANIFEST.read_text("ascii").splitlines()]
    listed = {name: checksum for checksum, name in lines}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in RECORDED}
    assert found == listed
