"""The endpoints of a store's own systems, and what became of each delivery to them."""

from sqlmodel.ext.asyncio.session import AsyncSession

from models.enums import DeliveryState, EndpointEnd, OutgoingKind
from models.outgoing import WANTED_KINDS
from models.tables import WebhookEndpoint
from reports.documents import Document, Moment
from storage.deliveries import ListedDelivery, list_deliveries
from storage.endpoints import list_endpoints
from storage.stores import StoreParts, required_id


class EndpointView(Document):
    """One endpoint, without its secret.

    Attributes:
        events: what it is told of.
        every_event: nothing was chosen: kinds that are added later are told too.
        enabled: whether it is told at all; `disabled_reason` says why not.
        failing_since: the first failure after the last success.
        old_secret_until: until when what is sent is signed with the secret before too.
    """

    endpoint_id: int
    url: str
    events: list[OutgoingKind]
    every_event: bool
    enabled: bool
    disabled_at: Moment | None
    disabled_reason: EndpointEnd | None
    failing_since: Moment | None
    last_delivered_at: Moment | None
    old_secret_until: Moment | None
    created_at: Moment


class EndpointsDocument(Document):
    """`webhooks list`."""

    store: str
    endpoints: list[EndpointView]


class EndpointDocument(Document):
    """`webhooks disable`, `enable` and `remove`: the endpoint as it is now, or was."""

    store: str
    endpoint: EndpointView


class EndpointSecretDocument(Document):
    """`webhooks add` and `rotate`; the secret is shown this once."""

    store: str
    endpoint: EndpointView
    secret: str


class DeliveryView(Document):
    """The telling of one event to one endpoint.

    Attributes:
        message_id: the event's own, which the endpoint gets as `webhook-id`; the same in every try.
        event_at: when it happened.
        tries: in this round; `webhooks retry` begins a new one.
        last_status: the HTTP status of the last answer, if one came.
        last_error: a word for what was wrong, where the status does not say it.
        next_try_at: null when it is over.
    """

    delivery_id: int
    endpoint_id: int
    event: OutgoingKind
    message_id: str
    event_at: Moment
    state: DeliveryState
    round: int
    tries: int
    last_try_at: Moment | None
    next_try_at: Moment | None
    settled_at: Moment | None
    last_status: int | None
    last_error: str | None


class DeliveriesDocument(Document):
    """`webhooks deliveries`, newest first. `next` asks for the following ones; null at the end."""

    store: str
    deliveries: list[DeliveryView]
    next: int | None


class DeliveryDocument(Document):
    """`webhooks retry` and `test`. `started` is false while Temporal has yet to hear of it."""

    store: str
    delivery: DeliveryView
    started: bool


def endpoint_view(row: WebhookEndpoint) -> EndpointView:
    """One endpoint."""
    return EndpointView(
        endpoint_id=required_id(row.id),
        url=row.url,
        events=[kind for kind in WANTED_KINDS if not row.kinds or kind.value in row.kinds],
        every_event=not row.kinds,
        enabled=row.disabled_at is None and row.removed_at is None,
        disabled_at=row.disabled_at,
        disabled_reason=row.disabled_reason,
        failing_since=row.failing_since,
        last_delivered_at=row.last_delivered_at,
        old_secret_until=row.old_secret_until,
        created_at=row.created_at,
    )


def delivery_view(listed: ListedDelivery) -> DeliveryView:
    """One delivery."""
    delivery = listed.delivery
    return DeliveryView(
        delivery_id=required_id(delivery.id),
        endpoint_id=delivery.endpoint_id,
        event=listed.event.kind,
        message_id=listed.event.message_id,
        event_at=listed.event.at,
        state=delivery.state,
        round=delivery.round,
        tries=delivery.tries,
        last_try_at=delivery.last_try_at,
        next_try_at=delivery.next_try_at,
        settled_at=delivery.settled_at,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
    )


async def endpoints_of(session: AsyncSession, parts: StoreParts) -> EndpointsDocument:
    """Every endpoint of the store."""
    rows = await list_endpoints(session, parts.id)
    return EndpointsDocument(store=parts.store.slug, endpoints=[endpoint_view(row) for row in rows])


async def deliveries_of(
    session: AsyncSession,
    parts: StoreParts,
    *,
    states: tuple[DeliveryState, ...],
    endpoint_id: int | None,
    before: int | None,
    limit: int,
) -> DeliveriesDocument:
    """A page of the store's deliveries, newest first."""
    found = await list_deliveries(
        session, parts.id, states=states, endpoint_id=endpoint_id, before=before, limit=limit + 1
    )
    page = [delivery_view(one) for one in found[:limit]]
    return DeliveriesDocument(
        store=parts.store.slug, deliveries=page, next=page[-1].delivery_id if len(found) > limit else None
    )
