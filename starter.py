"""The command line's door: `python starter.py --help` lists what it does."""

import quick_start  # noqa: F401 - for its effect

import sys

from cli.app import main

if __name__ == "__main__":
    sys.exit(main())
