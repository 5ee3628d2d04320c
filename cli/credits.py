"""`credits open | add | price | list | close`: what a store may still spend on messages and on the model."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from sqlmodel.ext.asyncio.session import AsyncSession

from cli.checks import Check
from cli.documents import Finding
from cli.failures import DONE, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName
from cli.run import Run, execute
from models.tables import Store
from reports.credits import CreditsDocument, credits_document
from storage.credits import (
    LedgerOpenError,
    NoLedgerError,
    add_credits,
    close_ledger,
    ledger_lines,
    open_ledger,
    reserved_credits,
    set_prices,
)
from storage.stores import StoreParts

_MOST = 1_000_000_000
_LONGEST_NOTE = 200
_PRICE = "Whole credits; 0 makes it free."
_NO_LEDGER = "the store has no ledger, so nothing is counted; `credits open` begins one"


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=False, invoke_without_command=True, rich_markup_mode=None)
    family.callback()(balance)
    family.command("open")(open_)
    family.command("add")(add)
    family.command("price")(price)
    family.command("list")(show_lines)
    family.command("close")(close)
    app.add_typer(family, name="credits", help="What a store may still spend; alone, the balance.")


def balance(
    context: typer.Context, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int | None:
    """Show what is left, what is reserved, and what a message and a call of the model cost."""
    if context.invoked_subcommand is not None:
        return None
    return execute(lambda run: _show(run, limit=0, before=None), as_json=as_json, store=store, debug=debug)


def open_(
    *,
    balance: Annotated[int, typer.Option("--balance", min=0, max=_MOST, help="What it begins with.")] = 0,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Begin to count: from now on nothing is sent or written that the credits do not cover."""

    async def change(session: AsyncSession, parts: StoreParts, run: Run) -> Store:
        return await open_ledger(session, parts.id, balance, now=run.clock())

    return execute(lambda run: _change(run, change), as_json=as_json, store=store, debug=debug)


def add(
    amount: Annotated[int, typer.Argument(metavar="N", min=1, max=_MOST, help="Whole credits.")],
    *,
    note: Annotated[str | None, typer.Option("--note", help="What for, such as an invoice's number.")] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Pay in; whoever waited for credits goes on."""

    async def change(session: AsyncSession, parts: StoreParts, run: Run) -> Store:
        if note is not None and (len(note) > _LONGEST_NOTE or not note.isprintable()):
            raise Failure(f"a note has at most {_LONGEST_NOTE} printable characters", code=USAGE)
        if (parts.store.credits or 0) + amount > _MOST:
            raise Failure(f"a ledger holds at most {_MOST} credits")
        return (await add_credits(session, parts.id, amount, note=note, now=run.clock()))[0]

    return execute(lambda run: _change(run, change, releases=True), as_json=as_json, store=store, debug=debug)


def price(
    *,
    message: Annotated[int | None, typer.Option("--message", min=0, max=_MOST, help=_PRICE)] = None,
    generation: Annotated[int | None, typer.Option("--generation", min=0, max=_MOST, help=_PRICE)] = None,
    analysis: Annotated[int | None, typer.Option("--analysis", min=0, max=_MOST, help=_PRICE)] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Set what things cost from now on: a message, a text of the model's, a conversation that it looks at.

    Each is 1 until then. Texts and conversations cost so much for each call of the model that they take.
    """

    async def change(session: AsyncSession, parts: StoreParts, run: Run) -> Store:
        if message is None and generation is None and analysis is None:
            raise Failure("name a price: --message N, --generation N, --analysis N, or several", code=USAGE)
        return await set_prices(
            session, parts.id, message=message, generation=generation, analysis=analysis, now=run.clock()
        )

    return execute(lambda run: _change(run, change, releases=True), as_json=as_json, store=store, debug=debug)


def show_lines(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many, newest first.")] = 50,
    before: Annotated[int | None, typer.Option("--before", min=1, help="Only lines older than that one.")] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Show the ledger's lines: what was paid in, and every charge with what became of it."""
    return execute(lambda run: _show(run, limit=limit, before=before), as_json=as_json, store=store, debug=debug)


def close(*, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """Stop counting: nothing is limited by credits any more. The lines stay."""

    async def change(session: AsyncSession, parts: StoreParts, run: Run) -> Store:
        return await close_ledger(session, parts.id, now=run.clock())

    return execute(lambda run: _change(run, change, releases=True), as_json=as_json, store=store, debug=debug)


async def _change(
    run: Run, change: Callable[[AsyncSession, StoreParts, Run], Awaitable[Store]], *, releases: bool = False
) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                await change(session, parts, run)
            except NoLedgerError:
                raise Failure(_NO_LEDGER) from None
            except LedgerOpenError:
                raise Failure("the store has a ledger already; `credits add` pays in") from None
        if releases:
            from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

            if not await deliver(database, run.clock):
                run.output.note("Temporal cannot be reached: the gateway tells the workflows later")
    return await _show(run, limit=0, before=None)


async def _show(run: Run, *, limit: int, before: int | None) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            reserved = await reserved_credits(session, parts.id)
            lines = list(await ledger_lines(session, parts.id, limit=limit, before=before)) if limit else []
    more = lines[-1].id if limit and len(lines) == limit else None
    document = credits_document(parts.store, reserved=reserved, lines=lines, next_before=more)
    run.output.document(document)
    _tell(run, document)
    return DONE


def _tell(run: Run, document: CreditsDocument) -> None:
    if document.lines:
        run.output.table(
            ["line#", "at", "what", "credits#", "state", "message#", "analysis#", "note"],
            [
                [
                    str(one.id),
                    f"{one.at:%Y-%m-%d %H:%M} UTC",
                    one.kind.value,
                    f"{one.amount:+d}",
                    one.state.value,
                    str(one.message or ""),
                    str(one.analysis or ""),
                    one.note or "",
                ]
                for one in document.lines
            ],
        )
    if document.next is not None:
        run.output.note(f"older lines: `credits list --before {document.next}`")
    prices = (
        f"a message costs {document.message_price}, a call of the model for a text {document.generation_price}, "
        f"for a conversation's review {document.analysis_price}"
    )
    if document.available is None:
        run.output.line(f"{document.store} has no ledger: nothing is counted ({prices} once one is open)")
        return
    run.output.line(
        f"{document.store} has {document.available} credits left and {document.reserved} reserved; {prices}"
    )


def credit_findings(store: Store) -> list[Finding]:
    """What `doctor` says of the ledger; nothing where there is none."""
    if store.credits is None:
        return []
    cheapest = store.message_credits
    if store.credits < cheapest:
        text = f"{store.credits} credits are left, and a message costs {cheapest}: nothing is sent"
        advice = "pay in with `credits add N`"
        return [Finding(check=Check.CREDITS, subject="credits", state="fault", text=text, advice=advice)]
    return [Finding(check=Check.CREDITS, subject="credits", state="ok", text=f"{store.credits} credits are left")]
