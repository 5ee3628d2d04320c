"""What `validate` advises: nothing of it is wrong, but its author may not have meant it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from cli.tracking_words import tracking_advice
from models.journey import AbandonedCart, FollowUp, JourneyDefinition, Span, Tracking, Unit

_PUSHY: Final = timedelta(minutes=30)
"""A follow-up sooner than this reads as impatience (Platica's help names 30 minutes to 2 hours for hot sales)."""


def advice(definition: JourneyDefinition) -> list[str]:
    """Each piece of advice in a sentence, with the field that it is about."""
    match definition:
        case FollowUp():
            return list(_follow_up(definition))
        case AbandonedCart():
            return list(_cart(definition))
        case Tracking():
            return list(tracking_advice(definition))
        case _:
            return []


def _follow_up(definition: FollowUp) -> Iterator[str]:
    soonest = min((stage.after for stage in definition.stages), key=_at_least)
    if _at_least(soonest) < _PUSHY:
        yield f"a follow-up after {soonest} is pushy; 30 minutes to 2 hours suit hot sales"
    if definition.message_count > 1:
        yield f"a silent customer gets up to {definition.message_count} follow-ups; start with 1 and see how it goes"
    conversations = definition.conversations
    if conversations.column is None:
        yield "conversations.column is left out, so every conversation of the store is followed up"
    if conversations.include_closed:
        yield "conversations.include_closed is true, so customers are written to after their conversation was closed"


def _cart(definition: AbandonedCart) -> Iterator[str]:
    bare = [str(number) for number, stage in enumerate(definition.stages) if stage.message.template is None]
    if bare:
        named = ", ".join(f"stages[{number}]" for number in bare)
        yield (
            f"{named} has no template: most customers with a cart have not written in the last 24 hours, "
            "and without a template they are passed over"
        )


def _at_least(span: Span) -> timedelta:
    """The shortest time that the span can be: a day that a clock change shortens, a February."""
    match span.unit:
        case Unit.MINUTES:
            return timedelta(minutes=span.amount)
        case Unit.HOURS:
            return timedelta(hours=span.amount)
        case Unit.DAYS:
            return timedelta(hours=23 * span.amount)
        case Unit.MONTHS:
            return timedelta(days=28 * span.amount)
