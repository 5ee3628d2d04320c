"""What a store's own systems read about an event: the bodies of the webhooks that we send.

They are a promise to others: keys are added, never renamed or taken away, and a key is always there, null where nothing
stands. Phone numbers and what customers said are whole here, since the reader is the store itself; of somebody who was
erased nothing is left but our own id.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, PlainSerializer, SerializeAsAny, TypeAdapter, WithJsonSchema

from models.enums import BuyingIntent, ExitReason, OutgoingKind, PauseCause, TemplateStatus


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Moment = Annotated[
    datetime,
    PlainSerializer(_utc, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"}),
]


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class ToldCustomer(_Told):
    """Who it is.

    Attributes:
        id: our own id of the customer, the same in every event.
        reference: the shop's id, null for somebody whom the shop does not know.
        phone: in E.164.
        erased: nothing else is told of them any more.
    """

    id: str
    reference: str | None
    phone: str | None
    erased: bool = False


class FollowupDetected(_Told):
    """`followup.detected`: a conversation shows that somebody wants to buy, and no order is known.

    Attributes:
        order_found: whether shop or CRM know of an order since; null where neither could be asked.
        attempt: how often this customer has been followed up in this opportunity, this time among it.
        enrolled: whether a journey writes to them, or the store is only told.
    """

    store: str
    journey: str
    customer: ToldCustomer
    intent: BuyingIntent | None
    product: str | None
    objection: str | None
    suggested_message: str | None
    language: str | None
    order_found: bool | None
    attempt: int | None
    enrolled: bool
    wrote_at: Moment


class JourneyExited(_Told):
    """`journey.exited`: somebody's journey has ended. Members of a control group are in none."""

    store: str
    journey: str
    version: int
    enrollment: str
    customer: ToldCustomer
    reason: ExitReason
    entered_at: Moment
    exited_at: Moment


class JourneyPaused(_Told):
    """`journey.paused`: nothing of these journeys is sent."""

    store: str
    journeys: list[str]
    cause: PauseCause
    figures: dict[str, str | int | float | bool | None]


class JourneyLive(_Told):
    """`journey.live`: all templates are approved, and whoever qualifies enters."""

    store: str
    journey: str
    version: int | None


class MessageFailed(_Told):
    """`message.failed`: a message was not sent or not delivered, and no further attempt follows.

    Attributes:
        stage: counts from 1.
        code: WhatsApp's own code, null where it gave none.
        text: the code in our words.
    """

    store: str
    journey: str
    enrollment: str
    stage: int
    customer: ToldCustomer
    code: int | None
    text: str


class TemplateStatusChanged(_Told):
    """`template.status_changed`: Meta has another opinion of a template."""

    store: str
    template: str
    language: str
    before: TemplateStatus
    status: TemplateStatus
    code: int | None
    text: str | None


class WebhookTest(_Told):
    """`webhook.test`: somebody tries the endpoint out."""

    store: str
    endpoint: int


Told = (
    FollowupDetected | JourneyExited | JourneyPaused | JourneyLive | MessageFailed | TemplateStatusChanged | WebhookTest
)

DATA: Final[dict[OutgoingKind, type[Told]]] = {
    OutgoingKind.FOLLOWUP_DETECTED: FollowupDetected,
    OutgoingKind.JOURNEY_EXITED: JourneyExited,
    OutgoingKind.JOURNEY_PAUSED: JourneyPaused,
    OutgoingKind.JOURNEY_LIVE: JourneyLive,
    OutgoingKind.MESSAGE_FAILED: MessageFailed,
    OutgoingKind.TEMPLATE_STATUS_CHANGED: TemplateStatusChanged,
    OutgoingKind.WEBHOOK_TEST: WebhookTest,
}
"""What each kind's `data` is."""

WantedKind = Literal[
    OutgoingKind.FOLLOWUP_DETECTED,
    OutgoingKind.JOURNEY_EXITED,
    OutgoingKind.JOURNEY_PAUSED,
    OutgoingKind.JOURNEY_LIVE,
    OutgoingKind.MESSAGE_FAILED,
    OutgoingKind.TEMPLATE_STATUS_CHANGED,
]
WANTED_KINDS: Final[tuple[OutgoingKind, ...]] = get_args(WantedKind)
"""What an endpoint may ask to be told of; a test goes to it when somebody asks for one, and at no other time."""


class OutgoingBody(_Told):
    """The whole body: which event, when it happened, and what there is to know."""

    type: OutgoingKind
    timestamp: Moment
    data: SerializeAsAny[BaseModel]


def body_schema(kind: OutgoingKind) -> dict[str, Any]:
    """The JSON Schema of one kind's body."""
    data = DATA[kind].model_json_schema(mode="serialization")
    definitions = data.pop("$defs", {})
    timestamp = TypeAdapter(Moment).json_schema(mode="serialization")
    return {
        "$defs": definitions,
        "title": kind.value,
        "type": "object",
        "properties": {"type": {"const": kind.value}, "timestamp": timestamp, "data": data},
        "required": ["type", "timestamp", "data"],
    }
