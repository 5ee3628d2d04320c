"""Filling a stage's template from what we know of the customer."""

from collections.abc import Mapping

from activities.coupons import CouponValue
from models.journey import TemplateRef
from models.money import Money
from policies.message_text import clean_parameter, render
from policies.schedule import zone_at
from storage.enrollments import EnrollmentFacts
from storage.sends import Draft

PROGRAM = "template"


def values_for(
    facts: EnrollmentFacts, coupon: CouponValue | None, *, ai_text: str | None = None
) -> dict[str, str | None]:
    """What each placeholder of a journey file stands for, for this customer; None where we do not know."""
    customer, zone = facts.customer, zone_at(facts.definition, facts.where, facts.enrollment.entered_at)
    total: str | None = None
    if customer.last_order_minor is not None and customer.last_order_currency is not None:
        total = str(Money(customer.last_order_minor, customer.last_order_currency))
    return {
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
        "ai.text": ai_text,
    }


def template_draft(template: TemplateRef, values: Mapping[str, str | None], coupon: CouponValue | None) -> Draft:
    """The template with its variables filled.

    Raises:
        VariableMissing: a variable has neither a value nor a default.
    """
    cleaned = {path: clean_parameter(value) if value is not None else None for path, value in values.items()}
    return Draft(
        template_name=template.name,
        template_language=template.language,
        parameters={name: render(text, cleaned) for name, text in template.variables.items()},
        coupon_code=coupon.code if coupon else None,
        written_by=PROGRAM,
    )
