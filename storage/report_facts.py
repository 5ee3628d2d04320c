"""The facts of which a journey's report is made; `storage.report_rows` reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from models.enums import (
    AttemptStatus,
    AttributedBy,
    EnrollmentState,
    ExitReason,
    HoldReason,
    SendState,
    SkipReason,
)


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What the report needs of a version: its number, the attribution window, its fixed code."""

    number: int
    attribution_days: int
    coupon: str | None


@dataclass(frozen=True, slots=True)
class Contact:
    """Who it is; nothing but the shop's own number is left of somebody who was erased."""

    id: int
    phone: str | None
    external_id: str | None
    first_name: str | None


@dataclass(frozen=True, slots=True)
class PassageFacts:
    """One enrollment."""

    id: str
    version_id: int
    control: bool
    state: EnrollmentState
    stage: int
    exit_reason: ExitReason | None
    hold_reason: HoldReason | None
    selected_at: datetime
    entered_at: datetime
    stage_due_at: datetime | None
    closed_at: datetime | None
    horizon_at: datetime | None


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """One POST of a message."""

    number: int
    status: AttemptStatus
    error_code: int | None
    used_template: bool
    claimed_at: datetime
    accepted_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """One send with its attempts, oldest first."""

    id: int
    enrollment_id: str
    stage: int
    state: SendState
    template_name: str | None
    template_language: str | None
    coupon_code: str | None
    skip_reason: SkipReason | None
    settled_at: datetime | None
    received_at: datetime | None
    drafted_at: datetime | None
    attempts: list[AttemptFacts] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """One order with what it is attributed to; it answers `policies.attribution.counts`."""

    id: int
    external_id: str
    ordered_at: datetime
    total_minor: int
    original_minor: int | None
    currency: str
    test: bool
    cancelled_at: datetime | None
    financial_status: str | None
    discount_codes: list[str]
    attributed_by: AttributedBy | None
    attributed_journey_id: int | None
    attributed_enrollment_id: str | None
    attributed_send_id: int | None


@dataclass(frozen=True, slots=True)
class DecisionFacts:
    """Why somebody is not in the journey: the word, and what was measured."""

    version_id: int
    at: datetime
    outcome: str
    seen: str
    threshold: str


@dataclass(frozen=True, slots=True)
class PacedFacts:
    """The later day that somebody was given, and since when they wait for it."""

    version_id: int
    day: date
    since: datetime


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """One customer in the journey's light.

    Attributes:
        key: the id by which the pages go on; of somebody who was merged since it is not the contact's.
        orders: of anybody who is enrolled those since their first entry; else those attributed to the journey.
        decision: the newest one, where it is a reason or a later day, and no enrollment has followed it.
        codes: the personal codes that the journey made for them.
    """

    key: int
    contact: Contact
    passages: list[PassageFacts]
    messages: list[MessageFacts]
    orders: list[OrderFacts]
    decision: DecisionFacts | None
    paced: PacedFacts | None
    codes: list[str]


@dataclass(frozen=True, slots=True)
class Reported:
    """What is the same for the whole report; `watches` is whether the journey waits for silences or carts."""

    journey_id: int
    journey: str
    store_id: int
    watches: bool
    versions: Mapping[int, VersionFacts]
    journeys: Mapping[int, str]
