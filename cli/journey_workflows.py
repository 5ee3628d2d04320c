"""What `doctor` sees of a journey in Temporal: whether what has to run for it runs, and its schedule lives."""

from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from activities.schedules import look_at_daily
from cli.checks import Check
from cli.documents import Finding
from cli.tracking_health import schedule_finding, tracking_findings
from models.enums import JourneyState, LaunchState
from models.journey import AbandonedCart, FollowUp, JourneyDefinition, Tracking, WinBack
from models.tables import Journey
from storage.daily_selections import selection_of
from storage.engine import Database
from storage.journey_health import newest_launch
from storage.paced import next_paced_day
from storage.schedules import WITH_SCHEDULE
from storage.stores import StoreParts, required_id
from storage.watches import watch_workflow_id
from workflows.ids import audience_workflow_id, health_workflow_id, upkeep_workflow_id

_UNDER_WAY = (LaunchState.SELECTING, LaunchState.DECIDING, LaunchState.STARTING)


async def workflow_findings(
    client: Client, database: Database, parts: StoreParts, journey: Journey, definition: JourneyDefinition
) -> list[Finding]:
    """The journey's own workflow and schedule; what Temporal cannot tell has its own line."""
    subject = f"{parts.store.slug}: journey {journey.name}"
    try:
        match definition:
            case WinBack():
                return await _win_back(client, database, parts, journey, subject)
            case FollowUp() | AbandonedCart():
                return await _watch(client, parts, journey, subject)
            case Tracking():
                return await tracking_findings(client, database, parts, journey)
            case _:
                return []
    except RPCError as error:
        return [_untold(subject, error)]


async def store_workflow_findings(client: Client, parts: StoreParts) -> list[Finding]:
    """Whether the store's upkeep and health run: without them nothing that breaks mends itself."""
    found = []
    for what, workflow_id, without in (
        (
            "UpkeepWorkflow",
            upkeep_workflow_id(parts.id),
            "lost webhooks are not made good, and nothing starts by itself",
        ),
        ("HealthWorkflow", health_workflow_id(parts.id), "nobody looks at templates, the number and the tokens"),
    ):
        try:
            runs = await _runs(client, workflow_id)
        except RPCError as error:
            return [_untold("workflows", error)]
        text = f"{what} runs" if runs else f"{what} does not run: {without}"
        advice = None if runs else "`store add --replace`, a `launch` or a restart of `up` starts it"
        state = "ok" if runs else "fault"
        found.append(Finding(check=Check.STORE_WORKFLOWS, subject="workflows", state=state, text=text, advice=advice))
    return found


async def _win_back(
    client: Client, database: Database, parts: StoreParts, journey: Journey, subject: str
) -> list[Finding]:
    journey_id = required_id(journey.id)
    async with database.read() as session:
        daily = await selection_of(session, journey_id)
        launch = await newest_launch(session, journey_id)
        paced = await next_paced_day(session, journey_id)
    found = []
    under_way = launch is not None and launch.state in _UNDER_WAY
    if journey.state is JourneyState.ACTIVE and (under_way or paced is not None):
        runs = await _runs(client, audience_workflow_id(parts.id, journey_id))
        what = "a selection is under way" if under_way else "customers wait for later days"
        text = f"{what}, and its AudienceWorkflow " + ("runs" if runs else "does not run")
        advice = (
            None if runs else "the store's upkeep starts it within minutes; `launch` the file again does it at once"
        )
        state = "ok" if runs else "fault"
        found.append(Finding(check=Check.JOURNEY_WORKFLOW, subject=subject, state=state, text=text, advice=advice))
    if daily is not None and journey.state in WITH_SCHEDULE:
        found.append(schedule_finding(parts, journey, await look_at_daily(client, parts.id, journey_id)))
    return found


async def _watch(client: Client, parts: StoreParts, journey: Journey, subject: str) -> list[Finding]:
    if journey.state is not JourneyState.ACTIVE:
        return []
    if await _runs(client, watch_workflow_id(parts.id, required_id(journey.id))):
        return [Finding(check=Check.JOURNEY_WORKFLOW, subject=subject, state="ok", text="its WatchWorkflow runs")]
    text = "its WatchWorkflow does not run: nobody enters"
    advice = "the store's upkeep starts it within the hour; `launch` the file again does it at once"
    return [Finding(check=Check.JOURNEY_WORKFLOW, subject=subject, state="fault", text=text, advice=advice)]


async def _runs(client: Client, workflow_id: str) -> bool:
    try:
        found = await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return found.status is WorkflowExecutionStatus.RUNNING


def _untold(subject: str, error: RPCError) -> Finding:
    text = f"Temporal cannot say whether its workflows run ({error.status.name})"
    return Finding(check=Check.JOURNEY_WORKFLOW, subject=subject, state="warning", text=text)
