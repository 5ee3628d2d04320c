"""`doctor`: walks everything that has to work, one line each, with what to do about a fault."""

import contextlib
from collections.abc import Sequence
from typing import Annotated

import typer

from cli.connections import shop_access, show_findings, store_findings
from cli.credits import credit_findings
from cli.documents import DoctorDocument, Finding
from cli.failures import DONE, REFUSED, explain, provider_line
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.privacy import privacy_findings
from cli.readiness import coupon_problem, history_problem, model_warning, template_problems, template_waits
from cli.refusals import refusal_findings
from cli.run import Run, execute
from cli.sender import sender_findings
from cli.sends import parked_findings
from cli.webhook_health import own_systems_findings
from composition import Providers, TemporalUnavailableError, connect, providers_from, temporal_place
from models.enums import JourneyState
from models.journey import JourneyDefinition, Tracking
from models.tables import Journey
from settings import Settings, SettingsError
from storage.engine import Database, DatabaseUnavailableError
from storage.journeys import find_journey, latest_version, parse_definition
from storage.lookup import active_journeys
from storage.schema import SchemaError, schema_revision
from storage.secrets import SecretKeyError
from storage.stores import StoreParts, all_stores, required_id
from storage.templates import templates_of

_GATEWAY_ANSWERS_WITHIN_S = 3.0
_RUNNING = (JourneyState.ACTIVE, JourneyState.PAUSED, JourneyState.PENDING)
_OK = 200


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("doctor")(doctor)


def doctor(
    journey: Annotated[str | None, typer.Argument(metavar="[JOURNEY]", help="Look closer at this one.")] = None,
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Check settings, database, Temporal, connections and active journeys; exits with 1 when there is a fault."""
    return execute(lambda run: _doctor(run, journey), as_json=as_json, store=store, debug=debug)


async def _doctor(run: Run, journey: str | None) -> int:
    findings: list[Finding] = []
    settings = _settings(run, findings)
    if settings is not None:
        await _database(run, journey, findings)
        await _gateway(settings, findings)
    await _temporal(run, findings)
    ok = all(one.state != "fault" for one in findings)
    run.output.document(DoctorDocument(ok=ok, findings=findings))
    show_findings(run.output, findings)
    return DONE if ok else REFUSED


def _settings(run: Run, findings: list[Finding]) -> Settings | None:
    try:
        settings = run.settings
        run.cipher.encrypt("")
    except (SettingsError, SecretKeyError) as error:
        findings += [Finding(subject="settings", state="fault", text=line) for line in str(error).splitlines()]
        return None
    findings.append(Finding(subject="settings", state="ok", text="complete, and there is a key for the secrets"))
    return settings


async def _database(run: Run, journey: str | None, findings: list[Finding]) -> None:
    try:
        async with run.database() as database:
            revision = await schema_revision(database)
            text = f"{database.shown_url} answers; its schema is the newest ({revision})"
            findings.append(Finding(subject="database", state="ok", text=text))
            await _stores(run, database, journey, findings)
    except (DatabaseUnavailableError, SchemaError) as error:
        findings.append(Finding(subject="database", state="fault", text=explain(error).lines[0]))


async def _stores(run: Run, database: Database, journey: str | None, findings: list[Finding]) -> None:
    if journey is not None or run.store_name is not None:
        stores = [await run.store(database)]
    else:
        async with database.read() as session:
            stores = await all_stores(session)
    if not stores:
        findings.append(
            Finding(subject="stores", state="warning", text="there is no store yet", advice="add one with `store add`")
        )
    async with providers_from(run.settings) as providers:
        for parts in stores:
            named = f"{parts.store.slug}: "
            found = [*await store_findings(run, parts, providers), *await privacy_findings(run, database, parts)]
            found += credit_findings(parts.store)
            found += await parked_findings(database, parts)
            found += await sender_findings(run, database, parts)
            found += await refusal_findings(run, database, parts)
            found += await own_systems_findings(run, database, parts)
            findings += [one.model_copy(update={"subject": named + one.subject}) for one in found]
            for row, definition in await _journeys(database, parts, journey):
                findings += await _journey(run, database, parts, providers, row, definition)


async def _journeys(
    database: Database, parts: StoreParts, name: str | None
) -> Sequence[tuple[Journey, JourneyDefinition]]:
    async with database.read() as session:
        if name is None:
            return await active_journeys(session, parts.id, _RUNNING)
        row = await find_journey(session, parts.id, name)
        version = await latest_version(session, required_id(row.id))
        return [(row, parse_definition(version.definition))] if version is not None else []


async def _journey(
    run: Run,
    database: Database,
    parts: StoreParts,
    providers: Providers,
    journey: Journey,
    definition: JourneyDefinition,
) -> list[Finding]:
    from providers.errors import ProviderError  # noqa: PLC0415 - slow to load, and not wanted before settings are sound

    async with database.read() as session:
        mirror = await templates_of(session, parts.number.waba_id)
    subject = f"{parts.store.slug}: journey {journey.name}"
    pending = journey.state is JourneyState.PENDING
    problems = template_problems(definition, mirror, may_wait=pending)
    if (wall := history_problem(definition, parts.shop)) is not None:
        problems.append(wall)
    try:
        coupon = await coupon_problem(providers.shopify, shop_access(run, parts), definition)
        problems += [coupon] if coupon is not None else []
    except ProviderError as error:
        problems.append(f"the coupon was not looked at: {provider_line(error)}")
    except SecretKeyError as error:
        problems.append(str(error))
    findings = [Finding(subject=subject, state="fault", text=problem) for problem in problems]
    if pending:
        waits = "; ".join(one.in_words for one in template_waits(definition, mirror)) or "nothing any more"
        text = f"pending: it waits for {waits}; it goes live by itself"
        findings.append(Finding(subject=subject, state="warning", text=text))
    elif journey.state is JourneyState.PAUSED:
        text = f"paused: {journey.state_reason or 'nobody said why'}"
        advice = f"when what is wrong is mended: `starter.py resume {journey.name}`"
        findings.append(Finding(subject=subject, state="warning", text=text, advice=advice))
    warning = model_warning(definition, has_model=run.settings.llm_api_key is not None)
    if warning is not None:
        findings.append(Finding(subject=subject, state="warning", text=warning))
    if not findings:
        text = f"{journey.state.value}; templates and coupon are well"
        findings.append(Finding(subject=subject, state="ok", text=text))
    if isinstance(definition, Tracking):
        from cli.tracking_health import tracking_findings  # noqa: PLC0415 - slow to load, and few journeys need it

        findings += await tracking_findings(database, parts, journey)
    return findings


async def _gateway(settings: Settings, findings: list[Finding]) -> None:
    import httpx  # noqa: PLC0415 - slow to load, and not wanted before settings are sound

    host = "127.0.0.1" if settings.gateway_host in {"0.0.0.0", "::"} else settings.gateway_host  # noqa: S104 - compared
    where = f"http://{host}:{settings.gateway_port}"
    state: int | None = None
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=_GATEWAY_ANSWERS_WITHIN_S) as http:
            state = (await http.get(f"{where}/ready")).status_code
    if state == _OK:
        findings.append(Finding(subject="gateway", state="ok", text=f"{where} is ready for webhooks"))
        return
    text = f"{where} does not answer" if state is None else f"{where} answers with {state}"
    advice = "start it: `python starter.py up`, or `docker compose up -d gateway`; without it nobody hears of replies"
    findings.append(Finding(subject="gateway", state="fault", text=text, advice=advice))


async def _temporal(run: Run, findings: list[Finding]) -> None:
    address, namespace = temporal_place()
    try:
        client = await connect()
    except TemporalUnavailableError as error:
        findings.append(Finding(subject="temporal", state="fault", text=str(error)))
        return
    from cli.temporal_health import look_at_namespace, look_at_queues  # noqa: PLC0415 - slow to load

    findings.append(Finding(subject="temporal", state="ok", text=f"{address} answers, namespace {namespace}"))
    findings += await look_at_namespace(client)
    queues: list[str] = []
    with contextlib.suppress(SettingsError, SecretKeyError, DatabaseUnavailableError, SchemaError):
        async with run.database() as database, database.read() as session:
            for parts in await all_stores(session):
                queues += [parts.shop_queue, parts.whatsapp_queue]
    findings += await look_at_queues(client, queues)
