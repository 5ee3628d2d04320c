"""The environment of Python programs that tests start."""

import contextlib
import os
import signal
from collections.abc import Iterator


def plain_environment() -> dict[str, str]:
    """This process's environment without what would configure Rekindle or Temporal.

    Whatever this process was told about them, compiled modules are kept where Python keeps them: compiling all of them
    again takes longer than most programs here run.
    """
    ours = ("REKINDLE_", "TEMPORAL_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextlib.contextmanager
def hearing_ctrl_c() -> Iterator[None]:
    """Programs that start within hear SIGINT, also where the tests run in a shell's background, which ignores it."""
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
