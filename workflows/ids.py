"""The ids of the workflows that are one of a kind; a journey's is its enrollment's id."""


def audience_workflow_id(store_id: int, journey_id: int) -> str:
    """The one AudienceWorkflow of a journey."""
    return f"aud-{store_id}-{journey_id}"


def upkeep_workflow_id(store_id: int) -> str:
    """The one UpkeepWorkflow of a store; `storage.opt_outs` writes intents for it."""
    return f"upkeep-{store_id}"


def health_workflow_id(store_id: int) -> str:
    """The one HealthWorkflow of a store."""
    return f"health-{store_id}"
