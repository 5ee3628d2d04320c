"""What must be so before a journey of any kind is launched."""

from sqlmodel.ext.asyncio.session import AsyncSession

from activities.health import check_store
from activities.services import Services
from cli.failures import Failure
from cli.readiness import coupon_problem, history_problem, model_warning, template_problems, template_waits
from cli.run import Run
from cli.temporal import soon_served
from models.enums import JourneyState
from models.journey import FollowUp, JourneyDefinition
from models.tables import Journey
from policies.sender import SenderState, sender_state
from policies.template_readiness import Needed
from reports.refusals import pause_in_words
from storage.senders import pause_of
from storage.stores import StoreParts, store_parts
from storage.templates import templates_of
from storage.watches import OWNS_A_COLUMN, watches_of


async def ready(
    run: Run, services: Services, parts: StoreParts, definition: JourneyDefinition
) -> tuple[StoreParts, list[str], list[Needed]]:
    """The store as its services see it now, warnings, and the templates that are not approved yet.

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
    if sender_state(pause_of(parts.number), run.clock()) is SenderState.PAUSED:
        problems.append(pause_in_words(parts.number, run.clock()) or "the store's number is paused")
    waiting: list[Needed] = []
    if not any(fault.startswith("whatsapp") for fault in report.faults):
        problems += template_problems(definition, mirror, may_wait=True)
        waiting = template_waits(definition, mirror)
    if not any(fault.startswith("shopify") for fault in report.faults):
        access = services.shop_access(parts.shop)
        found = [
            history_problem(definition, parts.shop),
            await coupon_problem(services.shopify, access, definition),
        ]
        problems += [problem for problem in found if problem is not None]
    if problems:
        raise Failure(*problems, *(f"{one.in_words}; it is not approved yet" for one in waiting))
    warning = model_warning(definition, has_model=services.llm is not None)
    return parts, [] if warning is None else [warning], waiting


async def check_column(session: AsyncSession, store_id: int, definition: JourneyDefinition) -> None:
    """See that a follow-up's column has no other one.

    Raises:
        Failure: it has one.
    """
    if not isinstance(definition, FollowUp):
        return
    column = definition.conversations.column
    for watch in await watches_of(session, store_id, OWNS_A_COLUMN):
        other = watch.definition
        if isinstance(other, FollowUp) and other.name != definition.name and other.conversations.column == column:
            of = f"the column {column!r}" if column is not None else "conversations of every column"
            raise Failure(f"{of} already has the follow-up {other.name}; stop that one first, or name another column")


def check_name(journey: Journey, definition: JourneyDefinition) -> None:
    """See that a journey of the file's name can be what the file says.

    Raises:
        Failure: it is archived, or a journey of another kind.
    """
    if journey.kind is not definition.kind:
        raise Failure(f"{journey.name} is a journey of kind {journey.kind}; give the file another name")
    if journey.state is JourneyState.ARCHIVED:
        raise Failure(
            f"the journey {journey.name} is archived; `archive {journey.name} --undo` takes it out of the archive, "
            "or give the file another name"
        )
