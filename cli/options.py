"""The options that every command has, and the one that answers its question beforehand."""

from typing import Annotated

import typer

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
StoreName = Annotated[
    str | None, typer.Option("--store", metavar="NAME", help="Which store; needed only where there are several.")
]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
