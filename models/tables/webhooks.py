"""What a store's own systems are told, to which addresses, and what became of each delivery."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from models.enums import DeliveryState, EndpointEnd, OutgoingKind
from models.tables.fields import moment, moment_or_none, word


class WebhookEndpoint(SQLModel, table=True):
    """An address of a store's own that is told of events.

    A removed one stays as a row without address and secret, because its deliveries, and transactions that are under
    way, point to it.

    Attributes:
        secret: signs what is sent, as ciphertext. `old_secret` signs beside it until `old_secret_until`.
        kinds: the events that it wants; none listed means every kind, later ones included.
        disabled_at: since when it is told of nothing; `disabled_reason` says why.
        failing_since: the first failure after the last success; None while it takes what it is sent.
    """

    __tablename__ = "webhook_endpoint"
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id", index=True)
    url: str = Field(max_length=500)
    secret: str
    old_secret: str | None = None
    old_secret_until: datetime | None = moment_or_none()
    kinds: list[str] = Field(default_factory=list, sa_type=JSON)
    created_at: datetime = moment()
    disabled_at: datetime | None = moment_or_none()
    disabled_reason: EndpointEnd | None = word(EndpointEnd, default=None)
    failing_since: datetime | None = moment_or_none()
    last_delivered_at: datetime | None = moment_or_none()
    removed_at: datetime | None = moment_or_none()


class OutgoingEvent(SQLModel, table=True):
    """Something that a store's own systems are told of, by ids: the body is rendered whenever it is sent.

    `message_id` is the same in every try and at every endpoint. `detail` holds codes and names of ours only.
    """

    __tablename__ = "outgoing_event"
    __table_args__ = (UniqueConstraint("store_id", "key"),)
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    kind: OutgoingKind = word(OutgoingKind)
    key: str = Field(max_length=200)
    message_id: str = Field(max_length=40)
    at: datetime = moment(index=True)
    journey_id: int | None = Field(default=None, foreign_key="journey.id")
    customer_id: int | None = Field(default=None, foreign_key="customer.id", index=True)
    enrollment_id: str | None = Field(default=None, foreign_key="enrollment.id", max_length=40)
    send_id: int | None = Field(default=None, foreign_key="send.id")
    analysis_id: int | None = Field(default=None, foreign_key="conversation_analysis.id")
    store_event_id: int | None = Field(default=None, foreign_key="store_event.id")
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)


class WebhookDelivery(SQLModel, table=True):
    """The telling of one event to one endpoint; its workflow's id is made of message, endpoint and round.

    Attributes:
        round: how often staff have asked to send it again.
        tries: how many requests were made in this round.
        first_try_at: when the round's first one was; it is given up a day later.
        last_status: the HTTP status of the last answer, if one came.
        last_error: a word for why the last try was none, or was not taken.
        next_try_at: when it is tried again.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("event_id", "endpoint_id"),
        Index("webhook_delivery_of_endpoint", "endpoint_id", "id"),
        Index("webhook_delivery_of_store", "store_id", "state", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    store_id: int = Field(foreign_key="store.id")
    event_id: int = Field(foreign_key="outgoing_event.id")
    endpoint_id: int = Field(foreign_key="webhook_endpoint.id")
    state: DeliveryState = word(DeliveryState)
    round: int = 0
    tries: int = 0
    made_at: datetime = moment()
    first_try_at: datetime | None = moment_or_none()
    last_try_at: datetime | None = moment_or_none()
    next_try_at: datetime | None = moment_or_none()
    settled_at: datetime | None = moment_or_none(index=True)
    last_status: int | None = None
    last_error: str | None = Field(default=None, max_length=40)
