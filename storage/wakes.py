"""Waking a store's own workflows: what is written with its cause reaches them through the relay (promise 3)."""

from datetime import datetime
from typing import Final

from sqlmodel.ext.asyncio.session import AsyncSession

from models.orchestration import Wake
from storage.events import add_intent

CHECK_NOW: Final = "check_now"
"""HealthWorkflow's signal; it takes no argument."""


def upkeep_workflow_id(store_id: int) -> str:
    """The one UpkeepWorkflow of a store (`workflows.ids` has the same)."""
    return f"upkeep-{store_id}"


def health_workflow_id(store_id: int) -> str:
    """The one HealthWorkflow of a store (`workflows.ids` has the same)."""
    return f"health-{store_id}"


def audience_workflow_id(store_id: int, journey_id: int) -> str:
    """The one AudienceWorkflow of a journey (`workflows.ids` has the same)."""
    return f"aud-{store_id}-{journey_id}"


def wake_upkeep(session: AsyncSession, store_id: int, *, now: datetime) -> None:
    """Let the store's upkeep do at once what somebody was promised."""
    add_intent(session, upkeep_workflow_id(store_id), "wake", Wake().model_dump(mode="json"), now=now)


def check_health(session: AsyncSession, store_id: int, *, now: datetime) -> None:
    """Let the store's health be looked at now rather than at the next round."""
    add_intent(session, health_workflow_id(store_id), CHECK_NOW, {}, now=now)
