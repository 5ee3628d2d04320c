"""`publish --draft`: a journey that is saved and shown before anybody may enter it, and what any version must be."""

from cli.connections import shop_access
from cli.documents import PublishDocument
from cli.failures import DONE, Failure, provider_line
from cli.launch_checks import check_column, check_name
from cli.readiness import coupon_problem, history_problem, template_problems, template_waits
from cli.run import Run
from cli.validate import describe
from composition import providers_from
from models.enums import JourneyState
from models.journey import Definition
from storage.engine import Database
from storage.publishing import publish
from storage.stores import StoreParts
from storage.templates import templates_of

_RUNS = (JourneyState.ACTIVE, JourneyState.PAUSED)


async def check_publishable(
    run: Run, database: Database, parts: StoreParts, definition: Definition, state: JourneyState
) -> list[str]:
    """Warnings about a version of a journey in that state.

    Raises:
        Failure: those who enter from now on could not be written to; every reason is listed.
    """
    from providers.errors import ProviderError  # noqa: PLC0415 - slow to load, and not wanted for a file with faults

    async with database.read() as session:
        mirror = await templates_of(session, parts.number.waba_id)
    runs = state in _RUNS
    problems = template_problems(definition, mirror, may_wait=not runs)
    wall = history_problem(definition, parts.shop)
    problems += [wall] if wall is not None else []
    warnings = [] if runs else [f"it waits for {one.in_words}" for one in template_waits(definition, mirror)]
    async with providers_from(run.settings) as providers:
        try:
            coupon = await coupon_problem(providers.shopify, shop_access(run, parts), definition)
            problems += [coupon] if coupon is not None else []
        except ProviderError as error:
            warnings.append(f"the coupon was not looked at: {provider_line(error)}")
    if problems:
        raise Failure(*problems)
    if state in (JourneyState.STOPPED, JourneyState.ARCHIVED):
        warnings.append(f"{definition.name} is {state.value}: nobody enters before it is launched")
    return warnings


async def save_draft(run: Run, database: Database, parts: StoreParts, definition: Definition, *, yes: bool) -> int:
    """Save a journey that does not exist yet.

    Raises:
        Failure: it could not be launched as it is, nobody wants it, or there is one of its name by now.
    """
    warnings = await check_publishable(run, database, parts, definition, JourneyState.DRAFT)
    describe(run, definition)
    for warning in warnings:
        run.output.note(f"warning: {warning}")
    if not yes and not run.confirm(f"Save {definition.name} as a draft?"):
        raise Failure("declined; nothing was changed")
    async with database.write() as session:
        await check_column(session, parts.id, definition)
        journey, version = await publish(session, parts.id, definition, now=run.clock())
        check_name(journey, definition)
        if journey.state is not JourneyState.DRAFT or version.number > 1:
            raise Failure(f"somebody made {journey.name} meanwhile; look at it first")
    run.output.document(
        PublishDocument(
            store=parts.store.slug,
            journey=journey.name,
            state=journey.state,
            version=version.number,
            previous=None,
            changed=True,
            running=[],
            paced={},
            changes=[],
            warnings=warnings,
        )
    )
    run.output.line(f"{journey.name} is saved as a draft; `launch FILE` starts it", style="bold")
    return DONE
