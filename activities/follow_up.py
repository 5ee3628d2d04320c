"""Following a finding up: has the customer bought meanwhile, in the shop or by what the store's CRM knows; then entry.

Without an answer nobody is written to: the finding is left out as not verified, and the run's report says so.
"""

from datetime import datetime
from typing import Final

from temporalio import activity

from activities.errors import is_closed_door, to_application_error
from activities.heartbeats import with_signs_of_life
from activities.purchases import crm_knows_purchase, orders_by_phone_too
from activities.services import Services, started_at
from models.orchestration import ReviewAnswer, ReviewRef
from models.tables import Customer
from policies.holdout import in_control
from policies.tracking import bought_since
from providers.errors import ProviderError
from storage.analyses import Settled, write_off
from storage.findings import Checked, Finding, act_on, open_finding
from storage.shop_connection import shop_is_gone
from storage.stores import StoreParts, holdout_salt, required_id, store_parts, suppression_key

_PATIENCE: Final = 8
"""Tries for a shop or a CRM that gives no answer, about four minutes."""


class FollowUpActivities:
    """What is asked of the shop about a finding; it runs on the shop's own task queue.

    Args:
        services: database, cipher, shop and CRM are used.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    @activity.defn
    @with_signs_of_life
    async def follow_up(self, ask: ReviewRef) -> ReviewAnswer:
        """Verify that the customer has not bought, and let them enter, or tell of them where the journey only tells."""
        now, services = started_at(), self._services
        async with services.database.write() as session:
            finding = await open_finding(session, ask.review_id, now=now)
            if isinstance(finding, Settled):
                return _answer(finding)
            parts = await store_parts(session, required_id(finding.scope.store.id))
        try:
            checked = await self._check(finding, parts)
        except ProviderError as error:
            return await self._not_verified(ask.review_id, parts, error, now=now)
        salt = holdout_salt(parts.store, services.cipher)

        def is_control(customer: Customer) -> bool:
            """The holdout's draw, by the shop's own customer id so that it survives a re-import."""
            return in_control(
                salt=salt,
                journey=finding.scope.journey.name,
                customer=customer.external_id or f"#{customer.id}",
                control_percent=finding.scope.definition.control_percent,
            )

        key = suppression_key(parts.store, services.cipher)
        async with services.database.write() as session:
            return _answer(await act_on(session, finding, checked, suppression_key=key, is_control=is_control, now=now))

    async def _check(self, finding: Finding, parts: StoreParts) -> Checked:
        """What the customer bought from the review's window on: in the shop, then by the store's own CRM if it has one.

        Raises:
            ProviderError: somebody who has to be asked gives no answer.
        """
        customer, definition = finding.customer, finding.scope.definition
        since = bought_since(finding.analysis.wrote_at, definition.window_hours)
        orders = await orders_by_phone_too(self._services, parts.shop, customer, since=since)
        bought = await crm_knows_purchase(self._services, parts.store, customer, since=since)
        return Checked(orders=orders, bought_elsewhere=bought)

    async def _not_verified(
        self, review_id: int, parts: StoreParts, error: ProviderError, *, now: datetime
    ) -> ReviewAnswer:
        """What an error means: another try, or nobody is written to.

        A shop that refuses us altogether pauses its journeys, and with that the run; the finding waits for the next.

        Raises:
            ApplicationError: Temporal should try again.
        """
        if error.service == "shopify" and is_closed_door(error):
            async with self._services.database.write() as session:
                await shop_is_gone(session, required_id(parts.shop.id), now=now)
            async with self._services.database.write() as session:
                finding = await open_finding(session, review_id, now=now)
            if isinstance(finding, Settled):
                return _answer(finding)
        again = to_application_error(error)
        if not again.non_retryable and activity.info().attempt < _PATIENCE:
            raise again from None
        why = f"{error.service} gave no answer ({error.name})"
        async with self._services.database.write() as session:
            outcome = await write_off(session, review_id, why, final=False, now=now)
        return ReviewAnswer(outcome=outcome)


def _answer(settled: Settled) -> ReviewAnswer:
    return ReviewAnswer(outcome=settled.outcome, stop=settled.stop)
