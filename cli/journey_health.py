"""What `doctor` sees of a journey in the database: its state, hours, caps, credits, launch, holds and losses."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from cli.checks import Check
from cli.documents import Finding
from models.enums import HoldReason, JourneyState, LaunchState
from models.journey import JourneyDefinition, WinBack
from models.tables import Journey, Store
from policies.calendar import next_opening
from policies.schedule import sending_hours
from policies.stop_loss import Loss
from reports.pauses import pause_advice, paused_words
from reports.wording import HOLDS, SETTLE_ADVICE, local_time
from storage.credits import covers
from storage.engine import Database
from storage.journey_health import JourneyHealth, health_of
from storage.stop_loss import loss_since
from storage.stores import StoreParts, required_id

_SEE_WORKER: Final = "see that a worker runs and that Temporal answers; it goes on by itself then"
_FAULTY_HOLDS: Final = frozenset(
    {HoldReason.TEMPLATE_HELD, HoldReason.SENDER_PAUSED, HoldReason.CREDENTIAL, HoldReason.NO_CREDITS}
)
"""What somebody has to mend; the others pass by themselves, or are meant."""


async def health_findings(
    database: Database, parts: StoreParts, journey: Journey, definition: JourneyDefinition, *, now: datetime
) -> list[Finding]:
    """Every line that the database alone can tell."""
    subject = f"{parts.store.slug}: journey {journey.name}"
    zone = ZoneInfo(parts.store.time_zone)
    journey_id = required_id(journey.id)
    async with database.read() as session:
        health = await health_of(session, journey_id, zone=zone, now=now)
        loss = await loss_since(session, journey_id, journey.resumed_at)
    found = [
        _hours(subject, definition, zone, now),
        _caps(subject, definition, health),
        *_credits(subject, parts.store, definition, health),
        *(_launch(subject, journey, health, zone) if isinstance(definition, WinBack) else []),
        *_passages(subject, health, zone),
        *_holds(subject, health),
        *_losses(subject, definition, loss),
    ]
    if health.parked:
        text = f"of {health.parked} message(s) nobody knows whether they went: `sends list {journey.name}`"
        found.append(
            Finding(check=Check.JOURNEY_PARKED, subject=subject, state="warning", text=text, advice=SETTLE_ADVICE)
        )
    return found


def state_finding(subject: str, journey: Journey) -> Finding:
    """Whether the journey takes people and sends."""
    why = journey.state_reason or "nobody said why"
    match journey.state:
        case JourneyState.ACTIVE:
            return Finding(check=Check.JOURNEY_STATE, subject=subject, state="ok", text="active")
        case JourneyState.PENDING:
            text = f"pending: it waits for {journey.state_reason or 'its templates'}; it goes live by itself"
            advice = "`templates --sync` asks Meta for news"
        case JourneyState.PAUSED:
            text, advice = f"paused: {paused_words(journey)}", pause_advice(journey)
        case JourneyState.STOPPED:
            text, advice = f"stopped: {why}", "`launch` its file to go on"
        case JourneyState.DRAFT:
            text, advice = "a draft: it was never launched", "`launch` its file"
        case JourneyState.ARCHIVED:
            text, advice = "archived: it is kept for its numbers", "`launch` another journey"
    return Finding(check=Check.JOURNEY_STATE, subject=subject, state="warning", text=text, advice=advice)


def _hours(subject: str, definition: JourneyDefinition, zone: ZoneInfo, now: datetime) -> Finding:
    opens = next_opening(now, sending_hours(definition.sending), zone)
    rules = definition.sending
    whose = "each customer's own clock" if rules.time_zone == "recipient" else "the store's clock"
    text = f"sends {rules.hours}, {' '.join(rules.weekdays)}, by {whose}; "
    text += "open now" if opens <= now else f"closed now, opens {local_time(opens, zone)}"
    return Finding(check=Check.JOURNEY_HOURS, subject=subject, state="ok", text=text + " (store time)")


def _caps(subject: str, definition: JourneyDefinition, health: JourneyHealth) -> Finding:
    most = definition.sending.max_per_day
    text = f"{health.entered_today} of {most} new entrants today"
    if health.paced:
        text += f"; {health.paced} wait for later days, the last one for {health.paced_until}"
    if health.entered_today < most:
        return Finding(check=Check.JOURNEY_CAPS, subject=subject, state="ok", text=text)
    advice = "the rest enters on later days by itself; a larger `max_per_day` lets more in"
    return Finding(
        check=Check.JOURNEY_CAPS, subject=subject, state="warning", text=f"{text}: the day is full", advice=advice
    )


def _credits(subject: str, store: Store, definition: JourneyDefinition, health: JourneyHealth) -> list[Finding]:
    if store.credits is None:
        return []
    written = any(stage.message.ai is not None for stage in definition.stages)
    each = store.message_credits + (store.generation_credits if written else 0)
    needed, reach = health.due_in_week * each, store.credits // each if each else None
    text = f"{store.credits} credits are left"
    text += f", enough for {reach} of its messages" if reach is not None else ""
    text += f"; the next 7 days want at least {needed} for {health.due_in_week} message(s)"
    if covers(store, 1) and needed <= store.credits:
        return [Finding(check=Check.JOURNEY_CREDITS, subject=subject, state="ok", text=text)]
    empty = not covers(store, 1)
    return [
        Finding(
            check=Check.JOURNEY_CREDITS,
            subject=subject,
            state="fault" if empty else "warning",
            text=text,
            advice="pay in: `credits add N`; whoever is due waits until then",
        )
    ]


def _launch(subject: str, journey: Journey, health: JourneyHealth, zone: ZoneInfo) -> list[Finding]:
    launch = health.launch
    if launch is None:
        if journey.state is not JourneyState.ACTIVE:
            return []
        text = "it has never selected anybody"
        return [
            Finding(check=Check.JOURNEY_LAUNCH, subject=subject, state="warning", text=text, advice="`launch` its file")
        ]
    text = f"the last selection, of {local_time(launch.requested_at, zone)}, "
    match launch.state:
        case LaunchState.DONE:
            text += f"got through: {launch.considered} considered"
            return [Finding(check=Check.JOURNEY_LAUNCH, subject=subject, state="ok", text=text)]
        case LaunchState.FAILED:
            text += f"ended before its time: {launch.error or 'no reason on record'}"
            advice = "`launch` the file again: it goes on with those who are not in yet"
            return [Finding(check=Check.JOURNEY_LAUNCH, subject=subject, state="warning", text=text, advice=advice)]
        case LaunchState.WAITING:
            text += "waits for the journey to go on"
            return [Finding(check=Check.JOURNEY_LAUNCH, subject=subject, state="warning", text=text)]
        case LaunchState.SELECTING | LaunchState.DECIDING | LaunchState.STARTING:
            text += f"is under way ({launch.state.value})"
            return [Finding(check=Check.JOURNEY_LAUNCH, subject=subject, state="ok", text=text)]


def _passages(subject: str, health: JourneyHealth, zone: ZoneInfo) -> list[Finding]:
    found = []
    if health.unstarted:
        text = f"{health.unstarted} customer(s) were selected, and their workflow has not begun"
        advice = f"{_SEE_WORKER}; `launch` the file again starts whom nobody has started"
        found.append(Finding(check=Check.JOURNEY_PASSAGES, subject=subject, state="fault", text=text, advice=advice))
    if health.overdue and health.overdue_since is not None:
        text = f"{health.overdue} customer(s) are overdue, the longest since {local_time(health.overdue_since, zone)}"
        found.append(
            Finding(check=Check.JOURNEY_PASSAGES, subject=subject, state="fault", text=text, advice=_SEE_WORKER)
        )
    if not found:
        found.append(Finding(check=Check.JOURNEY_PASSAGES, subject=subject, state="ok", text="nobody in it is overdue"))
    return found


def _holds(subject: str, health: JourneyHealth) -> list[Finding]:
    return [
        Finding(
            check=Check.JOURNEY_HOLDS,
            subject=subject,
            state="warning",
            text=f"{count} message(s) are held ({reason.value}): {HOLDS[reason]}",
            advice="`status PHONE` of one of them says what to do" if reason in _FAULTY_HOLDS else None,
        )
        for reason, count in sorted(health.holds.items())
    ]


def _losses(subject: str, definition: JourneyDefinition, loss: Loss) -> list[Finding]:
    percent = definition.sending.stop_loss_percent
    if not loss.decided:
        return []
    share = loss.lost * 100 / loss.decided
    text = f"{loss.lost} of its last {loss.decided} messages were lost ({share:.1f}%: {loss.failed} failed, "
    text += f"{loss.opted_out} opted out)"
    text += f"; it pauses itself above {percent}%" if percent else "; the stop-loss is off"
    near = loss.lost * 200 > percent * loss.decided if percent else False
    if not near:
        return [Finding(check=Check.JOURNEY_LOSSES, subject=subject, state="ok", text=text)]
    advice = "`sends list --state failed` shows what failed; a gentler text or fewer people lose less"
    return [Finding(check=Check.JOURNEY_LOSSES, subject=subject, state="warning", text=text, advice=advice)]
