"""What happens at a shop: somebody orders, leaves a cart behind, gets money back, merges with another, is erased.

Each deed changes the shop as it says and returns the webhooks that follow from it, in Shopify's order; they are put
into the outbox as well, for those who asked the shop for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from models.enums import ConsentState
from sandbox.shopify import customer_bodies
from sandbox.shopify.checkout_bodies import checkout_body, deleted_checkout_body
from sandbox.shopify.customer_bodies import CONSENT_TOPICS, Channel
from sandbox.shopify.outbox import Outbox
from sandbox.shopify.reading import Json
from sandbox.shopify.records import CheckoutLine, CheckoutRecord, RefundRecord
from sandbox.shopify.state import CustomerRecord, OrderRecord, ShopState
from sandbox.shopify.webhooks import Webhook, order_body, refund_body, webhook

Webhooks = tuple[Webhook, ...]


class ImpossibleDeedError(ValueError):
    """The shop is not in a state in which this can happen; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Deeds:
    """What can happen at one shop.

    Every method takes the moment at which it happens (`at`), which is not after the shop's own now, and raises
    `ImpossibleDeedError` for an order, checkout or customer that is not there.
    """

    shop: ShopState
    outbox: Outbox

    def place_order(self, order: OrderRecord, at: datetime) -> Webhooks:
        """An order, already made or new, becomes known: `orders/create`, and `orders/paid` if it is paid."""
        self.shop.put_order(order)
        topics = ["orders/create", *(["orders/paid"] if order.financial_status == "PAID" else [])]
        return self._tell(at, *((topic, order_body(self.shop, order, at)) for topic in topics))

    def cancel_order(self, order_id: int, at: datetime) -> Webhooks:
        """An order is cancelled: `orders/cancelled` and `orders/updated`."""
        order = replace(self._order(order_id), cancelled_at=at)
        self.shop.put_order(order)
        body = order_body(self.shop, order, at)
        return self._tell(at, ("orders/cancelled", body), ("orders/updated", body))

    def refund(self, order_id: int, at: datetime, amount: Decimal | None = None) -> Webhooks:
        """Money is given back, all that is left of it unless told: `refunds/create` and `orders/updated`."""
        order = self._order(order_id)
        left = order.total - order.refunded(at)
        given = left if amount is None else amount
        if not 0 < given <= left:
            raise ImpossibleDeedError("so much cannot be refunded")
        refund = RefundRecord(self.shop.new_id(), at, given)
        self.shop.new_id()  # the id of the refund's transaction is the next one
        order = replace(order, refunds=(*order.refunds, refund))
        self.shop.put_order(order)
        return self._tell(
            at, ("refunds/create", refund_body(order, refund)), ("orders/updated", order_body(self.shop, order, at))
        )

    def open_checkout(
        self,
        lines: Sequence[CheckoutLine],
        at: datetime,
        *,
        customer_id: int | None = None,
        phone: str | None = None,
        sms_phone: str | None = None,
        locale: str | None = None,
    ) -> Webhooks:
        """Somebody starts a checkout: `checkouts/create`. Its record is the last of `ShopState.checkouts`."""
        if customer_id is not None:
            self._customer(customer_id)
        number = self.shop.new_id()
        checkout = CheckoutRecord(
            id=number,
            token=f"checkout{number}",
            cart_token=f"cart{number}",
            customer_id=customer_id,
            created_at=at,
            updated_at=at,
            currency=self.shop.currency,
            lines=tuple(lines),
            phone=phone,
            sms_phone=sms_phone,
            locale=locale,
        )
        self.shop.checkouts[checkout.token] = checkout
        return self._tell(at, ("checkouts/create", checkout_body(self.shop, checkout)))

    def update_checkout(
        self,
        token: str,
        at: datetime,
        *,
        lines: Sequence[CheckoutLine] | None = None,
        customer_id: int | None = None,
        phone: str | None = None,
        sms_phone: str | None = None,
    ) -> Webhooks:
        """The buyer goes on with a checkout, changing what is given: `checkouts/update`."""
        former = self._checkout(token)
        if customer_id is not None:
            self._customer(customer_id)
        checkout = replace(
            former,
            updated_at=at,
            lines=former.lines if lines is None else tuple(lines),
            customer_id=customer_id or former.customer_id,
            phone=phone or former.phone,
            sms_phone=sms_phone or former.sms_phone,
        )
        self.shop.checkouts[token] = checkout
        return self._tell(at, ("checkouts/update", checkout_body(self.shop, checkout)))

    def complete_checkout(self, token: str, at: datetime) -> Webhooks:
        """A checkout becomes a paid order: `checkouts/update`, `orders/create`, `orders/paid`."""
        checkout = replace(self._checkout(token), updated_at=at, completed_at=at)
        self.shop.checkouts[token] = checkout
        completed = self._tell(at, ("checkouts/update", checkout_body(self.shop, checkout)))
        order = OrderRecord(
            id=self.shop.new_id(),
            customer_id=checkout.customer_id,
            created_at=at,
            total=checkout.total,
            currency=checkout.currency,
            phone=checkout.phone,
            checkout_token=checkout.token,
            cart_token=checkout.cart_token,
        )
        return (*completed, *self.place_order(order, at))

    def delete_checkout(self, token: str, at: datetime) -> Webhooks:
        """A checkout is thrown away: `checkouts/delete`."""
        checkout = self._checkout(token)
        del self.shop.checkouts[token]
        return self._tell(at, ("checkouts/delete", deleted_checkout_body(checkout)))

    def change_customer(self, customer: CustomerRecord, at: datetime) -> Webhooks:
        """A customer is made or changed: `customers/create` or `customers/update`."""
        topic = "customers/update" if customer.id in self.shop.customers else "customers/create"
        self.shop.put_customer(customer)
        return self._tell(at, (topic, customer_bodies.customer_body(customer, at)))

    def delete_customer(self, customer_id: int, at: datetime) -> Webhooks:
        """The merchant deletes a customer: `customers/delete`."""
        self._customer(customer_id)
        self.shop.drop_customer(customer_id)
        return self._tell(at, ("customers/delete", customer_bodies.deleted_customer_body(customer_id)))

    def merge_customers(self, kept_id: int, deleted_id: int, at: datetime, *, fails: bool = False) -> Webhooks:
        """Two customers become one, who has both their orders, or fail to: `customers/merge`."""
        kept, deleted = self._customer(kept_id), self._customer(deleted_id)
        if kept_id == deleted_id:
            raise ImpossibleDeedError("a customer cannot be merged with themselves")
        if not fails:
            for order in list(self.shop.histories[deleted_id].orders):
                self.shop.put_order(replace(order, customer_id=kept_id, changed_at=at))
            self.shop.drop_customer(deleted_id)
            if kept.phone is None:
                consent, since = deleted.consent, deleted.consent_updated_at
                kept = replace(kept, phone=deleted.phone, consent=consent, consent_updated_at=since)
                self.shop.put_customer(kept)
        status = "failed" if fails else "completed"
        return self._tell(at, ("customers/merge", customer_bodies.merge_body(kept_id, deleted_id, status)))

    def consent(
        self,
        customer_id: int,
        state: ConsentState,
        at: datetime,
        *,
        channel: Channel = "whatsapp",
        said_at: datetime | None = None,
    ) -> Webhooks:
        """A customer agrees or no longer does: the consent topic of the channel. Only WhatsApp's is kept.

        Args:
            customer_id: whose word it is.
            state: what they agree to.
            at: when the shop learns of it.
            channel: what for.
            said_at: when they said so, if that was earlier.
        """
        customer = self._customer(customer_id)
        said_at = said_at or at
        if channel == "whatsapp":
            self.shop.set_consent(customer_id, state, said_at)
        body = customer_bodies.consent_body(customer, channel, state, said_at)
        return self._tell(at, (CONSENT_TOPICS[channel], body))

    def request_data(self, customer_id: int, at: datetime) -> Webhooks:
        """A customer wants to know what the app stores: `customers/data_request`."""
        customer, orders = self._customer(customer_id), self._orders_of(customer_id, at)
        body = customer_bodies.data_request_body(self.shop, customer, orders, self.shop.new_id())
        return self._tell(at, ("customers/data_request", body))

    def redact_customer(self, customer_id: int, at: datetime) -> Webhooks:
        """A customer must be erased, and is here: `customers/redact`."""
        customer = self._customer(customer_id)
        body = customer_bodies.redact_body(self.shop, customer, self._orders_of(customer_id, at))
        self.shop.put_customer(CustomerRecord(customer_id, locale=customer.locale, consent=ConsentState.REDACTED))
        return self._tell(at, ("customers/redact", body))

    def uninstall(self, at: datetime) -> Webhooks:
        """The merchant removes the app: `app/uninstalled`; its token and its subscriptions are void from now on."""
        told = self._tell(at, ("app/uninstalled", customer_bodies.uninstalled_body(self.shop)))
        self.shop.installed = False
        self.shop.subscriptions.clear()
        return told

    def install(self) -> None:
        """The merchant takes the app back; it has to subscribe again."""
        self.shop.installed = True

    def redact_shop(self, at: datetime) -> Webhooks:
        """Everything about the shop must be erased: `shop/redact`, 48 hours after the app was removed."""
        return self._tell(at, ("shop/redact", customer_bodies.shop_redact_body(self.shop)))

    def _tell(self, at: datetime, *told: tuple[str, Json]) -> Webhooks:
        webhooks = tuple(webhook(self.shop, topic, body, at) for topic, body in told)
        for one in webhooks:
            self.outbox.put(self.shop, one, at)
        return webhooks

    def _orders_of(self, customer_id: int, at: datetime) -> list[int]:
        return [one.id for one in self.shop.histories[customer_id].orders if one.created_at <= at]

    def _order(self, order_id: int) -> OrderRecord:
        if order_id not in self.shop.orders:
            raise ImpossibleDeedError("there is no such order")
        return self.shop.orders[order_id]

    def _checkout(self, token: str) -> CheckoutRecord:
        checkout = self.shop.checkouts.get(token)
        if checkout is None or checkout.completed_at is not None:
            raise ImpossibleDeedError("there is no such open checkout")
        return checkout

    def _customer(self, customer_id: int) -> CustomerRecord:
        if customer_id not in self.shop.customers:
            raise ImpossibleDeedError("there is no such customer")
        return self.shop.customers[customer_id]
