"""What the stand-in lets a client change, and how it refuses: as `userErrors` inside an HTTP 200."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from models.enums import ConsentState
from sandbox.shopify.deeds import Deeds
from sandbox.shopify.reading import Json, Reading, number_of, phone_number, subscription
from sandbox.shopify.state import DiscountRecord, SubscriptionRecord

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_SETTABLE = frozenset({ConsentState.PENDING, ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED})


@dataclass(frozen=True, slots=True)
class Writing:
    """One request's changes to one shop."""

    reading: Reading
    deeds: Deeds

    def root(self) -> dict[str, Any]:
        """The mutation fields."""
        return {
            "discountCodeBasicCreate": self._discount_create,
            "customerWhatsAppMarketingConsentUpdate": self._consent_update,
            "webhookSubscriptionCreate": self._subscription_create,
            "webhookSubscriptionDelete": self._subscription_delete,
        }

    def _discount_create(self, _info: Any, basicCodeDiscount: Json) -> Json:  # noqa: N803 - the schema's own name
        wanted = basicCodeDiscount
        shop = self.reading.shop
        starts_at, ends_at = moment(wanted.get("startsAt")), moment(wanted.get("endsAt"))
        context = wanted.get("context") or {}
        ids = [number_of(one, "Customer") for one in (context.get("customers") or {}).get("add") or ()]
        known = tuple(one for one in ids if one is not None and one in shop.customers)
        percentage = ((wanted.get("customerGets") or {}).get("value") or {}).get("percentage")
        error: Json | None = None
        if not wanted.get("code"):
            error = _discount_error("code", "Code can't be blank", "BLANK")
        elif not wanted.get("title"):
            error = _discount_error("title", "Title can't be blank", "BLANK")
        elif starts_at is None:
            error = _discount_error("startsAt", "Starts at can't be blank", "BLANK")
        elif len(context) != 1 or len(known) != len(ids):
            error = _discount_error("context", "Context is invalid", "INVALID")
        elif percentage is not None and not 0 < percentage <= 1:
            error = _discount_error("customerGets", "Value must be between 0.0 and 1.0", "VALUE_OUTSIDE_RANGE")
        elif ends_at is not None and ends_at <= starts_at:
            error = _discount_error("endsAt", "Ends at needs to be after starts_at", "INVALID")
        elif wanted["code"].casefold() in shop.discounts:
            error = _discount_error("code", "Code must be unique. Please try a different code.", "TAKEN")
        if error is not None or starts_at is None:
            return {"codeDiscountNode": None, "userErrors": [error]}
        made = DiscountRecord(
            id=shop.new_id(),
            code=wanted["code"],
            title=wanted["title"],
            starts_at=starts_at,
            ends_at=ends_at,
            usage_limit=wanted.get("usageLimit"),
            once_per_customer=bool(wanted.get("appliesOncePerCustomer")),
            customer_ids=known if "customers" in context else None,
        )
        shop.put_discount(made)
        return {"codeDiscountNode": self.reading.discount(made), "userErrors": []}

    def _consent_update(self, _info: Any, input: Json) -> Json:  # noqa: A002 - the schema's own name
        shop = self.reading.shop
        customer = shop.customers.get(number_of(input["customerId"], "Customer") or 0)
        consent = input["whatsAppMarketingConsent"]
        state = ConsentState(consent["state"].lower())
        if customer is None or customer.phone is None:
            error = {"field": ["input", "customerId"], "message": "Customer has no phone number", "code": "INVALID"}
            return {"customerPhoneNumber": None, "userErrors": [error]}
        if state not in _SETTABLE:
            place = ["input", "whatsAppMarketingConsent", "state"]
            error = {"field": place, "message": "State can't be set", "code": "INCLUSION"}
            return {"customerPhoneNumber": None, "userErrors": [error]}
        said_at = moment(consent.get("updatedAt"))
        self.deeds.consent(customer.id, state, self.reading.now, said_at=said_at)
        return {"customerPhoneNumber": phone_number(shop.customers[customer.id]), "userErrors": []}

    def _subscription_create(
        self,
        _info: Any,
        topic: str,
        webhookSubscription: Json,  # noqa: N803 - the schema's own name
    ) -> Json:
        shop = self.reading.shop
        uri = webhookSubscription.get("uri") or ""
        address = urlsplit(uri)
        message: str | None = None
        if not uri:
            message = "Address can't be blank"
        elif address.scheme == "http" and address.hostname not in _LOOPBACK:  # Shopify takes no http at all
            message = "Address protocol http:// is not supported"
        elif any((one.topic, one.uri) == (topic, uri) for one in shop.subscriptions):
            message = "Address for this topic has already been taken"
        if message is not None:
            error = {"field": ["webhookSubscription", "callbackUrl"], "message": message}
            return {"webhookSubscription": None, "userErrors": [error]}
        made = SubscriptionRecord(shop.new_id(), topic, uri)
        shop.subscriptions.append(made)
        return {"webhookSubscription": subscription(made), "userErrors": []}

    def _subscription_delete(self, _info: Any, id: str) -> Json:  # noqa: A002 - the schema's own name
        shop = self.reading.shop
        kept = [one for one in shop.subscriptions if one.id != number_of(id, "WebhookSubscription")]
        if len(kept) == len(shop.subscriptions):
            error = {"field": ["id"], "message": "Webhook subscription does not exist"}
            return {"deletedWebhookSubscriptionId": None, "userErrors": [error]}
        shop.subscriptions[:] = kept
        return {"deletedWebhookSubscriptionId": id, "userErrors": []}


def moment(text: str | None) -> datetime | None:
    """`DateTime` as a client writes it, with an offset."""
    return None if text is None else datetime.fromisoformat(text)


def _discount_error(place: str, message: str, code: str) -> Json:
    return {"field": ["basicCodeDiscount", place], "message": message, "code": code}
