"""`templates`: the store's WhatsApp templates as the mirror has them, and what staff decide about them.

A message that Meta calls wrong is blocked until something has changed; a template that is gone may be substituted in
running versions.
"""

from typing import Annotated, Any

import typer

from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from cli.template_documents import (
    BlockView,
    SubstitutionView,
    TemplatesDocument,
    TemplateSubstituteDocument,
    TemplateUnblockDocument,
    TemplateView,
)
from composition import providers_from
from models.enums import SENDABLE_TEMPLATE_STATUSES
from models.tables import Template, TemplateSubstitution
from policies.whatsapp_reactions import explain
from reports.template_advice import advice_for
from storage.engine import Database
from storage.journeys import find_journey
from storage.stores import StoreParts, required_id
from storage.substitutions import NotSubstitutableError, active, end_substitution, journey_names, substitute
from storage.template_states import lift_blocks
from storage.templates import mirror, templates_of

_SHOWN = 70
_Language = Annotated[str | None, typer.Option("--language", help="Only in this language.")]


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=False, invoke_without_command=True, rich_markup_mode=None)
    family.callback()(templates)
    family.command("unblock")(unblock)
    family.command("substitute")(substitute_template)
    app.add_typer(family, name="templates", help="The store's WhatsApp templates; alone, the list.")


def templates(
    context: typer.Context,
    *,
    sync: Annotated[bool, typer.Option("--sync", help="Ask Meta first.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int | None:
    """List the store's WhatsApp templates with their status, and what to do about those that cannot be sent."""
    if context.invoked_subcommand is not None:
        return None
    return execute(lambda run: _templates(run, sync=sync), as_json=as_json, store=store, debug=debug)


def unblock(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The template.")],
    *,
    language: _Language = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Try messages again that Meta called wrong, when what was wrong is mended."""
    return execute(lambda run: _unblock(run, name, language), as_json=as_json, store=store, debug=debug)


def substitute_template(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A template that is rejected, disabled or deleted.")],
    new: Annotated[str | None, typer.Argument(metavar="[NEW]", help="An approved one with the same variables.")] = None,
    *,
    language: _Language = None,
    journey: Annotated[str | None, typer.Option("--journey", help="Only in this journey.")] = None,
    end: Annotated[bool, typer.Option("--end", help="Nothing stands for OLD any more.")] = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Let one template stand for a dead one in running versions; or end that."""
    return execute(
        lambda run: _substitute(run, old, new, language, journey, end=end), as_json=as_json, store=store, debug=debug
    )


async def _templates(run: Run, *, sync: bool) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        if sync:
            await _sync(run, database, parts)
        async with database.read() as session:
            found = await templates_of(session, parts.number.waba_id)
            decisions = await active(session, parts.id)
            names = await journey_names(session, parts.id)
    views = [_view(one) for one in found]
    substitutions = [_decision(one, names) for one in decisions]
    run.output.document(
        TemplatesDocument(store=parts.store.slug, synced=sync, templates=views, substitutions=substitutions)
    )
    if not views:
        run.output.line("No templates are known" + (" at Meta." if sync else " yet: `templates --sync` asks Meta."))
        return DONE
    run.output.table(
        ["template", "language", "status", "variables", "text"],
        [[one.name, one.language, one.status.value, " ".join(one.variables), _short(one.body)] for one in views],
    )
    for one in views:
        if one.advice is not None:
            run.output.line(f"{one.name} ({one.language}): {one.advice}", style="yellow")
        for block in one.blocks:
            run.output.line(
                f"{one.name} ({one.language}), {block.journey}: code {block.code}. {block.text} "
                f"Then `templates unblock {one.name}`.",
                style="yellow",
            )
    for decision in substitutions:
        run.output.line(_in_words(decision))
    return DONE


async def _unblock(run: Run, name: str, language: str | None) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            named = [
                one
                for one in await templates_of(session, parts.number.waba_id)
                if one.name == name and language in (None, one.language)
            ]
            if not named:
                raise Failure(f"{parts.store.slug} has no template {name}", code=NOT_FOUND)
            lifted = sum(lift_blocks(session, one, now=run.clock()) for one in named)
        delivered = await _deliver(run, database) if lifted else True
    run.output.document(
        TemplateUnblockDocument(store=parts.store.slug, template=name, lifted=lifted, delivered=delivered)
    )
    run.output.line(f"{lifted} blocked messages may go again" if lifted else f"nothing of {name} is blocked")
    return DONE


async def _substitute(
    run: Run, old: str, new: str | None, language: str | None, journey: str | None, *, end: bool
) -> int:
    if end == (new is not None):
        raise Failure("name OLD and NEW, or OLD and --end", code=USAGE)
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            journey_id = None
            if journey is not None:
                journey_id = required_id((await find_journey(session, parts.id, journey)).id)
            names = await journey_names(session, parts.id)
            store = await session.merge(parts.store)
            asked: dict[str, Any] = {"old": old, "journey_id": journey_id, "now": run.clock()}
            if new is None:
                made = await end_substitution(session, store, language=language, **asked)
                if not made:
                    raise Failure(f"nothing stands for {old}", code=NOT_FOUND)
            else:
                waba_id = parts.number.waba_id
                languages = await _languages(database, parts, old, language)
                try:
                    made = [
                        await substitute(session, store, waba_id, new=new, language=one, **asked) for one in languages
                    ]
                except NotSubstitutableError as error:
                    raise Failure(*error.problems) from None
        delivered = await _deliver(run, database)
    views = [_decision(one, names) for one in made]
    run.output.document(
        TemplateSubstituteDocument(store=parts.store.slug, ended=end, substitutions=views, delivered=delivered)
    )
    for one in views:
        run.output.line(_in_words(one) + (" no longer" if end else ""))
    return DONE


async def _languages(database: Database, parts: StoreParts, name: str, language: str | None) -> list[str]:
    """The languages that are meant: the one named, or the only one there is."""
    if language is not None:
        return [language]
    async with database.read() as session:
        known = [one.language for one in await templates_of(session, parts.number.waba_id) if one.name == name]
    if not known:
        raise Failure(f"{parts.store.slug} has never had a template {name}", code=NOT_FOUND)
    if len(known) > 1:
        raise Failure(f"{name} is there in {', '.join(known)}: say --language", code=USAGE)
    return known


async def _deliver(run: Run, database: Database) -> bool:
    from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

    delivered = await deliver(database, run.clock)
    if not delivered:
        run.output.note("Temporal cannot be reached: the gateway tells the workflows later")
    return delivered


async def _sync(run: Run, database: Database, parts: StoreParts) -> None:
    from activities.health import template_facts  # noqa: PLC0415 - slow to load, and only with --sync

    token = run.cipher.decrypt(parts.number.token_secret)
    async with providers_from(run.settings) as providers:
        listed = await providers.whatsapp.templates(parts.number.waba_id, token, endpoint=parts.number.endpoint)
    async with database.write() as session:
        await mirror(session, parts.number.waba_id, [template_facts(one) for one in listed], now=run.clock())


def _view(one: Template) -> TemplateView:
    return TemplateView(
        name=one.name,
        language=one.language,
        status=one.status,
        sendable=one.status in SENDABLE_TEMPLATE_STATUSES,
        advice=advice_for(one.status),
        category=one.category,
        variables=one.variables,
        body=one.body,
        synced_at=one.synced_at,
        blocks=[
            BlockView(journey=block["journey"], code=block["code"], at=block["at"], text=explain(block["code"]))
            for block in one.blocks.values()
        ],
    )


def _decision(one: TemplateSubstitution, names: dict[int, str]) -> SubstitutionView:
    return SubstitutionView(
        old=one.old_name,
        new=one.new_name,
        language=one.language,
        journey=names.get(one.journey_id) if one.journey_id is not None else None,
        made_at=one.made_at,
        ended_at=one.ended_at,
    )


def _in_words(one: SubstitutionView) -> str:
    where = f"in {one.journey}" if one.journey is not None else "in every journey"
    return f"{one.new} stands for {one.old} ({one.language}) {where}, since {one.made_at:%Y-%m-%d}"


def _short(body: str) -> str:
    line = " ".join(body.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 3] + "..."
