"""What a journey's definition says, in half sentences: for `validate`, for a list of journeys, for a report."""

from typing import assert_never

from models.audience import MoneyRange
from models.coupon import FixedCoupon, PersonalCoupon
from models.journey import (
    AbandonedCart,
    Audience,
    Cart,
    Conversations,
    Definition,
    FollowUp,
    JourneyDefinition,
    Tracking,
    WinBack,
)
from models.tracking import TrackedConversations


def entry_rules(definition: Definition) -> Audience | Conversations | Cart | TrackedConversations:
    """The part that says who enters."""
    match definition:
        case Tracking():
            return definition.conversations
        case WinBack():
            return definition.audience
        case FollowUp():
            return definition.conversations
        case AbandonedCart():
            return definition.cart
        case _:
            assert_never(definition)


def audience_words(definition: Definition) -> str:
    """Who enters, in half a sentence."""
    match entry_rules(definition):
        case Audience() as audience:
            longest = f" to {audience.inactive_days_max}" if audience.inactive_days_max is not None else " or more"
            worth = "" if audience.last_order_total is None else f", the last {_range(audience.last_order_total)}"
            return f"{audience.inactive_days}{longest} days without an order{worth}"
        case Conversations() as chats:
            where = "every conversation" if chats.column is None else f"conversations in the column {chats.column}"
            closed = "closed ones too" if chats.include_closed else "open ones only"
            return f"{where} ({closed}) after a silence of {definition.entry_delay}"
        case Cart() as cart:
            least = "" if cart.minimum is None else f" worth at least {cart.minimum}"
            return f"checkouts{least} left open for {cart.after}"
        case TrackedConversations():
            return "conversations that show an open sale"
        case other:
            assert_never(other)


def _range(total: MoneyRange) -> str:
    edges = (("at least", total.min), ("at most", total.max))
    return "worth " + " and ".join(f"{word} {edge}" for word, edge in edges if edge is not None)


def coupon_words(definition: JourneyDefinition) -> str | None:
    """What the coupon is worth, in half a sentence; None without one."""
    match definition.resolved_coupon():
        case None:
            return None
        case FixedCoupon(code=code):
            return f"{code}, the same for everybody"
        case PersonalCoupon() as own:
            worth = f"{own.percent}%" if own.percent is not None else f"{own.amount}"
            return f"{worth} off with a code of each customer's own, {own.prefix}..., valid {own.valid_days} days"
