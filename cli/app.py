"""Finds the command that was asked for and loads only that one's module.

`status` must answer at once, so it may not wait for the sandbox or for Temporal's libraries to load. A command's
module has a function `register(app)` that adds the command, or the family of commands, to the application.
"""

import importlib
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import typer
from typer.exceptions import TyperException

from cli.failures import INTERRUPTED, REFUSED, USAGE
from cli.output import write_failure
from cli.run import use_clock

_COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("cli.stack", "Run the embedded stack until Ctrl-C: Temporal, worker, gateway and sandbox."),
    "demo": ("cli.simulation.command", "See a win-back run, from launch to report, with no account anywhere."),
    "store": ("cli.store", "Add, list and check stores with their numbers and shops."),
    "validate": ("cli.validate", "Read a journey file and list everything that is wrong with it."),
    "simulate": ("cli.simulation.command", "Run journeys against a file of orders on a virtual clock."),
    "launch": ("cli.launch", "Select a journey's audience, show it, ask, and start it."),
    "publish": ("cli.publish", "Give a journey a new version for new entrants, showing who will see what."),
    "journeys": ("cli.journeys", "List the journeys with who is in them and how it ended, or one with all of it."),
    "stats": ("cli.stats", "A journey's numbers: who entered and how it ended, messages, orders, what it brought."),
    "runs": ("cli.runs", "What the runs of a tracking journey came to, conversation by conversation if asked."),
    "run-now": ("cli.run_now", "Review a tracking journey's conversations at once."),
    "archive": ("cli.archive", "Put a journey that is over away, or take it out again."),
    "stop": ("cli.stop", "End a journey for everybody in it, or for one customer."),
    "pause": ("cli.pause", "Send nothing of a journey until it is resumed."),
    "resume": ("cli.pause", "Let a paused journey send again."),
    "report": ("cli.report", "Write a journey's messages, orders, and who got none and why, to a file; mail it."),
    "rates": ("cli.rates", "What currencies are worth in US dollars, for the reports: list, set, import, remove."),
    "status": ("cli.status", "What a customer is in, what happens next, and everything so far."),
    "approvals": ("cli.approvals", "List the messages that wait for a person, with what they say."),
    "approve": ("cli.approvals", "Let a waiting message go, as it is or with a text of your own."),
    "reject": ("cli.approvals", "Do not send a waiting message; the customer's journey ends."),
    "why-not": ("cli.why_not", "Every entry rule of a journey for one customer, evaluated now."),
    "templates": ("cli.templates", "The store's WhatsApp templates; --sync asks Meta first; unblock, substitute."),
    "credits": ("cli.credits", "What a store may still spend on messages and on the model; open, add, price, list."),
    "sends": ("cli.sends", "List messages by what became of them; settle one of which nobody knows."),
    "customers": ("cli.customers", "Import customers, opt one out, erase one, or export what is stored of one."),
    "keys": ("cli.keys", "Create, list or revoke keys of the staff API."),
    "evaluate": ("cli.evaluation.command", "Measure how well the model judges conversations that people have judged."),
    "webhooks": ("cli.webhooks", "Tell a store's own systems of events; see every delivery."),
    "history": ("cli.history", "Save a workflow's Temporal history as JSON."),
    "doctor": ("cli.doctor", "Check settings, database, Temporal, connections and journeys."),
}


def main(arguments: Sequence[str] | None = None, *, clock: Callable[[], datetime] | None = None) -> int:
    """Run one command.

    Args:
        arguments: without the program's name; the process's own if left out.
        clock: what time it is; the wall clock if left out.

    Returns:
        The exit code: 0 done, 1 refused or failed, 2 wrong usage, 3 nothing found, 130 interrupted.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    try:
        with use_clock(clock):
            code = _application(words)(words, prog_name="starter.py", standalone_mode=False)
    except typer.Exit as end:
        return int(end.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        write_failure(["interrupted"], INTERRUPTED, as_json=as_json)
        return INTERRUPTED
    except TyperException as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            sys.stderr.write(f"{error.format_message()}\n")
            return USAGE
        lines = [_one_line(error.format_message()), f"`{_help_of(words)}` shows how it is used"]
        write_failure(lines, USAGE, as_json=as_json)
        return USAGE
    except BrokenPipeError:
        return REFUSED
    return code if isinstance(code, int) else 0


def _application(words: Sequence[str]) -> Callable[..., Any]:
    app = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
        help="Rekindle brings quiet customers back over WhatsApp.",
    )
    app.callback()(_no_options)
    wanted = next((word for word in words if not word.startswith("-")), None)
    for name, (_, summary) in _COMMANDS.items():
        if name != wanted:
            app.command(name, help=summary)(_not_loaded)
    if wanted in _COMMANDS:
        _load(_COMMANDS[wanted][0]).register(app)
    return app


def _load(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (error.name == "sandbox" or error.name.partition(".")[0] in _DEVELOPMENT):
            raise TyperException(f"this command needs {error.name}: install requirements-dev.txt") from error
        raise


_DEVELOPMENT: Final = frozenset({"graphql", "psutil"})
"""What only the sandbox needs; a production image does not have it."""


def _no_options() -> None:
    """Rekindle brings quiet customers back over WhatsApp."""


def _not_loaded() -> None:
    """Stands in the list of commands for one that was not asked for."""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _help_of(words: Sequence[str]) -> str:
    names = [word for word in words if not word.startswith("-")][:1]
    return " ".join(["starter.py", *(name for name in names if name in _COMMANDS), "--help"])
