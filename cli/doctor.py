"""`doctor`: walks everything that has to work, one line each, with what to do about a fault."""

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from cli.checks import Check
from cli.connections import show_findings, store_findings
from cli.credits import credit_findings
from cli.doctor_journey import in_short, journey_findings
from cli.documents import DoctorDocument, Finding
from cli.failures import DONE, REFUSED, explain
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.privacy import privacy_findings
from cli.refusals import refusal_findings
from cli.run import Run, execute
from cli.sender import sender_findings
from cli.sends import parked_findings
from cli.webhook_health import own_systems_findings
from composition import TemporalUnavailableError, connect, providers_from, temporal_place
from models.enums import JourneyState
from models.journey import JourneyDefinition
from models.tables import Journey
from policies.zones import zone_or_none
from settings import Settings, SettingsError
from storage.engine import Database, DatabaseUnavailableError
from storage.journeys import find_journey, latest_version, parse_definition
from storage.lookup import active_journeys
from storage.schema import SchemaError, schema_revision
from storage.secrets import SecretKeyError
from storage.stores import StoreParts, all_stores, required_id

if TYPE_CHECKING:
    from temporalio.client import Client

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
    client = await _temporal(findings)
    if settings is not None:
        await _database(run, client, journey, findings)
        await _gateway(settings, findings)
    if client is not None:
        findings += await _queues(run, client, journey)
    ok = all(one.state != "fault" for one in findings)
    run.output.document(DoctorDocument(ok=ok, findings=findings))
    show_findings(run.output, findings)
    return DONE if ok else REFUSED


def _settings(run: Run, findings: list[Finding]) -> Settings | None:
    check = Check.SETTINGS
    try:
        settings = run.settings
        run.cipher.encrypt("")
    except (SettingsError, SecretKeyError) as error:
        lines = str(error).splitlines()
        findings += [Finding(check=check, subject="settings", state="fault", text=line) for line in lines]
        return None
    text = "complete, and there is a key for the secrets"
    findings.append(Finding(check=check, subject="settings", state="ok", text=text))
    return settings


async def _database(run: Run, client: "Client | None", journey: str | None, findings: list[Finding]) -> None:
    check = Check.DATABASE
    try:
        async with run.database() as database:
            revision = await schema_revision(database)
            text = f"{database.shown_url} answers; its schema is the newest ({revision})"
            findings.append(Finding(check=check, subject="database", state="ok", text=text))
            await _stores(run, database, client, journey, findings)
    except (DatabaseUnavailableError, SchemaError) as error:
        findings.append(Finding(check=check, subject="database", state="fault", text=explain(error).lines[0]))


async def _stores(
    run: Run, database: Database, client: "Client | None", journey: str | None, findings: list[Finding]
) -> None:
    if journey is not None or run.store_name is not None:
        stores = [await run.store(database)]
    else:
        async with database.read() as session:
            stores = await all_stores(session)
    if not stores:
        text, advice = "there is no store yet", "add one with `store add`"
        findings.append(Finding(check=Check.STORES, subject="stores", state="warning", text=text, advice=advice))
    async with providers_from(run.settings) as providers:
        for parts in stores:
            named = f"{parts.store.slug}: "
            if zone_or_none(parts.store.time_zone) is None:
                findings.append(_unknown_zone(parts))
                continue  # whatever comes next tells the time by it
            found = [*await store_findings(run, parts, providers), *await privacy_findings(run, database, parts)]
            found += credit_findings(parts.store)
            found += await parked_findings(database, parts)
            found += await sender_findings(run, database, parts)
            found += await refusal_findings(run, database, parts)
            found += await own_systems_findings(run, database, parts)
            if client is not None:
                from cli.journey_workflows import store_workflow_findings  # noqa: PLC0415 - slow to load

                found += await store_workflow_findings(client, parts)
            findings += [one.model_copy(update={"subject": named + one.subject}) for one in found]
            for row, definition in await _journeys(database, parts, journey):
                about = await journey_findings(run, database, parts, providers, row, definition)
                if client is not None:
                    from cli.journey_workflows import workflow_findings  # noqa: PLC0415 - slow to load

                    about += await workflow_findings(client, database, parts, row, definition)
                findings += about if journey is not None else in_short(about)


def _unknown_zone(parts: StoreParts) -> Finding:
    text = f"the time zone {parts.store.time_zone!r} is unknown on this machine"
    advice = f"install the newest tzdata, or `store add {parts.store.slug} --replace` with another time zone"
    return Finding(check=Check.STORES, subject=parts.store.slug, state="fault", text=text, advice=advice)


async def _journeys(
    database: Database, parts: StoreParts, name: str | None
) -> Sequence[tuple[Journey, JourneyDefinition]]:
    async with database.read() as session:
        if name is None:
            return await active_journeys(session, parts.id, _RUNNING)
        row = await find_journey(session, parts.id, name)
        version = await latest_version(session, required_id(row.id))
        return [(row, parse_definition(version.definition))] if version is not None else []


async def _gateway(settings: Settings, findings: list[Finding]) -> None:
    import httpx  # noqa: PLC0415 - slow to load, and not wanted before settings are sound

    host = "127.0.0.1" if settings.gateway_host in {"0.0.0.0", "::"} else settings.gateway_host  # noqa: S104 - compared
    where = f"http://{host}:{settings.gateway_port}"
    state: int | None = None
    with contextlib.suppress(httpx.HTTPError):
        async with httpx.AsyncClient(timeout=_GATEWAY_ANSWERS_WITHIN_S) as http:
            state = (await http.get(f"{where}/ready")).status_code
    if state == _OK:
        findings.append(
            Finding(check=Check.GATEWAY, subject="gateway", state="ok", text=f"{where} is ready for webhooks")
        )
        return
    text = f"{where} does not answer" if state is None else f"{where} answers with {state}"
    advice = "start it: `python starter.py up`, or `docker compose up -d gateway`; without it nobody hears of replies"
    findings.append(Finding(check=Check.GATEWAY, subject="gateway", state="fault", text=text, advice=advice))


async def _temporal(findings: list[Finding]) -> "Client | None":
    address, namespace = temporal_place()
    try:
        client = await connect()
    except TemporalUnavailableError as error:
        findings.append(Finding(check=Check.TEMPORAL, subject="temporal", state="fault", text=str(error)))
        return None
    from cli.temporal_health import look_at_namespace  # noqa: PLC0415 - slow to load

    text = f"{address} answers, namespace {namespace}"
    findings.append(Finding(check=Check.TEMPORAL, subject="temporal", state="ok", text=text))
    findings += await look_at_namespace(client)
    return client


async def _queues(run: Run, client: "Client", journey: str | None) -> list[Finding]:
    """Who polls the queues of every store, or of the one whose journey is looked at."""
    from cli.temporal_health import look_at_queues  # noqa: PLC0415 - slow to load

    queues: list[str] = []
    with contextlib.suppress(SettingsError, SecretKeyError, DatabaseUnavailableError, SchemaError):
        async with run.database() as database:
            if journey is not None:
                stores = [await run.store(database)]
            else:
                async with database.read() as session:
                    stores = await all_stores(session)
            for parts in stores:
                queues += [parts.shop_queue, parts.whatsapp_queue]
    return await look_at_queues(client, queues)
