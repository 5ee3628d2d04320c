"""What `doctor` sees of a tracking journey: whether its schedule lives, when it runs next, how its last run ended."""

from zoneinfo import ZoneInfo

from temporalio.service import RPCError

from activities.schedules import ScheduleView, look_at_schedule
from cli.documents import Finding
from composition import TemporalUnavailableError, connect
from models.enums import JourneyState, RunState
from models.tables import Journey, TrackingRun
from storage.engine import Database
from storage.stores import StoreParts, required_id
from storage.tracking_runs import runs_of
from storage.tracking_schedules import WITH_SCHEDULE


async def tracking_findings(database: Database, parts: StoreParts, journey: Journey) -> list[Finding]:
    """A line on the schedule, and one on the last run; none where Temporal is away, which is told by itself."""
    subject = f"{parts.store.slug}: journey {journey.name}"
    zone = ZoneInfo(parts.store.time_zone)
    journey_id = required_id(journey.id)
    findings = []
    if journey.state in WITH_SCHEDULE:
        try:
            view = await look_at_schedule(await connect(), parts.id, journey_id)
        except (TemporalUnavailableError, RPCError):
            return []
        findings.append(_schedule(subject, journey, view, zone))
    async with database.read() as session:
        latest = next(iter(await runs_of(session, journey_id, limit=1)), None)
    if latest is not None:
        findings.append(_last_run(subject, latest, zone))
    return findings


def _schedule(subject: str, journey: Journey, view: ScheduleView | None, zone: ZoneInfo) -> Finding:
    mends = "the store's upkeep puts it right within the hour; see that a worker runs"
    if view is None:
        return Finding(subject=subject, state="fault", text="its Temporal schedule is missing", advice=mends)
    if view.paused != (journey.state is JourneyState.PAUSED):
        word = "paused" if view.paused else "not paused"
        text = f"it is {journey.state.value}, and its Temporal schedule is {word}"
        return Finding(subject=subject, state="fault", text=text, advice=mends)
    if view.next_at is None:
        return Finding(subject=subject, state="ok", text="its schedule is paused with it")
    text = f"its schedule runs next on {view.next_at.astimezone(zone):%a %Y-%m-%d at %H:%M} ({zone.key})"
    return Finding(subject=subject, state="ok", text=text)


def _last_run(subject: str, latest: TrackingRun, zone: ZoneInfo) -> Finding:
    began = f"the last run, of {latest.started_at.astimezone(zone):%a %Y-%m-%d %H:%M},"
    match latest.state:
        case RunState.RUNNING:
            return Finding(subject=subject, state="ok", text=f"{began} is under way")
        case RunState.DONE:
            return Finding(subject=subject, state="ok", text=f"{began} got through")
        case RunState.STOPPED:
            text = f"{began} stopped before its end: {latest.stop_reason or 'no reason on record'}"
            return Finding(subject=subject, state="warning", text=text, advice="the next one goes back to its window")
