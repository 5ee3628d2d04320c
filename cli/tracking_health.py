"""What `doctor` sees of a journey that runs by the clock: its schedule, and how a daily review's last run ended."""

from zoneinfo import ZoneInfo

from temporalio.client import Client

from activities.schedules import ScheduleView, look_at_schedule
from cli.checks import Check
from cli.documents import Finding
from models.enums import JourneyState, RunState
from models.tables import Journey, TrackingRun
from storage.engine import Database
from storage.schedules import WITH_SCHEDULE
from storage.stores import StoreParts, required_id
from storage.tracking_runs import runs_of


async def tracking_findings(client: Client, database: Database, parts: StoreParts, journey: Journey) -> list[Finding]:
    """A line on the schedule, and one on the last run.

    Raises:
        RPCError: Temporal cannot say how the schedule is.
    """
    zone = ZoneInfo(parts.store.time_zone)
    journey_id = required_id(journey.id)
    findings = []
    if journey.state in WITH_SCHEDULE:
        findings.append(schedule_finding(parts, journey, await look_at_schedule(client, parts.id, journey_id)))
    async with database.read() as session:
        latest = next(iter(await runs_of(session, journey_id, limit=1)), None)
    if latest is not None:
        findings.append(_last_run(f"{parts.store.slug}: journey {journey.name}", latest, zone))
    return findings


def schedule_finding(parts: StoreParts, journey: Journey, view: ScheduleView | None) -> Finding:
    """Whether the schedule of a journey that runs by the clock is there, and as the journey is."""
    subject, zone = f"{parts.store.slug}: journey {journey.name}", ZoneInfo(parts.store.time_zone)
    check = Check.JOURNEY_SCHEDULE
    mends = "the store's upkeep puts it right within the hour; see that a worker runs"
    if view is None:
        return Finding(
            check=check, subject=subject, state="fault", text="its Temporal schedule is missing", advice=mends
        )
    if view.paused != (journey.state is JourneyState.PAUSED):
        word = "paused" if view.paused else "not paused"
        text = f"it is {journey.state.value}, and its Temporal schedule is {word}"
        return Finding(check=check, subject=subject, state="fault", text=text, advice=mends)
    if view.next_at is None:
        return Finding(check=check, subject=subject, state="ok", text="its schedule is paused with it")
    text = f"its schedule runs next on {view.next_at.astimezone(zone):%a %Y-%m-%d at %H:%M} ({zone.key})"
    return Finding(check=check, subject=subject, state="ok", text=text)


def _last_run(subject: str, latest: TrackingRun, zone: ZoneInfo) -> Finding:
    began = f"the last run, of {latest.started_at.astimezone(zone):%a %Y-%m-%d %H:%M},"
    check = Check.JOURNEY_RUN
    match latest.state:
        case RunState.RUNNING:
            return Finding(check=check, subject=subject, state="ok", text=f"{began} is under way")
        case RunState.DONE:
            return Finding(check=check, subject=subject, state="ok", text=f"{began} got through")
        case RunState.STOPPED:
            text = f"{began} stopped before its end: {latest.stop_reason or 'no reason on record'}"
            return Finding(
                check=check, subject=subject, state="warning", text=text, advice="the next one goes back to its window"
            )
