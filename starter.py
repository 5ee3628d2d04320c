"""The command line's door: `python starter.py --help` lists what it does."""

import gc
import sys

# What a program loads is no garbage: looking for some among it is a fifth of the time that a command takes to start.
gc.set_threshold(20_000, 20, 50)

from cli.app import main  # noqa: E402 - see above

if __name__ == "__main__":
    sys.exit(main())
