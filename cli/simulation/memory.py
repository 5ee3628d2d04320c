"""Python's cyclic collector in a process that holds an order file, or thousands of open journeys, until it ends."""

import contextlib
import gc
from collections.abc import Iterator

_YOUNG, _MIDDLE, _OLD = 20_000, 20, 1_000


@contextlib.contextmanager
def rare_full_collections() -> Iterator[None]:
    """Inside the block look for garbage among young objects only, or nearly so.

    A full collection walks through every object: seconds, with thousands of journeys in memory, in which no workflow
    answers. Temporal's SDK takes that for a deadlock after two, and nothing that is kept until the end is garbage.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
