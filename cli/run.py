"""One run of a command: what it was told, what it may use, and how it ends."""

import asyncio
import contextlib
import contextvars
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from cli.failures import INTERRUPTED, NOT_FOUND, USAGE, Failure, explain
from cli.output import Output, write_failure
from composition import cipher_from, connect, open_database, run_async, services_from, system_clock
from observability import configure_logging, redact_text
from settings import Settings, load_settings
from storage.engine import Database
from storage.secrets import Cipher
from storage.stores import StoreParts, UnknownStoreError, all_stores, find_store

if TYPE_CHECKING:
    from activities.services import Services

UNDELIVERED = "Temporal cannot be reached: no more messages are sent, and the gateway tells the workflows later"
"""Of events that are stored and wait for their signals to go out."""

_LET_THE_RUNTIME_END_S = 0.02

_clock: contextvars.ContextVar[Callable[[], datetime]] = contextvars.ContextVar("clock", default=system_clock)

ResultT = TypeVar("ResultT")


@contextlib.contextmanager
def use_clock(clock: Callable[[], datetime] | None) -> Iterator[None]:
    """Let commands inside the block read this clock."""
    token = _clock.set(clock or system_clock)
    try:
        yield
    finally:
        _clock.reset(token)


@dataclass
class Run:
    """What a command works with.

    Attributes:
        output: where its words go.
        store_name: `--store`.
        clock: what time it is.
    """

    output: Output
    store_name: str | None
    clock: Callable[[], datetime] = field(default_factory=_clock.get)

    @cached_property
    def settings(self) -> Settings:
        """The process's settings.

        Raises:
            SettingsError: they cannot be used.
        """
        return load_settings()

    @cached_property
    def cipher(self) -> Cipher:
        """What opens the stores' secrets.

        Raises:
            SecretKeyError: there is no usable key.
        """
        return cipher_from(self.settings)

    @contextlib.asynccontextmanager
    async def database(self) -> AsyncIterator[Database]:
        """The database, its schema looked at."""
        async with open_database(self.settings) as database:
            yield database

    async def store(self, database: Database) -> StoreParts:
        """The store that the command is about.

        Raises:
            UnknownStoreError: there is none, or none of that name.
            Failure: there are several and none was named.
        """
        async with database.read() as session:
            try:
                return await find_store(session, self.store_name)
            except UnknownStoreError as error:
                several = self.store_name is None and len(await all_stores(session)) > 1
                raise Failure(str(error.args[0]), code=USAGE if several else NOT_FOUND) from error

    @contextlib.asynccontextmanager
    async def services(self, database: Database) -> AsyncIterator["Services"]:
        """The outside world, Temporal included.

        Raises:
            TemporalUnavailableError: nobody answers there.
        """
        client = await connect()
        async with services_from(self.settings, database, self.cipher, client) as services:
            yield services

    def confirm(self, question: str) -> bool:
        """Ask on stderr; call `require_terminal` before any work is done."""
        # While we wait for an answer, asyncio's own handler would only take a note of Ctrl-C.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.output.notes.print(f"{question} [y/N] ", end="")
            answer = sys.stdin.readline()
        except KeyboardInterrupt:
            raise Failure("interrupted; nothing was changed", code=INTERRUPTED) from None
        finally:
            signal.signal(signal.SIGINT, before)
        return answer.strip().lower() in {"y", "yes"}


def require_terminal(*, yes: bool) -> None:
    """See that a question can be asked, or need not be.

    Raises:
        Failure: there is nobody to ask, and no `--yes`.
    """
    if not yes and not sys.stdin.isatty():
        raise Failure("this command asks before it acts, and there is no terminal to ask on; add --yes", code=USAGE)


def execute(work: Callable[[Run], Awaitable[int]], *, as_json: bool, store: str | None, debug: bool) -> int:
    """Carry a command out.

    Returns:
        Its exit code; errors are told on stderr.
    """
    configure_logging("debug" if debug else "error", "console")
    run = Run(Output(as_json=as_json), store)
    try:
        return run_async(_with_rest(work(run)))
    except BrokenPipeError:
        raise
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every end of a command has lines and a code
        if debug and not isinstance(error, Failure):
            # A traceback may quote values; it goes through the same cleaning as a log line.
            sys.stderr.write(redact_text("".join(traceback.format_exception(error))))
        failure = explain(error)
        write_failure(failure.lines, failure.code, as_json=as_json)
        return failure.code


async def _with_rest(work: Awaitable[ResultT]) -> ResultT:
    try:
        return await work
    finally:
        # Temporal's runtime can abort an interpreter that ends right after it, and the exit code would lie
        # (sdk-python#300).
        if "temporalio" in sys.modules:
            await asyncio.sleep(_LET_THE_RUNTIME_END_S)
