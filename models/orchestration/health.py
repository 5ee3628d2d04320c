"""What travels to and within a HealthWorkflow."""

from datetime import timedelta

from models.orchestration.wire import Wire


class HealthInput(Wire):
    """One store's health watch and the time between its checks."""

    store_id: int
    interval: timedelta


class StoreRef(Wire):
    """A store by its id."""

    store_id: int


class HealthReport(Wire):
    """What one check found."""

    templates: int
    released: int
    faults: tuple[str, ...] = ()
