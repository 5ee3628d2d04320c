"""What the language model is told for one message, and what its text is then held to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.drafts import items_of, values_for
from models.coupon import PersonalCoupon
from models.enums import JourneyKind, MessageAuthor
from models.journey import AiInstruction, JourneyDefinition, TemplateRef, Tracking
from models.message import LONGEST_TEXT
from models.money import Money
from models.placeholders import AI_TEXT
from models.tables import Checkout
from policies.deal_context import bounded, context_values
from policies.message_text import TextProblem, TextProblemKind, check_text, clean_parameter, codes_in, links_in
from policies.offers import Offer, OfferKind, figure_of, offers_beyond, offers_stated
from policies.schedule import zone_at
from providers.llm.prompts import MOST_DEAL_CHARACTERS, LeftCart, WritingBrief
from providers.llm.turns import MOST_TURNS, Turn
from storage.enrollments import EnrollmentFacts
from storage.model_calls import conversation_tail
from storage.sends import earlier_texts
from storage.subjects import Subject

_MOST_CHARACTERS = 500
"""Longest generated text: it must fit into a template's variable with the template's own words around it."""

SENDERS: Final[dict[MessageAuthor, Literal["customer", "agent", "bot", "automatic"]]] = {
    MessageAuthor.CUSTOMER: "customer",
    MessageAuthor.AGENT: "agent",
    MessageAuthor.BOT: "bot",
    MessageAuthor.JOURNEY: "automatic",
}
"""Whom the model takes each message to be from."""


@dataclass(frozen=True, slots=True)
class TextRules:
    """What a text must keep to that is written after a brief.

    Attributes:
        trusted: what the merchant's side said or wrote down; links and code-like words in it may be said again.
        as_variable: it will stand in a template's variable.
        offers: what the merchant's side has offered, beside the coupon.
        coupon_offers: what the journey's coupon is worth, for a text that may name its code.
    """

    trusted: str
    as_variable: bool
    offers: frozenset[Offer] = frozenset()
    coupon_offers: frozenset[Offer] = frozenset()

    def problems(self, text: str, brief: WritingBrief) -> list[TextProblem]:
        """Everything that is wrong with the text; nothing if it may go."""
        code = frozenset({brief.coupon_code}) if brief.coupon_code else frozenset[str]()
        return check_text(
            text,
            limit=brief.max_chars,
            allowed_codes=code | codes_in(self.trusted),
            allowed_links=frozenset(brief.links) | links_in(self.trusted),
            language=brief.language,
            earlier=[*brief.earlier_messages, *(turn.text for turn in brief.conversation if turn.sender != "customer")],
            as_variable=self.as_variable,
        )

    def inventions(self, text: str, brief: WritingBrief) -> list[TextProblem]:
        """What a model's text gives away that the shop did not offer; people may offer what they like."""
        allowed = self.offers | self.coupon_offers if brief.coupon_code else self.offers
        return [TextProblem(TextProblemKind.INVENTED_OFFER, detail) for detail in offers_beyond(text, allowed)]


async def writing_brief(
    session: AsyncSession, facts: EnrollmentFacts, subject: Subject, stage: int, *, now: datetime
) -> tuple[WritingBrief, TextRules]:
    """The brief of a stage that a model writes, without its coupon, and what the text is held to.

    What staff write in its place is held to the same; a stage whose text is the same for everybody has no instruction,
    but it has rules too.
    """
    message = facts.definition.stages[stage].message
    instruction, template = message.ai or AiInstruction(), message.template
    if isinstance(facts.definition, Tracking):
        instruction = instruction.model_copy(update={"extra": facts.definition.instructions})
    customer, conversation, checkout = facts.customer, subject.conversation, subject.checkout
    customer_id = facts.enrollment.customer_id
    zone = zone_at(facts.definition, facts.where, facts.enrollment.entered_at)
    tail = await conversation_tail(session, customer_id, limit=MOST_TURNS)
    deal = bounded(conversation.context, MOST_DEAL_CHARACTERS) if conversation is not None else {}
    cart = left_cart(checkout) if checkout is not None else None
    brief = WritingBrief(
        # Of a review's text no model is asked: what staff write instead is held to what a follow-up's is.
        kind=facts.journey.kind if subject.analysis is None else JourneyKind.FOLLOW_UP,
        mode=instruction.mode,
        goal=instruction.goal,
        extra=instruction.extra,
        language=_language(template, subject),
        customer_language=customer.language or next(iter(facts.store.languages), None),
        store_name=facts.store.slug,
        max_chars=_MOST_CHARACTERS if message.ai is not None else LONGEST_TEXT,
        number=stage + 1,
        of=facts.definition.message_count,
        first_name=clean_parameter(customer.first_name) if customer.first_name else None,
        last_order_date=customer.last_order_at.astimezone(zone).date() if customer.last_order_at else None,
        last_order_total=values_for(facts, subject, None)["customer.last_order_total"],
        links=sorted(links_in(_lines([instruction.goal, instruction.extra, message.text]))),
        cart=cart,
        silence=_silence(subject, now),
        deal=deal,
        earlier_messages=list(reversed(await earlier_texts(session, customer_id))),
        conversation=[Turn(SENDERS[line.author], line.text, now - line.at) for line in tail if line.text],
    )
    wishes = _lines([instruction.goal, instruction.extra, message.text])
    said = [
        *context_values(deal).values(),
        *((cart.items, cart.url, cart.total) if cart is not None else ()),
        *(turn.text for turn in brief.conversation if turn.sender in {"agent", "bot"}),
    ]
    ours = [one for one in said if one]
    rules = TextRules(
        _lines([wishes, *ours]),
        as_variable=template is not None and template.uses(AI_TEXT),
        offers=offers_stated(wishes, ours),
        coupon_offers=_worth(facts.definition),
    )
    return brief, rules


def _worth(definition: JourneyDefinition) -> frozenset[Offer]:
    """What may be said of the journey's coupon; of a code that the shop made itself only that it is one."""
    coupon = definition.resolved_coupon()
    if coupon is None:
        return frozenset()
    worth = {Offer(OfferKind.DISCOUNT)}
    if isinstance(coupon, PersonalCoupon):
        if coupon.percent is not None:
            worth.add(Offer(OfferKind.PERCENT, str(coupon.percent)))
        worth |= {Offer(OfferKind.AMOUNT, figure_of(one)) for one in (coupon.amount, coupon.minimum) if one is not None}
    return frozenset(worth)


def _language(template: TemplateRef | None, subject: Subject) -> str | None:
    """The template's around the text; what answers a conversation speaks the customer's language."""
    if subject.analysis is not None:
        return subject.analysis.language
    return template.language if template is not None else None


def left_cart(checkout: Checkout) -> LeftCart:
    """The cart as the model hears of it."""
    return LeftCart(items_of(checkout), str(Money(checkout.total_minor, checkout.currency)), checkout.url)


def _silence(subject: Subject, now: datetime) -> timedelta | None:
    since = None
    if subject.conversation is not None:
        since = subject.conversation.silent_since
    elif subject.checkout is not None:
        since = subject.checkout.idle_since
    return now - since if since is not None else None


def _lines(texts: Iterable[str | None]) -> str:
    return "\n".join(text for text in texts if text)
