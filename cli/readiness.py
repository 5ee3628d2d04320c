"""What stands between a journey and its launch: templates, coupon, the shop's order history, the model.

`launch` refuses for these, `validate` warns of them, `doctor` looks at them again for journeys that run.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from models.enums import SENDABLE_TEMPLATE_STATUSES
from models.journey import FixedCoupon, JourneyDefinition, Tracking, WinBack
from models.tables import Shop, Store, Template
from policies.template_readiness import Needed, Readiness, not_ready

if TYPE_CHECKING:
    from providers.shopify.client import ShopifyClient
    from providers.shopify.records import ShopAccess

ORDER_WALL_DAYS: Final = 60
"""Shopify shows an app without `read_all_orders` the last 60 days of orders only."""

_WALL: Final = (
    "Shopify shows this app only the last 60 days of orders (the access scope read_all_orders is missing), so nobody "
    "who has been quiet for longer can be told from somebody who never ordered; ask Shopify for the scope in the "
    "app's settings"
)


def template_waits(definition: JourneyDefinition, mirror: Sequence[Template]) -> list[Needed]:
    """The journey's templates that cannot be sent yet and may be one day: a launch waits for them."""
    statuses = {(one.name, one.language): one.status for one in mirror}
    return [one for one in not_ready(definition.templates(), statuses) if one.readiness is Readiness.WAITS]


def template_problems(
    definition: JourneyDefinition, mirror: Sequence[Template], *, may_wait: bool = False
) -> list[str]:
    """Why templates of the journey cannot be sent, as the mirror has them.

    With `may_wait` one that may be approved yet is no problem.
    """
    waits = {(one.name, one.language) for one in template_waits(definition, mirror)} if may_wait else set()
    known = {(one.name, one.language): one for one in mirror}
    problems = []
    for wanted in definition.templates():
        found = known.get((wanted.name, wanted.language))
        named = f"template {wanted.name} ({wanted.language})"
        if found is None:
            others = sorted(language for name, language in known if name == wanted.name)
            there = f"; it exists in {', '.join(others)}" if others else ""
            problems.append(f"{named} does not exist at WhatsApp{there}")
        elif found.status not in SENDABLE_TEMPLATE_STATUSES and (wanted.name, wanted.language) not in waits:
            problems.append(f"{named} is not approved: its status is {found.status.value}")
        elif set(found.variables) != set(wanted.variables):
            has, fills = _listed(found.variables), _listed(wanted.variables)
            problems.append(f"{named} has the variables {has}, and the journey fills {fills}")
    return problems


def history_problem(definition: JourneyDefinition, shop: Shop) -> str | None:
    """Why the shop's orders do not reach back far enough for the journey's silence."""
    if not isinstance(definition, WinBack):  # the others do not look at old orders
        return None
    if shop.sees_all_orders is False and definition.audience.inactive_days > ORDER_WALL_DAYS:
        return f"inactive_days is {definition.audience.inactive_days}: {_WALL}"
    return None


def wall_in_words() -> str:
    """The order wall for somebody who has not met it."""
    return _WALL


async def coupon_problem(shopify: "ShopifyClient", access: "ShopAccess", definition: JourneyDefinition) -> str | None:
    """Why the journey's fixed coupon cannot be used; personal ones are made when they are needed.

    Raises:
        ProviderError: the shop cannot be asked.
    """
    coupon = definition.resolved_coupon()
    if not isinstance(coupon, FixedCoupon):
        return None
    found = await shopify.discount_status(access, coupon.code)
    if found is None:
        return f"the coupon {coupon.code} does not exist in the shop; create the discount in Shopify first"
    if found.status != "active":
        return f"the coupon {coupon.code} is not live: Shopify says it is {found.status}"
    if found.usage_limit is not None and found.uses >= found.usage_limit:
        return f"the coupon {coupon.code} is used up: {found.uses} of {found.usage_limit} uses"
    if found.customer_ids is not None:
        return f"the coupon {coupon.code} is for named customers only; others could not use it"
    return None


def model_warning(definition: JourneyDefinition, *, has_model: bool) -> str | None:
    """What happens to messages that a model should write when there is none."""
    if not has_model and isinstance(definition, Tracking):
        return (
            "this terminal knows of no language model (REKINDLE_LLM_API_KEY); where the worker knows of none either, "
            "no conversation can be reviewed and every run stops at once"
        )
    if not has_model and any(stage.message.ai is not None for stage in definition.stages):
        return (
            "this terminal knows of no language model (REKINDLE_LLM_API_KEY); where the worker knows of none either, "
            "`ai` messages go as their fallback, and those without one are skipped"
        )
    return None


def _listed(names: Sequence[str] | dict[str, str]) -> str:
    return ", ".join(sorted(names)) or "none"


def credit_warning(store: Store, definition: JourneyDefinition, entrants: int) -> str | None:
    """That the store's credits do not reach for so many entrants, if they do not."""
    if store.credits is None:
        return None
    messages = entrants * len(definition.stages)
    written = entrants * sum(stage.message.ai is not None for stage in definition.stages)
    wanted = messages * store.message_credits + written * store.generation_credits
    if wanted <= store.credits:
        return None
    return (
        f"the store has {store.credits} credits, and up to {wanted} are needed for {messages} messages; when they run "
        "out, messages wait (`credits add` pays in)"
    )
