"""The environment of Python programs that tests start."""

import os
from pathlib import Path


def plain_environment(scratch: Path) -> dict[str, str]:
    """This process's environment without what would configure Rekindle or Temporal.

    Compiled modules are kept in `scratch`, whatever this process was told about them: compiling all of them again
    takes longer than most programs here run.
    """
    ours = ("REKINDLE_", "TEMPORAL_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONPYCACHEPREFIX": str(scratch / "bytecode")}
