"""`keys create | list | revoke`: who may use the staff API."""

from typing import Annotated

import typer

from cli.failures import DONE, NOT_FOUND, USAGE, Failure
from cli.key_documents import KeyCreateDocument, KeyListDocument, KeyRevokeDocument, KeyView
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from models.enums import StaffRole
from models.tables import ApiKey
from storage.api_keys import UnknownKeyError, create_key, list_keys, revoke_key

_LONGEST_NAME = 80


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    family.command("create")(create)
    family.command("list")(show_all)
    family.command("revoke")(revoke)
    app.add_typer(family, name="keys", help="Create, list or revoke keys of the staff API.")


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who or what uses it, for the list.")],
    *,
    role: Annotated[StaffRole, typer.Option("--role", help="What its holder may do.")],
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Make a key for one store and print it, this once: only its hash is kept.

    `support` reads, and takes single customers out; `marketer` may do everything.
    """
    return execute(lambda run: _create(run, name, role), as_json=as_json, store=store, debug=debug)


def show_all(*, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """List the store's keys by what may be seen of them, with their last use."""
    return execute(_list, as_json=as_json, store=store, debug=debug)


def revoke(
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="Its beginning, as `keys list` shows it.")],
    *,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Make a key useless from now on."""
    return execute(lambda run: _revoke(run, prefix), as_json=as_json, store=store, debug=debug)


async def _create(run: Run, name: str, role: StaffRole) -> int:
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Failure(f"a key's name has 1 to {_LONGEST_NAME} printable characters", code=USAGE)
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            row, secret = await create_key(session, parts.id, name=name.strip(), role=role, now=run.clock())
    run.output.document(KeyCreateDocument(store=parts.store.slug, key=_view(row), secret=secret))
    run.output.line(secret)
    run.output.note(
        f"{row.name} may use {parts.store.slug} as {role.value}. This is the only time that the key is shown."
    )
    return DONE


async def _list(run: Run) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            views = [_view(row) for row in await list_keys(session, parts.id)]
    run.output.document(KeyListDocument(store=parts.store.slug, keys=views))
    if not views:
        run.output.line("There are no keys yet: `keys create NAME --role support` makes one.")
        return DONE
    run.output.table(
        ["key", "name", "role", "created", "last used", "revoked"],
        [
            [
                one.prefix,
                one.name,
                one.role.value,
                *(
                    f"{at:%Y-%m-%d %H:%M} UTC" if at else ""
                    for at in (one.created_at, one.last_used_at, one.revoked_at)
                ),
            ]
            for one in views
        ],
    )
    return DONE


async def _revoke(run: Run, prefix: str) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                row = await revoke_key(session, parts.id, prefix, now=run.clock())
            except UnknownKeyError as error:
                raise Failure(str(error), code=NOT_FOUND) from None
    run.output.document(KeyRevokeDocument(store=parts.store.slug, key=_view(row)))
    run.output.line(f"{row.prefix} ({row.name}) opens nothing any more")
    return DONE


def _view(row: ApiKey) -> KeyView:
    return KeyView(
        prefix=row.prefix,
        name=row.name,
        role=row.role,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
    )
