"""What a simulation can be asked for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from models.conversations_file import ConversationsFile
from models.journey import JourneyDefinition, Tracking
from models.orders_file import OrderRow
from sandbox.habits import Habits

STORE = "simulated"
ZONE = "Europe/Berlin"
"""The simulated store's time zone, which is also that of the made-up phone numbers."""


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost in whole credits, as a store's prices are until it sets its own.

    Attributes:
        message: one that WhatsApp accepted.
        call: of the language model, for a text or for a verdict.
    """

    message: int = 1
    call: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a simulation is asked to do.

    Attributes:
        as_of: the day of the files that counts as the opening's.
        conversations: chats and carts that are lived through; None for none.
        limit: at most so many entrants in each win-back; None for all.
        days: at most so many virtual days; None runs until every journey is over.
        habits: how simulated customers behave; None lets nobody do anything by invention.
        seed: of everything that is drawn.
        tier: WhatsApp's messaging limit for the number; None for none.
        record: where the sandbox writes down what it received.
        approve: whether people approve what waits for them; None: only what tracking journeys suggest.
        prices: what the credits are counted by.
    """

    definitions: tuple[JourneyDefinition, ...]
    orders: Sequence[OrderRow]
    as_of: date
    conversations: ConversationsFile | None = None
    limit: int | None = None
    days: int | None = None
    habits: Habits | None = field(default_factory=Habits)
    seed: int = 1
    tier: int | None = None
    record: Path | None = None
    approve: bool | None = None
    prices: Prices = Prices()

    def approves(self, definition: JourneyDefinition) -> bool:
        """Whether people read and approve this journey's messages."""
        return isinstance(definition, Tracking) if self.approve is None else self.approve

    def as_run(self, definition: JourneyDefinition) -> JourneyDefinition:
        """The journey as it is simulated: where people approve, they do so at once, as if it asked for no approval."""
        if not self.approves(definition):
            return definition
        sending = definition.sending.model_copy(update={"approval": "none"})
        changes = {"sending": sending} | ({"auto_send": True} if isinstance(definition, Tracking) else {})
        return definition.model_copy(update=changes)
