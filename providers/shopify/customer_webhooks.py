"""Webhooks about customers: who they are, that two are one, and what they agree to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from models.enums import ConsentState
from providers.shopify.webhook_bodies import Body, Gid, Id, Moment, Text, first_text, read

Channel = Literal["whatsapp", "sms", "email"]
"""What a consent is for."""


@dataclass(frozen=True, slots=True)
class CustomerUpdate:
    """A customer as they are now. These payloads carry no consent: see `ConsentUpdate`.

    Attributes:
        phone: as Shopify gives it; None if the customer has none.
        locale: None where the payload does not tell, which is the rule.
        updated_at: of two updates of one customer the later wins.
    """

    id: int
    first_name: str | None = field(repr=False)
    phone: str | None = field(repr=False)
    locale: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerDeleted:
    """A customer whom the merchant deleted; this is no request to erase their data."""

    id: int


@dataclass(frozen=True, slots=True)
class CustomerMerge:
    """Two customers that became one, or that should have.

    Attributes:
        kept_id: who is left.
        deleted_id: who is no more, once it has happened.
        status: Shopify's word in lower case: `requested`, `in_progress`, `completed` or `failed`.
    """

    kept_id: int
    deleted_id: int
    status: str

    @property
    def happened(self) -> bool:
        """Whether the two are one now; any other status may still come to nothing, or has."""
        return self.status == "completed"


@dataclass(frozen=True, slots=True)
class ConsentUpdate:
    """What a customer agrees to on one channel.

    Attributes:
        phone: the number that the consent is for; None where the payload has none, as always for email.
        state: no consent on record, and a word of Shopify's that we do not know, count as never subscribed: neither
            is a permission, and neither is a withdrawal.
        at: when the customer said so, UTC; None where Shopify does not know.
    """

    channel: Channel
    customer_id: int
    phone: str | None = field(repr=False)
    state: ConsentState
    at: datetime | None


def parse_customer(raw: bytes) -> CustomerUpdate:
    """Read the body of `customers/create` or `customers/update`.

    Raises:
        UnreadableWebhookError: it is no customer.
    """
    customer = read(_Customer, raw, "customer")
    return CustomerUpdate(
        id=customer.id,
        first_name=first_text(customer.first_name),
        phone=first_text(customer.phone),
        locale=first_text(customer.locale),
        updated_at=customer.updated_at,
    )


def parse_customer_deleted(raw: bytes) -> CustomerDeleted:
    """Read the body of `customers/delete`.

    Raises:
        UnreadableWebhookError: it names no customer.
    """
    return CustomerDeleted(id=read(_Named, raw, "deleted customer").id)


def parse_merge(raw: bytes) -> CustomerMerge:
    """Read the body of `customers/merge`, which comes for a merge that failed as well.

    Raises:
        UnreadableWebhookError: it does not name two customers and how far their merge came.
    """
    merge = read(_Merge, raw, "merge of customers")
    return CustomerMerge(
        kept_id=merge.admin_graphql_api_customer_kept_id,
        deleted_id=merge.admin_graphql_api_customer_deleted_id,
        status=merge.status.lower(),
    )


def parse_whatsapp_consent(raw: bytes) -> ConsentUpdate:
    """Read the body of `customers_whats_app_marketing_consent/update`.

    Raises:
        UnreadableWebhookError: it is no such consent.
    """
    body = read(_WhatsAppConsent, raw, "WhatsApp consent")
    consent = body.whats_app_marketing_consent
    return ConsentUpdate(
        "whatsapp", body.customer_id, first_text(body.phone_number), _state(consent.state), consent.updated_at
    )


def parse_sms_consent(raw: bytes) -> ConsentUpdate:
    """Read the body of `customers_marketing_consent/update`.

    Raises:
        UnreadableWebhookError: it is no such consent.
    """
    body = read(_SmsConsent, raw, "SMS consent")
    consent = body.sms_marketing_consent
    return ConsentUpdate("sms", body.id, first_text(body.phone), _state(consent.state), consent.consent_updated_at)


def parse_email_consent(raw: bytes) -> ConsentUpdate:
    """Read the body of `customers_email_marketing_consent/update`.

    Raises:
        UnreadableWebhookError: it is no such consent.
    """
    body = read(_EmailConsent, raw, "email consent")
    consent = body.email_marketing_consent
    return ConsentUpdate("email", body.customer_id, None, _state(consent.state), consent.consent_updated_at)


class _Named(Body):
    id: Id


class _Customer(_Named):
    first_name: Text | None = None
    phone: Text | None = None
    locale: Text | None = None
    updated_at: Moment


class _Merge(Body):
    admin_graphql_api_customer_kept_id: Gid
    admin_graphql_api_customer_deleted_id: Gid
    status: Text


class _WhatsAppState(Body):
    state: Text | None = None
    updated_at: Moment | None = None


class _WhatsAppConsent(Body):
    customer_id: Id
    phone_number: Text | None = None
    whats_app_marketing_consent: _WhatsAppState


class _State(Body):
    state: Text | None = None
    consent_updated_at: Moment | None = None


class _SmsConsent(Body):
    id: Id
    phone: Text | None = None
    sms_marketing_consent: _State


class _EmailConsent(Body):
    customer_id: Id
    email_marketing_consent: _State


_STATES: Final[Mapping[str, ConsentState]] = {state.value: state for state in ConsentState}


def _state(word: str | None) -> ConsentState:
    """REST says `not_subscribed` where GraphQL says never subscribed."""
    return _STATES.get((word or "").lower(), ConsentState.NEVER_SUBSCRIBED)
