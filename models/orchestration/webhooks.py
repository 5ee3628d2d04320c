"""What travels to and within a WebhookDeliveryWorkflow."""

from models.enums import DeliveryState
from models.orchestration.wire import Wire


class DeliveryRef(Wire):
    """A delivery to a system of a store's own; what it says is read from the database whenever it is sent."""

    delivery_id: int


class DeliveryStart(DeliveryRef):
    """What the relay starts a delivery's workflow with."""

    store_id: int


class DeliveryReport(Wire):
    """What became of a delivery."""

    state: DeliveryState
