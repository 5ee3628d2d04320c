"""What must be so before a journey of any kind is launched."""

from activities.health import check_store
from activities.services import Services
from cli.failures import Failure
from cli.readiness import coupon_problem, history_problem, model_warning, template_problems
from cli.run import Run
from cli.temporal import soon_served
from models.enums import JourneyState
from models.journey import JourneyDefinition
from models.tables import Journey
from storage.stores import StoreParts, store_parts
from storage.templates import templates_of


async def ready(
    run: Run, services: Services, parts: StoreParts, definition: JourneyDefinition
) -> tuple[StoreParts, list[str]]:
    """The store as its services see it now, and warnings.

    Raises:
        Failure: the journey cannot run; every reason is listed.
    """
    if not await soon_served(services.temporal):
        raise Failure(
            "no worker serves the task queue `rekindle`, so nothing would start; "
            "run `python worker.py` (or `python starter.py up`) and launch again"
        )
    report = await check_store(services, parts.id, now=run.clock())
    async with services.database.read() as session:
        parts = await store_parts(session, parts.id)
        mirror = await templates_of(session, parts.number.waba_id)
    problems = [f"{fault} (`store check` says more)" for fault in report.faults]
    if parts.number.paused_reason is not None:
        problems.append(f"the store's number is paused: {parts.number.paused_reason}")
    if not any(fault.startswith("whatsapp") for fault in report.faults):
        problems += template_problems(definition, mirror)
    if not any(fault.startswith("shopify") for fault in report.faults):
        access = services.shop_access(parts.shop)
        found = [
            history_problem(definition, parts.shop),
            await coupon_problem(services.shopify, access, definition),
        ]
        problems += [problem for problem in found if problem is not None]
    if problems:
        raise Failure(*problems)
    warning = model_warning(definition, has_model=services.llm is not None)
    return parts, [] if warning is None else [warning]


def check_name(journey: Journey, definition: JourneyDefinition) -> None:
    """See that a journey of the file's name can be what the file says.

    Raises:
        Failure: it is archived, or a journey of another kind.
    """
    if journey.kind is not definition.kind:
        raise Failure(f"{journey.name} is a journey of kind {journey.kind}; give the file another name")
    if journey.state is JourneyState.ARCHIVED:
        raise Failure(f"the journey {journey.name} is archived; give the file another name")
