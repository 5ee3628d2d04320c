"""What WhatsApp tells us in webhooks, one immutable value per update.

Each carries the account it belongs to and a `dedupe_key`: the same update delivered twice, alone or in another batch,
has the same key. Keys are digests, because WhatsApp's ids and preferences contain phone numbers, and the rows that
remember them outlive an erased customer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class DeliveryStatus(StrEnum):
    """How far a message came, as WhatsApp reports it; reports may come late, twice, in any order or not at all."""

    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    PLAYED = "played"
    FAILED = "failed"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class UpdateError:
    """An error inside an update; `code` is None where Meta sent none that is a number."""

    code: int | None
    title: str | None = None
    details: str | None = None


@dataclass(frozen=True, slots=True)
class ButtonReply:
    """What a tapped button sends: the payload that we gave it and the label that the customer saw."""

    payload: str
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Update:
    """What every update has.

    Attributes:
        waba_id: the WhatsApp business account that the webhook is about.
        phone_number_id: our number, where the update is about one.
        dedupe_key: the same for every delivery of the same update.
    """

    waba_id: str
    phone_number_id: str | None
    dedupe_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundMessage(_Update):
    """A customer wrote, tapped or reacted; every kind is activity, also one that we cannot read.

    Attributes:
        kind: Meta's type: `text`, `button`, `interactive`, `reaction`, `image`, `unsupported`, or one that is new.
        id: WhatsApp's message id.
        from_phone: E.164 with `+`; None where the customer hides it.
        from_user_id: business-scoped user id, where given.
        profile_name: the name that the customer chose in WhatsApp.
        at: when it was sent.
        text: the words: a text's body, a caption, or a button's label.
        button: set when the customer tapped a button.
        context_id: the message of ours that it answers, where WhatsApp says so.
        group_id: set for a message in a group.
        errors: why WhatsApp could not pass it on.
    """

    kind: str
    id: str
    from_phone: str | None
    from_user_id: str | None
    profile_name: str | None
    at: datetime
    text: str | None
    button: ButtonReply | None
    context_id: str | None
    group_id: str | None
    errors: tuple[UpdateError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberChanged(_Update):
    """A customer moved to another phone number; nobody wrote anything."""

    id: str
    old_phone: str | None
    new_phone: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusUpdate(_Update):
    """How a message of ours is doing.

    Attributes:
        wamid: WhatsApp's message id.
        status: how far it came.
        at: when it came so far.
        callback_data: the `biz_opaque_callback_data` of our request.
        recipient_phone: E.164 with `+`; may differ from the number that we sent to, or be missing.
        recipient_user_id: business-scoped user id, where given.
        errors: why it failed.
        pricing_category: `marketing`, `utility`, `service`, ...; only on some statuses.
        pricing_type: `regular`, `free_customer_service`, `free_entry_point`; only on some statuses.
    """

    wamid: str
    status: DeliveryStatus
    at: datetime
    callback_data: str | None
    recipient_phone: str | None
    recipient_user_id: str | None
    errors: tuple[UpdateError, ...]
    pricing_category: str | None
    pricing_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPreference(_Update):
    """A customer told WhatsApp to stop, or to resume, marketing messages of this business.

    Attributes:
        phone: E.164 with `+`, where given.
        user_id: business-scoped user id, where given.
        category: what it is about; `marketing_messages` so far.
        value: `stop` or `resume`; a resume lifts the stop on Meta's side only and gives no consent.
        at: when.
    """

    phone: str | None
    user_id: str | None
    category: str
    value: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateStatusUpdate(_Update):
    """A template changed its state.

    Attributes:
        template_id: the id of the template in this language.
        name: the template's name.
        language: as `en` or `pt_BR` (a hyphen is made an underscore).
        event: Meta's word in upper case, such as `APPROVED` or `PAUSED`.
        reason: why, where given and not `NONE`.
        at: when Meta sent it; None where it does not say.
    """

    template_id: str
    name: str
    language: str
    event: str
    reason: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedErrors(_Update):
    """Errors that WhatsApp reports about a number and no message."""

    errors: tuple[UpdateError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unrecognised(_Update):
    """A piece that we do not know or cannot read; it is kept, never refused.

    Attributes:
        field: where it stood: `messages.statuses`, `account_update`, `body`, ...
        raw: the piece as it came.
    """

    field: str
    raw: Any


Update = (
    InboundMessage
    | NumberChanged
    | StatusUpdate
    | UserPreference
    | TemplateStatusUpdate
    | ReportedErrors
    | Unrecognised
)


@dataclass(frozen=True, slots=True)
class WebhookBatch:
    """Everything in one POST, in its order."""

    updates: tuple[Update, ...]
