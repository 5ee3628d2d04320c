"""What goes wrong and when, all of it drawn from one seed.

What happens to a message follows from its callback data, what a customer does from the message that they got, and
which requests die with their worker from their place among all requests. When things happen is the machine's own
affair: two runs of a seed inject the same faults, and meet them in another order.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from random import Random

from sandbox.whatsapp.faults import (
    Delay,
    DropResponse,
    DuplicateStatuses,
    FailLater,
    Fault,
    FaultScript,
    Hold,
    LoseStatuses,
    Refuse,
    ReorderStatuses,
    ServerError,
)

_FEWER_LATER = 0.5
_MEET = 0.6


def dice(seed: int, *about: object) -> Random:
    """Draws that are the same for the same seed and subject in every process."""
    return Random(":".join(str(part) for part in (seed, *about)))  # noqa: S311 - repeatable, and no secret


class Wire(StrEnum):
    """What the network does to one POST."""

    KILL_BEFORE = "worker killed before WhatsApp took its message"
    KILL_AFTER = "worker killed after WhatsApp took its message"
    RESET_BEFORE = "connection reset, message not taken"
    RESET_AFTER = "connection reset, message taken"
    BUSY = "429 without a Graph error"


KILLS = (Wire.KILL_BEFORE, Wire.KILL_AFTER)
TAKEN = (Wire.KILL_AFTER, Wire.RESET_AFTER)

# In percent of all first attempts.
_WIRE: dict[Wire, float] = {Wire.RESET_BEFORE: 1.0, Wire.RESET_AFTER: 1.5, Wire.BUSY: 2.0}
_SANDBOX: tuple[tuple[str, float, tuple[Fault, ...]], ...] = (
    ("answer lost, message taken", 2.0, (DropResponse(),)),
    ("answer lost, message taken, no status ever", 1.0, (DropResponse(), LoseStatuses())),
    ("answer lost, message not taken", 1.0, (DropResponse(accepted=False),)),
    ("500 without a Graph error, message not taken", 1.0, (ServerError(),)),
    ("500 without a Graph error, message taken", 1.0, (ServerError(accepted=True),)),
    ("503 with Graph error 131016", 1.5, (Refuse(131016),)),
    ("503 with Graph error 2", 1.0, (Refuse(2),)),
    ("500 with Graph error 131000", 1.0, (Refuse(131000),)),
    ("throttled with Graph error 130429", 1.0, (Refuse(130429),)),
    ("pair rate, Graph error 131056", 1.0, (Refuse(131056),)),
    ("held back for a day, Graph error 131049", 0.3, (Refuse(131049),)),
    ("undeliverable, Graph error 131026", 0.3, (Refuse(131026),)),
    ("failed later, 131026", 0.7, (FailLater(131026, after=timedelta(seconds=2)),)),
    ("slow answer", 3.0, (Delay(2.5),)),
    ("held for quality", 1.0, (Hold(release=timedelta(seconds=5)),)),
    ("statuses twice", 4.0, (DuplicateStatuses(),)),
    ("statuses in reverse", 4.0, (ReorderStatuses(),)),
    ("no status ever", 1.5, (LoseStatuses(),)),
)


class Deed(StrEnum):
    """What a customer does after a message."""

    REPLY = "reply"
    ORDER = "order"
    STOP = "STOP"
    META_STOP = "stop in WhatsApp"


_DEEDS = {Deed.REPLY: 6.0, Deed.ORDER: 4.0, Deed.STOP: 0.7, Deed.META_STOP: 0.3}
"""In percent of all messages. Refusals must stay rare, or a journey rightly stops itself."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is asked for.

    Attributes:
        journeys: how many customers are in the journey.
        database: `sqlite` or `postgresql`.
        kills: how many workers are killed between a claim and its record.
        delays: of the stages, as a journey file has them, in minutes.
        hurry: Temporal and the relay learn at once of dead processes, rather than after the minutes of their time-outs,
            and what is tried again is tried at once.
        minute_s: how many seconds a minute of the delays lasts.
        rest: how many times more messages than usual lie between two disasters.
    """

    journeys: int
    seed: int
    database: str
    workers: int = 3
    gateways: int = 2
    kills: int = 30
    delays: tuple[str, ...] = ("0m", "1m", "1m")
    hurry: bool = False
    minute_s: float = 60.0
    rest: float = 1.0

    @property
    def stages(self) -> int:
        """How many messages a customer gets."""
        return len(self.delays)


class Meets(StrEnum):
    """What of the next message a customer's deed happens beside."""

    CHECK = "the shop was asked"
    CLAIM = "a claim is being committed"


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a customer does.

    Attributes:
        seconds: how long after the message, or after what it meets.
        meets: what of their next message it happens beside.
    """

    deed: Deed
    seconds: float
    meets: Meets | None = None


class Plan:
    """The seed's decisions.

    Attributes:
        injected: how many faults of each kind were let loose.
    """

    def __init__(self, options: Options) -> None:
        self.options = options
        self.seed = options.seed
        self.injected: Counter[str] = Counter()
        first, last = 5, max(int(options.journeys * options.stages * 0.6), options.kills + 5)
        places = dice(self.seed, "kills").sample(range(first, last), min(options.kills, last - first))
        self._kills = {place: KILLS[number % 2] for number, place in enumerate(places)}

    def kill_at(self, place: int) -> Wire | None:
        """Whether the worker that sent this request, counted over all, dies of it."""
        return self._kills.get(place)

    def wire(self, callback_data: str) -> Wire | None:
        """What the network does to the POST of an attempt."""
        found = self._fate(callback_data)
        return found if isinstance(found, Wire) else None

    def sandbox(self, callback_data: str) -> tuple[str, tuple[Fault, ...]] | None:
        """What WhatsApp itself does to it."""
        found = self._fate(callback_data)
        return None if found is None or isinstance(found, Wire) else found

    def has(self, callback_data: str, kind: type[Fault]) -> bool:
        """Whether WhatsApp does such a thing to the message of an attempt."""
        found = self.sandbox(callback_data)
        return found is not None and any(isinstance(fault, kind) for fault in found[1])

    def deed(self, callback_data: str) -> Act | None:
        """What a customer does after this message.

        Some do it at once, some while the next stage waits, and most of them while it is being sent.
        """
        draw = dice(self.seed, "deed", callback_data)
        nothing = 100.0 - sum(_DEEDS.values())
        deed = draw.choices([*_DEEDS, None], [*_DEEDS.values(), nothing])[0]
        if deed is None:
            return None
        is_last = callback_data.split(":")[1] == str(self.options.stages)
        if draw.random() < _MEET and not is_last:
            meets = draw.choice((Meets.CHECK, Meets.CLAIM))
            if meets is Meets.CHECK or self.options.database == "sqlite":  # which tells nobody of a claim under way
                return Act(deed, draw.uniform(0.0, 0.05), Meets.CHECK)
            return Act(deed, 0.0, Meets.CLAIM)
        wait = 0.0 if is_last else self.options.minute_s * int(self.options.delays[-1].removesuffix("m"))
        return Act(deed, draw.uniform(*draw.choice(((0.0, 2.0), (2.0, max(wait, 2.0))))))

    def pauses(self, what: str, shortest: float, longest: float) -> Iterator[float]:
        """The seconds between two disasters of a kind."""
        draw = dice(self.seed, what)
        while True:
            yield draw.uniform(shortest, longest)

    def _fate(self, callback_data: str) -> Wire | tuple[str, tuple[Fault, ...]] | None:
        later = not callback_data.endswith(":1")
        roll = dice(self.seed, "fate", callback_data).uniform(0, 100 / (_FEWER_LATER if later else 1.0))
        for wire, percent in _WIRE.items():
            roll -= percent
            if roll < 0:
                return wire
        for name, percent, faults in _SANDBOX:
            roll -= percent
            if roll < 0:
                return name, faults
        return None


class PlannedFaults(FaultScript):
    """The sandbox's script of faults, written by the plan while it is read."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan = plan

    def take(self, recipient: str, callback_data: str | None) -> tuple[Fault, ...]:
        """The faults of this request."""
        del recipient
        found = self._plan.sandbox(callback_data or "")
        if found is None:
            return ()
        name, faults = found
        self._plan.injected[name] += 1
        return faults
