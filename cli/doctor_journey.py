"""What `doctor` says of one journey: templates, coupon, orders, model, and how it is doing."""

from collections.abc import Sequence
from typing import Final

from cli.checks import Check
from cli.connections import shop_access
from cli.documents import Finding
from cli.failures import provider_line
from cli.journey_health import health_findings, state_finding
from cli.readiness import coupon_problem, history_problem, model_warning, template_problems
from cli.run import Run
from composition import Providers
from models.enums import SENDABLE_TEMPLATE_STATUSES, JourneyState, TemplateStatus
from models.journey import FixedCoupon, JourneyDefinition
from models.tables import Journey, Template
from reports.template_advice import advice_for
from storage.engine import Database
from storage.secrets import SecretKeyError
from storage.stores import StoreParts
from storage.templates import templates_of

_SHORT: Final = "templates and coupon are well"


async def journey_findings(
    run: Run,
    database: Database,
    parts: StoreParts,
    providers: Providers,
    journey: Journey,
    definition: JourneyDefinition,
) -> list[Finding]:
    """Every line about the journey but those of Temporal."""
    async with database.read() as session:
        mirror = await templates_of(session, parts.number.waba_id)
    subject = f"{parts.store.slug}: journey {journey.name}"
    found = [
        state_finding(subject, journey),
        *_templates(subject, journey, definition, mirror),
        *await _coupon(run, parts, providers, subject, definition),
    ]
    if (wall := history_problem(definition, parts.shop)) is not None:
        advice = "ask Shopify for read_all_orders in the app's settings, then `store check`"
        found.append(Finding(check=Check.JOURNEY_ORDERS, subject=subject, state="fault", text=wall, advice=advice))
    warning = model_warning(definition, has_model=run.settings.llm_api_key is not None)
    if warning is not None:
        advice = "set REKINDLE_LLM_API_KEY and REKINDLE_LLM_MODEL for the worker"
        found.append(Finding(check=Check.JOURNEY_MODEL, subject=subject, state="warning", text=warning, advice=advice))
    return [*found, *await health_findings(database, parts, journey, definition, now=run.clock())]


def in_short(findings: Sequence[Finding]) -> list[Finding]:
    """What is wrong, or one line that nothing is: for who looks at everything."""
    wrong = [one for one in findings if one.state != "ok"]
    state = findings[0]
    if wrong:
        return wrong
    return [state.model_copy(update={"text": f"{state.text}; {_SHORT}, and nobody in it is overdue"})]


def _templates(
    subject: str, journey: Journey, definition: JourneyDefinition, mirror: Sequence[Template]
) -> list[Finding]:
    """One line for each template that the journey names."""
    known = {(one.name, one.language): one for one in mirror}
    pending = journey.state is JourneyState.PENDING
    problems = template_problems(definition, mirror, may_wait=pending)
    found = []
    for wanted in definition.templates():
        named = f"template {wanted.name} ({wanted.language})"
        template = known.get((wanted.name, wanted.language))
        problem = next((one for one in problems if one.startswith(f"{named} ")), None)
        if problem is not None:
            advice = advice_for(template.status) if template is not None else None
            advice = advice or "create it in WhatsApp Manager, or `publish` with another; then `templates --sync`"
            found.append(_template(subject, "fault", problem, advice))
        elif template is None or template.status not in SENDABLE_TEMPLATE_STATUSES:
            status = template.status.value if template is not None else "unknown"
            found.append(_template(subject, "warning", f"{named} is {status}: the journey waits for it", None))
        elif template.status is TemplateStatus.FLAGGED or template.quality == "RED":
            text = f"{named} is {template.status.value}, quality {template.quality or 'not told'}"
            advice = advice_for(template.status) or "rewrite it before Meta pauses it"
            found.append(_template(subject, "warning", text, advice))
        else:
            quality = f", quality {template.quality}" if template.quality is not None else ""
            found.append(_template(subject, "ok", f"{named} is {template.status.value}{quality}", None))
    return list({one.text: one for one in found}.values())


def _template(subject: str, state: str, text: str, advice: str | None) -> Finding:
    return Finding.model_validate(
        {"check": Check.JOURNEY_TEMPLATES, "subject": subject, "state": state, "text": text, "advice": advice}
    )


async def _coupon(
    run: Run, parts: StoreParts, providers: Providers, subject: str, definition: JourneyDefinition
) -> list[Finding]:
    from providers.errors import ProviderError  # noqa: PLC0415 - slow to load, and not wanted before settings are sound

    coupon = definition.resolved_coupon()
    check = Check.JOURNEY_COUPON
    try:
        problem = await coupon_problem(providers.shopify, shop_access(run, parts), definition)
    except ProviderError as error:
        text = f"the coupon was not looked at: {provider_line(error)}"
        return [
            Finding(check=check, subject=subject, state="fault", text=text, advice="`store check` looks at the shop")
        ]
    except SecretKeyError as error:
        return [Finding(check=check, subject=subject, state="fault", text=str(error))]
    if problem is not None:
        advice = "mend the discount in Shopify, or `publish` with another code"
        return [Finding(check=check, subject=subject, state="fault", text=problem, advice=advice)]
    if isinstance(coupon, FixedCoupon):
        return [Finding(check=check, subject=subject, state="ok", text=f"the coupon {coupon.code} is live")]
    return []
