"""Advice about win-backs side by side: which other one asks for the same customers, and which of the two gets them."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import JourneyKind, JourneyState
from models.journey import JourneyDefinition, WinBack
from models.tables import Journey
from policies.audience_overlap import overlaps
from reports.definitions import audience_words
from storage.journeys import latest_version, parse_definition
from storage.stores import required_id

_TAKES_ENTRANTS = (JourneyState.ACTIVE, JourneyState.PAUSED, JourneyState.PENDING)


async def overlap_advice(session: AsyncSession, store_id: int, definition: JourneyDefinition) -> list[str]:
    """A sentence for each other win-back of the store that takes entrants and whose filter overlaps."""
    if not isinstance(definition, WinBack):
        return []
    others = await session.exec(
        select(Journey)
        .where(
            Journey.store_id == store_id,
            Journey.kind == JourneyKind.WIN_BACK,
            Journey.name != definition.name,
            col(Journey.state).in_(_TAKES_ENTRANTS),
        )
        .order_by(Journey.name)
    )
    found = []
    for journey in others.all():
        version = await latest_version(session, required_id(journey.id))
        other = parse_definition(version.definition) if version is not None else None
        if isinstance(other, WinBack) and overlaps(definition.audience, other.audience):
            found.append(
                f"{other.name} ({audience_words(other)}) may ask for the same customers, who are in one journey at a "
                f"time: {_who_gets_them(definition, other)}"
            )
    return found


def _who_gets_them(definition: WinBack, other: WinBack) -> str:
    if definition.priority == other.priority:
        return f"both have priority {other.priority}, so whoever enters one of them first stays in it"
    winner, loser = (other, definition) if other.priority > definition.priority else (definition, other)
    return f"{winner.name} (priority {winner.priority}) takes them over from {loser.name} (priority {loser.priority})"
