"""`webhooks`: which of a store's own systems are told of events, and what became of every delivery."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.failures import DONE, NOT_FOUND, REFUSED, USAGE, Failure
from cli.options import DebugFlag, JsonFlag, StoreName, YesFlag
from cli.run import Run, execute, require_terminal
from models.enums import DeliveryState, EndpointEnd, OutgoingKind
from models.outgoing import WANTED_KINDS
from models.tables import WebhookEndpoint
from reports.webhooks import (
    DeliveryDocument,
    DeliveryView,
    EndpointDocument,
    EndpointSecretDocument,
    EndpointView,
    deliveries_of,
    delivery_view,
    endpoint_view,
    endpoints_of,
)
from storage.deliveries import NotRetriableError, UnknownDeliveryError, find_delivery, send_again
from storage.endpoints import (
    TooManyEndpointsError,
    UnknownEndpointError,
    add_endpoint,
    disable_endpoint,
    enable_endpoint,
    remove_endpoint,
    rotate_secret,
    send_test,
)
from storage.engine import Database

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

_PAGE: Final = 50
_LOOKS, _LOOK_S = 60, 0.25
_UNDELIVERED: Final = "Temporal cannot be reached: it is sent when the gateway reaches it"
EndpointArgument = Annotated[int, typer.Argument(metavar="ID", help="The endpoint, as `webhooks list` shows it.")]
DeliveryArgument = Annotated[int, typer.Argument(metavar="ID", help="The delivery, as `webhooks deliveries` shows it.")]
Change = Callable[["AsyncSession", int, datetime], Awaitable[WebhookEndpoint]]


def register(app: typer.Typer) -> None:
    """Add the family of commands."""
    family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
    family.command("add")(add)
    family.command("list")(show_all)
    family.command("deliveries")(deliveries)
    family.command("retry")(retry)
    family.command("test")(try_out)
    family.command("disable")(disable)
    family.command("enable")(enable)
    family.command("rotate")(rotate)
    family.command("remove")(remove)
    app.add_typer(family, name="webhooks", help="Tell a store's own systems of events; see every delivery.")


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are posted to; https.")],
    *,
    event: Annotated[
        list[str] | None, typer.Option("--event", metavar="KIND", help="Only this kind; may be repeated.")
    ] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Tell an address of every event from now on, or of some kinds. Its secret is printed, this once.

    Kinds: followup.detected, journey.exited, journey.paused, journey.live, message.failed, template.status_changed.
    """
    return execute(lambda run: _add(run, url, event or []), as_json=as_json, store=store, debug=debug)


def show_all(*, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False) -> int:
    """List the endpoints with what is wrong with them."""
    return execute(_list, as_json=as_json, store=store, debug=debug)


def deliveries(
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only those that were given up or withdrawn.")] = False,
    endpoint: Annotated[int | None, typer.Option("--endpoint", metavar="ID", help="Only those to this one.")] = None,
    before: Annotated[int | None, typer.Option(min=1, metavar="ID", help="Only older ones than this delivery.")] = None,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """List deliveries, newest first, with their tries and the last answer. They are kept for a month."""
    return execute(
        lambda run: _deliveries(run, endpoint, before, failed=failed), as_json=as_json, store=store, debug=debug
    )


def retry(
    delivery: DeliveryArgument, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int:
    """Send a delivery that is over again, under the same id, for a day."""
    return execute(lambda run: _retry(run, delivery), as_json=as_json, store=store, debug=debug)


def try_out(
    endpoint: EndpointArgument, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int:
    """Send an endpoint a test event, also while it is disabled, and tell what it answers."""
    return execute(lambda run: _try_out(run, endpoint), as_json=as_json, store=store, debug=debug)


def disable(
    endpoint: EndpointArgument, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int:
    """Tell an endpoint of nothing more; what is on its way to it is withdrawn."""

    async def change(session: "AsyncSession", store_id: int, now: datetime) -> WebhookEndpoint:
        return await disable_endpoint(session, store_id, endpoint, reason=EndpointEnd.STAFF, now=now)

    return execute(lambda run: _change(run, change, "is disabled"), as_json=as_json, store=store, debug=debug)


def enable(
    endpoint: EndpointArgument, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int:
    """Tell an endpoint of what happens from now on; `deliveries --failed` lists what it has missed."""

    async def change(session: "AsyncSession", store_id: int, _now: datetime) -> WebhookEndpoint:
        return await enable_endpoint(session, store_id, endpoint)

    return execute(lambda run: _change(run, change, "is enabled"), as_json=as_json, store=store, debug=debug)


def remove(
    endpoint: EndpointArgument,
    *,
    yes: YesFlag = False,
    as_json: JsonFlag = False,
    store: StoreName = None,
    debug: DebugFlag = False,
) -> int:
    """Forget an endpoint's address and secrets."""

    async def change(session: "AsyncSession", store_id: int, now: datetime) -> WebhookEndpoint:
        return await remove_endpoint(session, store_id, endpoint, now=now)

    async def ask_first(run: Run) -> int:
        require_terminal(yes=yes)
        if not yes and not run.confirm(f"Remove endpoint {endpoint}?"):
            raise Failure("declined; nothing was changed")
        return await _change(run, change, "is removed")

    return execute(ask_first, as_json=as_json, store=store, debug=debug)


def rotate(
    endpoint: EndpointArgument, *, as_json: JsonFlag = False, store: StoreName = None, debug: DebugFlag = False
) -> int:
    """Give an endpoint a new secret and print it, this once; for a day the old one signs too."""
    return execute(lambda run: _rotate(run, endpoint), as_json=as_json, store=store, debug=debug)


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.", "http://localhost", "https://127.", "https://localhost"))


async def _add(run: Run, url: str, events: list[str]) -> int:
    from providers.addresses import UnsafeUrlError, check_url  # noqa: PLC0415 - commands that reach nobody load no client

    kinds = _kinds(events)
    try:
        check_url(url, private=run.settings.outgoing_private == "allow")
    except UnsafeUrlError as error:
        hint = "; REKINDLE_OUTGOING_PRIVATE=allow is for trying an endpoint on this machine" if _is_local(url) else ""
        raise Failure(f"{error}{hint}", code=USAGE) from None
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                row, secret = await add_endpoint(
                    session, parts.id, url=url, kinds=kinds, cipher=run.cipher, now=run.clock()
                )
            except TooManyEndpointsError as error:
                raise Failure(str(error)) from None
    view = endpoint_view(row)
    run.output.document(EndpointSecretDocument(store=parts.store.slug, endpoint=view, secret=secret))
    run.output.line(secret)
    run.output.note(
        f"endpoint {view.endpoint_id} of {parts.store.slug} is told of {_told_of(view)}. This is the only time that "
        f"its secret is shown; `webhooks test {view.endpoint_id}` tries it out"
    )
    return DONE


async def _list(run: Run) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            found = await endpoints_of(session, parts)
    run.output.document(found)
    if not found.endpoints:
        run.output.line("No system of the store's own is told of anything: `webhooks add URL` adds one.")
        return DONE
    run.output.table(
        ["id", "address", "events", "state", "last delivered"],
        [
            [str(one.endpoint_id), one.url, _told_of(one), _state(one), _moment(one.last_delivered_at)]
            for one in found.endpoints
        ],
    )
    return DONE


async def _deliveries(run: Run, endpoint: int | None, before: int | None, *, failed: bool) -> int:
    states = (DeliveryState.FAILED, DeliveryState.WITHDRAWN) if failed else ()
    async with run.database() as database:
        parts = await run.store(database)
        async with database.read() as session:
            found = await deliveries_of(session, parts, states=states, endpoint_id=endpoint, before=before, limit=_PAGE)
    run.output.document(found)
    if not found.deliveries:
        run.output.line("There are no such deliveries.")
        return DONE
    run.output.table(
        ["id", "endpoint", "event", "happened", "state", "tries", "last answer", "next try"],
        [
            [
                str(one.delivery_id),
                str(one.endpoint_id),
                one.event.value,
                _moment(one.event_at),
                one.state.value,
                str(one.tries),
                _answer(one),
                _moment(one.next_try_at),
            ]
            for one in found.deliveries
        ],
    )
    if found.next is not None:
        run.output.note(f"older ones: --before {found.next}")
    return DONE


async def _retry(run: Run, delivery_id: int) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                view = delivery_view(await send_again(session, parts.id, delivery_id, now=run.clock()))
            except UnknownDeliveryError as error:
                raise Failure(str(error), code=NOT_FOUND) from None
            except NotRetriableError as error:
                raise Failure(str(error)) from None
        started = await _start(run, database)
    run.output.document(DeliveryDocument(store=parts.store.slug, delivery=view, started=started))
    run.output.line(f"delivery {delivery_id} is sent again")
    if not started:
        run.output.note(_UNDELIVERED)
    return DONE


async def _try_out(run: Run, endpoint_id: int) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                delivery_id = await send_test(session, parts.id, endpoint_id, now=run.clock())
            except UnknownEndpointError as error:
                raise Failure(str(error), code=NOT_FOUND) from None
        started = await _start(run, database)
        view = await _outcome(database, parts.id, delivery_id, looks=_LOOKS if started else 1)
    run.output.document(DeliveryDocument(store=parts.store.slug, delivery=view, started=started))
    if view.state is DeliveryState.DELIVERED:
        run.output.line(f"endpoint {endpoint_id} has taken the test (HTTP {view.last_status})", style="green")
        return DONE
    if not started:
        run.output.note(_UNDELIVERED)
    elif view.tries == 0:
        run.output.note("no worker has sent it yet; is one running?")
    else:
        run.output.line(f"endpoint {endpoint_id} has not taken the test: {_answer(view)}", style="red")
    return REFUSED


async def _outcome(database: Database, store_id: int, delivery_id: int, *, looks: int) -> DeliveryView:
    """What came of the first try, as soon as it is known."""
    while True:
        async with database.read() as session:
            view = delivery_view(await find_delivery(session, store_id, delivery_id))
        looks -= 1
        if looks <= 0 or view.settled_at is not None or view.last_status is not None or view.last_error is not None:
            return view
        await asyncio.sleep(_LOOK_S)


async def _rotate(run: Run, endpoint_id: int) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                row, secret = await rotate_secret(session, parts.id, endpoint_id, cipher=run.cipher, now=run.clock())
            except UnknownEndpointError as error:
                raise Failure(str(error), code=NOT_FOUND) from None
    view = endpoint_view(row)
    run.output.document(EndpointSecretDocument(store=parts.store.slug, endpoint=view, secret=secret))
    run.output.line(secret)
    run.output.note(f"the secret before signs beside it until {_moment(view.old_secret_until)}")
    return DONE


async def _change(run: Run, change: Change, what: str) -> int:
    async with run.database() as database:
        parts = await run.store(database)
        async with database.write() as session:
            try:
                view = endpoint_view(await change(session, parts.id, run.clock()))
            except UnknownEndpointError as error:
                raise Failure(str(error), code=NOT_FOUND) from None
    run.output.document(EndpointDocument(store=parts.store.slug, endpoint=view))
    run.output.line(f"endpoint {view.endpoint_id} {what}")
    return DONE


async def _start(run: Run, database: Database) -> bool:
    from cli.temporal import deliver  # noqa: PLC0415 - slow to load, and only now needed

    return await deliver(database, run.clock)


def _kinds(events: list[str]) -> list[OutgoingKind]:
    known = {kind.value: kind for kind in WANTED_KINDS}
    if wrong := [one for one in events if one not in known]:
        raise Failure(*(f"{one[:60]!r} is no event; known are {', '.join(known)}" for one in wrong), code=USAGE)
    return [known[one] for one in events]


def _told_of(view: EndpointView) -> str:
    return "every event" if view.every_event else ", ".join(one.value for one in view.events)


def _state(view: EndpointView) -> str:
    if view.disabled_reason is not None:
        return f"disabled ({view.disabled_reason.value})"
    return f"failing since {_moment(view.failing_since)}" if view.failing_since is not None else "enabled"


def _answer(view: DeliveryView) -> str:
    status = f"HTTP {view.last_status}" if view.last_status is not None else ""
    return ", ".join(part for part in (status, (view.last_error or "").replace("_", " ")) if part)


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else ""
