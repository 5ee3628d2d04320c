"""What a launch is about to do: who enters when, who is left out and why, how many messages a day."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cli.run import Run
from models.journey import JourneyDefinition
from policies.calendar import local_date
from policies.schedule import Whereabouts, due_after
from reports.audience import skipped
from reports.documents import Audience
from storage.journeys import version_definition
from storage.launches import CONTROL_DUE, get_launch, outcomes, planned_days
from storage.stores import store_parts

if TYPE_CHECKING:
    from activities.services import Services

_DAYS_SHOWN = 14


@dataclass(frozen=True, slots=True)
class Preview:
    """A selection before it starts.

    Attributes:
        considered: how many the shop offered.
        control: how many of those who qualify are held out.
        skipped: by reason.
        entrants_by_day: store-local days.
        messages_by_day: at most so many, if nobody buys, answers or is held.
    """

    considered: int
    control: int
    skipped: dict[str, int]
    entrants_by_day: dict[date, int]
    messages_by_day: dict[date, int]

    @property
    def entrants(self) -> int:
        """How many are to be written to."""
        return sum(self.entrants_by_day.values())

    @property
    def wanted(self) -> int:
        """How many rows the start will write."""
        return self.entrants + self.control


async def read_preview(run: Run, services: "Services", launch_id: int) -> Preview:
    """The preview of a selection whose days are given."""
    async with services.database.read() as session:
        launch = await get_launch(session, launch_id)
        parts = await store_parts(session, launch.store_id)
        definition = await version_definition(session, launch.version_id)
        by_outcome = await outcomes(session, launch_id)
        days = await planned_days(session, launch_id)
    return Preview(
        considered=sum(by_outcome.values()),
        control=by_outcome.get(CONTROL_DUE, 0),
        skipped=skipped(by_outcome),
        entrants_by_day=dict(sorted(days.items())),
        messages_by_day=messages_by_day(definition, days, ZoneInfo(parts.store.time_zone), run.clock()),
    )


def messages_by_day(
    definition: JourneyDefinition, days: dict[date, int], zone: ZoneInfo, now: datetime
) -> dict[date, int]:
    """Each day's entrants followed through the stages by the store's clock."""
    where = Whereabouts(None, None, zone.key)
    counted: Counter[date] = Counter()
    for day, entrants in days.items():
        at = max(now, datetime.combine(day, time.min, zone))
        for stage in range(len(definition.stages)):
            at = due_after(definition, stage, at, where)
            counted[local_date(at, zone)] += entrants
    return dict(sorted(counted.items()))


def show_preview(run: Run, preview: Preview) -> None:
    """The preview for a person."""
    out = run.output
    out.line()
    out.line(f"{preview.considered} customers considered, {preview.entrants} to enter, {preview.control} held out")
    rows = [[reason, str(count)] for reason, count in preview.skipped.items() if count]
    if rows:
        out.table(["left out because", "customers#"], rows)
    days = sorted({*preview.entrants_by_day, *preview.messages_by_day})
    if days:
        out.table(
            ["day", "new customers#", "messages, at most#"],
            [
                [
                    f"{day:%a %Y-%m-%d}",
                    str(preview.entrants_by_day.get(day, 0)),
                    str(preview.messages_by_day.get(day, 0)),
                ]
                for day in days[:_DAYS_SHOWN]
            ],
        )
    if len(days) > _DAYS_SHOWN:
        out.line(f"and {len(days) - _DAYS_SHOWN} more days until {days[-1]:%a %Y-%m-%d}")


def told(name: str, version: int, audience: Audience) -> str:
    """What a launch did, in a line."""
    later = f", {audience.paced} have a later day" if audience.paced else ""
    held_out = f", {audience.control} are held out" if audience.control else ""
    left_out = sum(audience.skipped.values())
    return f"{name} version {version}: {audience.entered} entered{later}{held_out}, {left_out} left out"
