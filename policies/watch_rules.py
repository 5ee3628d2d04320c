"""Who may enter a follow-up or a cart journey: the rules of silences and carts, beside those that every kind asks."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict

from models.enums import LeftOut
from models.journey import AbandonedCart, FollowUp, JourneyDefinition
from models.money import Money
from policies.eligibility import Candidate, RuleResult, frequency, in_other_journey, reachability, rule_result
from policies.watching import covers_column
from policies.windows import service_window_open

_NO_CHAT = "no conversation"
_NO_CART = "no open checkout"


class Silence(BaseModel):
    """What the rules look at in a conversation.

    Attributes:
        entry_key: what an entry for this silence would be known by.
        spoken_at: the newest message of anybody but a journey.
        since: when our side wrote it, or None because the customer did.
        due_at: when the silence is long enough for the journey, in its hours.
        column: the board's column.
        is_open: whether nobody has closed it.
        taken: columns that have a follow-up of their own.
        sent_in_a_row: messages of this journey since the customer last wrote.
        only_since: with `launch --only-new`: silences from before do not count.
    """

    model_config = ConfigDict(frozen=True)

    entry_key: str | None = None
    spoken_at: AwareDatetime | None = None
    since: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    column: str | None = None
    is_open: bool = True
    taken: frozenset[str] = frozenset()
    sent_in_a_row: int = 0
    only_since: AwareDatetime | None = None


class OpenCart(BaseModel):
    """What the rules look at in a checkout.

    Attributes:
        since: the customer's last change of it; None once it is ordered, completed or deleted.
        due_at: when it counts as left behind, in the journey's hours.
        total: what it comes to.
        entered: whether it has led to an entry into this journey before.
        only_since: with `launch --only-new`: carts from before do not count.
    """

    model_config = ConfigDict(frozen=True)

    since: AwareDatetime | None = None
    due_at: AwareDatetime | None = None
    total: Money | None = None
    entered: bool = False
    only_since: AwareDatetime | None = None


def evaluate_follow_up(
    candidate: Candidate, silence: Silence | None, definition: FollowUp, *, now: datetime
) -> list[RuleResult]:
    """Every entry rule of a follow-up, in the order in which the first failure counts; None is no conversation."""
    return [
        *_reachability(candidate, definition, now),
        _column(silence, definition),
        _closed(silence, definition),
        _silence(silence, definition, now),
        _only_new(silence, "silence"),
        *frequency(candidate, definition, now, is_reply=not _template_needed(candidate, definition, now)),
        _times(candidate, silence, definition),
        in_other_journey(candidate, definition),
    ]


def evaluate_cart(
    candidate: Candidate, cart: OpenCart | None, definition: AbandonedCart, *, now: datetime, currency: str
) -> list[RuleResult]:
    """Every entry rule of a cart journey, in the order in which the first failure counts; None is no checkout.

    The cart's minimum is meant in the store's `currency`; a cart in another one is left out where there is a minimum.
    """
    return [
        *_reachability(candidate, definition, now),
        _cart(cart, definition, now),
        _cart_total(cart, definition, currency),
        _only_new(cart, "cart"),
        *frequency(candidate, definition, now),
        _entered(cart),
        in_other_journey(candidate, definition),
    ]


def _reachability(candidate: Candidate, definition: FollowUp | AbandonedCart, now: datetime) -> Iterator[RuleResult]:
    match definition:
        case FollowUp():
            consent = definition.conversations.consent
        case AbandonedCart():
            consent = definition.cart.consent
    needed = _template_needed(candidate, definition, now)
    return reachability(candidate, consent, template_needed=needed, by_user_id=True)


def _template_needed(candidate: Candidate, definition: FollowUp | AbandonedCart, now: datetime) -> bool:
    """Whether nothing but a template could go: the window is closed, or no message has words of its own."""
    has_text = any(stage.message.text is not None or stage.message.ai is not None for stage in definition.stages)
    return not (has_text and service_window_open(candidate.last_inbound_at, now))


def _column(silence: Silence | None, definition: FollowUp) -> RuleResult:
    own = definition.conversations.column
    if silence is None:
        seen = _NO_CHAT
    else:
        seen = "in no column" if silence.column is None else f"in column {silence.column}"
        if own is None and silence.column in silence.taken:
            seen += ", which has a follow-up of its own"
    return rule_result(
        LeftOut.FILTER_COLUMN,
        passed=silence is not None and covers_column(definition, silence.column, silence.taken),
        seen=seen,
        threshold="any column without a follow-up of its own" if own is None else f"column {own}",
    )


def _closed(silence: Silence | None, definition: FollowUp) -> RuleResult:
    include = definition.conversations.include_closed
    return rule_result(
        LeftOut.FILTER_CLOSED,
        passed=silence is not None and (silence.is_open or include),
        seen=_NO_CHAT if silence is None else "open" if silence.is_open else "closed",
        threshold="open or closed" if include else "open",
    )


def _silence(silence: Silence | None, definition: FollowUp, now: datetime) -> RuleResult:
    if silence is None:
        seen = _NO_CHAT
    elif silence.since is None:
        seen = "nobody has written" if silence.spoken_at is None else "the customer wrote last"
    else:
        seen = f"we wrote last, {_length(now - silence.since)} ago"
    return rule_result(
        LeftOut.FILTER_SILENCE,
        passed=silence is not None and silence.due_at is not None and silence.due_at <= now,
        seen=seen,
        threshold=f"silent for {definition.entry_delay} since we wrote, and {_hours(definition)}",
        since=silence.since if silence is not None else None,
        passes_at=silence.due_at if silence is not None else None,
    )


def _cart(cart: OpenCart | None, definition: AbandonedCart, now: datetime) -> RuleResult:
    idle = now - cart.since if cart is not None and cart.since is not None else None
    return rule_result(
        LeftOut.FILTER_CART,
        passed=cart is not None and cart.due_at is not None and cart.due_at <= now,
        seen=_NO_CART if idle is None else f"a checkout left open for {_length(idle)}",
        threshold=f"a checkout left open for {definition.entry_delay}, and {_hours(definition)}",
        since=cart.since if cart is not None else None,
        passes_at=cart.due_at if cart is not None else None,
    )


def _cart_total(cart: OpenCart | None, definition: AbandonedCart, currency: str) -> RuleResult:
    minimum, total = definition.cart.minimum, cart.total if cart is not None else None
    return rule_result(
        LeftOut.FILTER_CART_TOTAL,
        passed=minimum is None or (total is not None and total.currency == currency and total.amount >= minimum),
        seen=_NO_CART if total is None else str(total),
        threshold="any amount" if minimum is None else f"at least {minimum} {currency}",
    )


def _only_new(what: Silence | OpenCart | None, word: str) -> RuleResult:
    only_since = what.only_since if what is not None else None
    since = what.since if what is not None else None
    return rule_result(
        LeftOut.FILTER_ONLY_NEW,
        passed=only_since is None or (since is not None and since >= only_since),
        seen=f"no {word}" if since is None else f"{word} since {since:%Y-%m-%d %H:%M} UTC",
        threshold="rule is off" if only_since is None else f"a {word} since {only_since:%Y-%m-%d %H:%M} UTC",
    )


def _times(candidate: Candidate, silence: Silence | None, definition: FollowUp) -> RuleResult:
    sent = silence.sent_in_a_row if silence is not None else 0
    again = silence is not None and silence.entry_key is not None and silence.entry_key == candidate.last_entry_key
    return rule_result(
        LeftOut.RE_ENTRY,
        passed=sent < definition.message_count and not again,
        seen=f"{sent} messages of this journey in a row" + (", entered for the same silence" if again else ""),
        threshold=f"fewer than {definition.message_count} since the customer wrote, and one entry a silence",
    )


def _entered(cart: OpenCart | None) -> RuleResult:
    entered = cart is not None and cart.entered
    return rule_result(
        LeftOut.RE_ENTRY,
        passed=not entered,
        seen="entered for the same cart before" if entered else "no entry for this cart",
        threshold="one entry a cart",
    )


def _hours(definition: JourneyDefinition) -> str:
    return f"within the hours {definition.sending.hours}"


def _length(span: timedelta) -> str:
    """A length of time in its two largest units."""
    minutes = max(int(span.total_seconds() // 60), 0)
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"
