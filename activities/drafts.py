"""Filling a stage's template from what we know of the customer, the conversation and the cart."""

from collections.abc import Mapping

from activities.coupons import CouponValue
from models.journey import TemplateRef
from models.money import Money
from models.placeholders import AI_TEXT, CHECKOUT_ITEMS, CHECKOUT_TOTAL, CHECKOUT_URL
from models.tables import Checkout
from policies.deal_context import context_values
from policies.message_text import clean_parameter, render
from policies.schedule import zone_at
from storage.enrollments import EnrollmentFacts
from storage.sends import Draft
from storage.subjects import Subject

PROGRAM = "template"


def values_for(
    facts: EnrollmentFacts, subject: Subject, coupon: CouponValue | None, *, ai_text: str | None = None
) -> dict[str, str | None]:
    """What each placeholder of a journey file stands for, for this customer; None where we do not know."""
    customer, zone = facts.customer, zone_at(facts.definition, facts.where, facts.enrollment.entered_at)
    total: str | None = None
    if customer.last_order_minor is not None and customer.last_order_currency is not None:
        total = str(Money(customer.last_order_minor, customer.last_order_currency))
    return {
        **_of_subject(subject),
        "customer.first_name": customer.first_name,
        "customer.last_order_total": total,
        "customer.last_order_date": (
            customer.last_order_at.astimezone(zone).date().isoformat() if customer.last_order_at else None
        ),
        "store.name": facts.store.slug,
        "coupon.code": coupon.code if coupon else None,
        "coupon.expires_on": (
            coupon.valid_until.astimezone(zone).date().isoformat() if coupon and coupon.valid_until else None
        ),
        AI_TEXT: ai_text,
    }


def _of_subject(subject: Subject) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    if subject.conversation is not None:
        values.update(context_values(subject.conversation.context))
    if (checkout := subject.checkout) is not None:
        values[CHECKOUT_URL] = checkout.url
        values[CHECKOUT_ITEMS] = items_of(checkout)
        values[CHECKOUT_TOTAL] = str(Money(checkout.total_minor, checkout.currency))
    return values


def items_of(checkout: Checkout) -> str | None:
    """What is in the cart as a sentence has it: `2 x Blue scarf, Mug`."""
    titles = [(str(item.get("title") or "").strip(), item.get("quantity")) for item in checkout.items]
    named = [f"{number} x {title}" if number not in (None, 1) else title for title, number in titles if title]
    return ", ".join(named) or None


def template_draft(template: TemplateRef | None, values: Mapping[str, str | None], coupon: CouponValue | None) -> Draft:
    """The template with its variables filled; a draft that says nothing yet where there is no template.

    Raises:
        VariableMissing: a variable has neither a value nor a default.
    """
    code = coupon.code if coupon else None
    if template is None:
        return Draft(coupon_code=code, written_by=PROGRAM)
    cleaned = {path: clean_parameter(value) if value is not None else None for path, value in values.items()}
    return Draft(
        template_name=template.name,
        template_language=template.language,
        parameters={name: render(text, cleaned) for name, text in template.variables.items()},
        coupon_code=code,
        written_by=PROGRAM,
    )
