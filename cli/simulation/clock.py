"""The simulation's time: Temporal's virtual clock, as far as the rest of the process can know it.

Workflows and activities are told the time by the time-skipping server. The gateway and the sandbox are not, so their
clock is the latest moment at which the server has started an activity: everything that happens in a simulation
happens inside one, and the server's clock stands still (or crawls) while one is in flight.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self
from zoneinfo import ZoneInfo

from google.protobuf.empty_pb2 import Empty
from temporalio import activity
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.client import Client
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

_YEAR = 2030
_NINE = time(9)
_WEEK = 7
_A_MOVE_TAKES_AT_MOST = timedelta(hours=12)
"""Of the real clock."""


class VirtualClock:
    """A clock that is moved by what happens and never goes back."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """The latest moment known."""
        return self._now

    def reached(self, at: datetime) -> None:
        """Something happens at this moment."""
        self._now = max(self._now, at)


class ClockInterceptor(Interceptor):
    """Tells the clock of every activity's start."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        """Wrap each activity."""
        return _Inbound(next, self._clock)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, following: ActivityInboundInterceptor, clock: VirtualClock) -> None:
        super().__init__(following)
        self._clock = clock

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        info = activity.info()
        if not info.is_local:
            self._clock.reached(info.started_time)
        return await super().execute_activity(input)


class ClockHand:
    """Moves the server's clock, over a connection that does nothing else.

    `env.sleep` does the same on the environment's connection, for a minute at most: a day with thousands of messages
    takes longer. And the server breaks a connection off that asks it in vain whether it is still there (keep-alive
    pings), which one long call looks like.
    """

    def __init__(self, client: Client) -> None:
        self._testing = client.service_client.test_service

    @classmethod
    async def take(cls, address: str) -> Self:
        """The hand of the server at that address."""
        return cls(await Client.connect(address, keep_alive_config=None))

    async def now(self) -> datetime:
        """The server's time."""
        return (await self._testing.get_current_time(Empty())).time.ToDatetime(UTC)

    async def move_to(self, moment: datetime) -> None:
        """Let everything happen that is due until then."""
        request = SleepRequest()
        request.duration.FromTimedelta(moment - await self.now())
        await self._testing.unlock_time_skipping_with_sleep(request, timeout=_A_MOVE_TAKES_AT_MOST)


def opening_day(as_of: date) -> date:
    """The day of 2030 nearest to `as_of`'s month and day that has its weekday.

    Hours, weekdays and clock changes then come out the same whenever the simulation is run.
    """
    leap_day = as_of.month == 2 and as_of.day == 29  # noqa: PLR2004 - 2030 has no 29 February
    anchor = date(_YEAR, as_of.month, 28 if leap_day else as_of.day)
    shift = (as_of.weekday() - anchor.weekday()) % _WEEK
    return anchor + timedelta(days=shift if shift <= _WEEK // 2 else shift - _WEEK)


def opening_moment(as_of: date, zone: ZoneInfo) -> datetime:
    """09:00 store time on the opening day."""
    return datetime.combine(opening_day(as_of), _NINE, zone).astimezone(UTC)


def virtual_moment(at: datetime, *, as_of: date, opening: datetime, zone: ZoneInfo) -> datetime:
    """When something of a file happens on the virtual clock: as many days from the opening, at the same local time.

    Args:
        at: in the file.
        as_of: the file's day that counts as the opening's.
        opening: the simulation's first moment.
        zone: the store's, in which both calendars are read.
    """
    local = at.astimezone(zone).replace(microsecond=0)  # WhatsApp's times have no fractions
    day = opening.astimezone(zone).date() + (local.date() - as_of)
    return datetime.combine(day, local.time(), zone).astimezone(UTC)
