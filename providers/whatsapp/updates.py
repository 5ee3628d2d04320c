"""What WhatsApp tells us in webhooks, one immutable value per update.

Each carries the account it belongs to and a `dedupe_key`: the same update delivered twice, alone or in another batch,
has the same key. Keys are digests, because WhatsApp's ids and preferences contain phone numbers, and the rows that
remember them outlive an erased customer.
"""

from dataclasses import dataclass
from datetime import date, datetime
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
    """A customer moved to another phone number or user id; nobody wrote anything.

    Of the old pair, and of the new one, at least one is given.

    Attributes:
        id: WhatsApp's message id.
        old_phone: E.164 with `+`, where given.
        new_phone: E.164 with `+`; None where it is hidden, or where only the user id changed.
        at: when WhatsApp said so.
        old_user_id: business-scoped user id, where given.
        new_user_id: WhatsApp gives a new one with a new number; the old one never comes again.
    """

    id: str
    old_phone: str | None
    new_phone: str | None
    at: datetime
    old_user_id: str | None = None
    new_user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo(_Update):
    """Our side wrote to a customer by other means than Rekindle: the WhatsApp Business app, or another tool.

    Attributes:
        id: WhatsApp's message id.
        to_phone: E.164 with `+`; None where the customer hides it, and then `to_user_id` is given.
        to_user_id: business-scoped user id, where given.
        at: when it was written.
        kind: Meta's type, as for `InboundMessage`; also `edit` and `revoke`.
        text: the words: a text's body, a caption, or the new words of an edited message.
        original_id: the message that an `edit` or `revoke` changed. Such an echo says that nothing new was written.
    """

    id: str
    to_phone: str | None
    to_user_id: str | None
    at: datetime
    kind: str
    text: str | None
    original_id: str | None = None


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
        value: `stop` or `resume`, or a word that is new; a resume lifts the stop on Meta's side only and gives no
            consent.
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
class TemplateQualityUpdate(_Update):
    """Meta's colour for a template changed; red ones are paused next.

    Attributes:
        template_id: the id of the template in this language.
        name: the template's name.
        language: as `en` or `pt_BR`.
        previous: `GREEN`, `YELLOW`, `RED` or `UNKNOWN`, where given.
        new: the same words.
        at: when Meta sent it.
    """

    template_id: str
    name: str
    language: str
    previous: str | None
    new: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateCategoryUpdate(_Update):
    """Meta moved a template to another category, with its price and its rules, or says that it will in a day.

    Attributes:
        template_id: the id of the template in this language.
        name: the template's name.
        language: as `en` or `pt_BR`.
        new_category: the category that holds now: `MARKETING`, `UTILITY` or `AUTHENTICATION`.
        previous_category: what it was; given when the move is done.
        correct_category: what it will be; given while the move is only announced.
        at: when Meta sent it.
    """

    template_id: str
    name: str
    language: str
    new_category: str
    previous_category: str | None
    correct_category: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class Restriction:
    """What an account may not do.

    Attributes:
        type: Meta's word in upper case, such as `RESTRICTED_BIZ_INITIATED_MESSAGING`; `UNKNOWN` where there was none.
        expires_at: until when; None where it is not told, which is no promise of an early end.
    """

    type: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountUpdate(_Update):
    """Something happened to the business account: a violation, a restriction, a ban, or a harmless change.

    Attributes:
        event: Meta's word in upper case, such as `ACCOUNT_RESTRICTION` or `DISABLED_UPDATE`.
        ban_state: `SCHEDULE_FOR_DISABLE`, `DISABLE` or `REINSTATE`, with a `DISABLED_UPDATE`.
        ban_date: the day of the ban.
        restrictions: of an `ACCOUNT_RESTRICTION`; that there are none does not say that one was lifted.
        violation: Meta's word for what was violated, with an `ACCOUNT_VIOLATION`.
        at: when Meta sent it.
    """

    event: str
    ban_state: str | None
    ban_date: date | None
    restrictions: tuple[Restriction, ...]
    violation: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CapabilityUpdate(_Update):
    """The messaging limit changed: of the whole portfolio that the account belongs to.

    Attributes:
        max_daily: distinct recipients per rolling 24 hours outside windows; None is no limit.
        at: when Meta sent it.
    """

    max_daily: int | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneQualityUpdate(_Update):
    """A number changed its throughput, or its quality on older API versions; it may tell the portfolio's limit too.

    Attributes:
        display_phone: our number, E.164 with `+`; `phone_number_id` is None, because Meta does not give it here.
        event: Meta's word in upper case, such as `THROUGHPUT_UPGRADE` or `FLAGGED`.
        limit_told: the update says a limit; without it `max_daily` means nothing.
        max_daily: as in `CapabilityUpdate`: None, where a limit is told, is no limit.
        at: when Meta sent it.
    """

    display_phone: str
    event: str
    limit_told: bool
    max_daily: int | None
    at: datetime


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
    | Echo
    | StatusUpdate
    | UserPreference
    | TemplateStatusUpdate
    | TemplateQualityUpdate
    | TemplateCategoryUpdate
    | AccountUpdate
    | CapabilityUpdate
    | PhoneQualityUpdate
    | ReportedErrors
    | Unrecognised
)


@dataclass(frozen=True, slots=True)
class WebhookBatch:
    """Everything in one POST, in its order."""

    updates: tuple[Update, ...]
