"""The one place that says how Rekindle's clients, workers and replayers speak Temporal.

The same object goes to `Client.connect(plugins=…)` (which hands it on to every worker of that client) and to
`Replayer(plugins=…)`, so that a history is always read by the converter and the sandbox that wrote it.
"""

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import UnsandboxedWorkflowRunner, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from workflows.audience import AudienceWorkflow
from workflows.daily_selection import DailySelectionWorkflow
from workflows.failures import PrivateFailureConverter
from workflows.health import HealthWorkflow
from workflows.journey import JourneyWorkflow
from workflows.tracking import TrackingWorkflow
from workflows.upkeep import UpkeepWorkflow
from workflows.watch import WatchWorkflow
from workflows.webhook_delivery import WebhookDeliveryWorkflow

WORKFLOWS = (
    JourneyWorkflow,
    AudienceWorkflow,
    DailySelectionWorkflow,
    HealthWorkflow,
    UpkeepWorkflow,
    WatchWorkflow,
    TrackingWorkflow,
    WebhookDeliveryWorkflow,
)

PASSED_THROUGH = (
    "activities",
    "models",
    "policies",
    "providers",
    "storage",
    "workflows.plugin",
    "alembic",
    "cryptography",
    "fastapi",
    "httpx",
    "httpx2",
    "openai",
    "phonenumbers",
    "sqlalchemy",
    "sqlmodel",
    "standardwebhooks",
    "structlog",
    "greenlet",
    "aiosqlite",
    "asyncpg",
    "tzdata",
)
"""Modules that the workflow sandbox takes from the worker instead of loading each of them again for every workflow.

One forgotten import costs about ten times the memory of a cached workflow (`tests/workflows/test_sandbox_hygiene.py`
fails when one reaches the sandbox).
"""

DATA_CONVERTER = DataConverter(
    payload_converter_class=PydanticPayloadConverter, failure_converter_class=PrivateFailureConverter
)


def _runner(existing: WorkflowRunner | None) -> WorkflowRunner:
    if isinstance(existing, UnsandboxedWorkflowRunner):
        # Asked for by name: the simulation's customers, which are no part of the product.
        return existing
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


class RekindlePlugin(SimplePlugin):
    """Converter, failure converter and sandbox of all that Rekindle runs on Temporal."""

    def __init__(self) -> None:
        super().__init__(
            "rekindle",
            data_converter=DATA_CONVERTER,
            workflow_runner=_runner,
        )
