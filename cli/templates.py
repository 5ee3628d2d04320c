"""`templates`: the store's WhatsApp templates as the mirror has them, brought up to date on request."""

from typing import Annotated

import typer

from cli.documents import TemplatesDocument, TemplateView
from cli.failures import DONE
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from composition import providers_from
from models.enums import SENDABLE_TEMPLATE_STATUSES
from storage.engine import Database
from storage.stores import StoreParts
from storage.templates import mirror, templates_of

_SHOWN = 70


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("templates")(templates)


def templates(
    *,
    sync: Annotated[bool, typer.Option("--sync", help="Ask Meta first.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """List the store's WhatsApp templates with their status."""
    return execute(lambda run: _templates(run, sync=sync), as_json=as_json, store=store, debug=debug)


async def _templates(run: Run, *, sync: bool) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        if sync:
            await _sync(run, database, parts)
        async with database.read() as session:
            found = await templates_of(session, parts.number.waba_id)
    views = [
        TemplateView(
            name=one.name,
            language=one.language,
            status=one.status,
            sendable=one.status in SENDABLE_TEMPLATE_STATUSES,
            category=one.category,
            variables=one.variables,
            body=one.body,
            synced_at=one.synced_at,
        )
        for one in found
    ]
    run.output.document(TemplatesDocument(store=parts.store.slug, synced=sync, templates=views))
    if not views:
        run.output.line("No templates are known" + (" at Meta." if sync else " yet: `templates --sync` asks Meta."))
        return DONE
    run.output.table(
        ["template", "language", "status", "variables", "text"],
        [[one.name, one.language, one.status.value, " ".join(one.variables), _short(one.body)] for one in views],
    )
    return DONE


async def _sync(run: Run, database: Database, parts: StoreParts) -> None:
    from activities.health import template_facts  # noqa: PLC0415 - slow to load, and only with --sync

    token = run.cipher.decrypt(parts.number.token_secret)
    async with providers_from(run.settings) as providers:
        listed = await providers.whatsapp.templates(parts.number.waba_id, token, endpoint=parts.number.endpoint)
    async with database.write() as session:
        await mirror(session, parts.number.waba_id, [template_facts(one) for one in listed], now=run.clock())


def _short(body: str) -> str:
    line = " ".join(body.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
