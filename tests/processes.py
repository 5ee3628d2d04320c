"""The environment of Python programs that tests start."""

import os


def plain_environment() -> dict[str, str]:
    """This process's environment without what would configure Rekindle or Temporal.

    Whatever this process was told about them, compiled modules are kept where Python keeps them: compiling all of them
    again takes longer than most programs here run.
    """
    ours = ("REKINDLE_", "TEMPORAL_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
