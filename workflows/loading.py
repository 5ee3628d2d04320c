"""Loads the workflows' own modules from the disk once a process.

Temporal's sandbox executes a workflow's module anew for every workflow, and Python's loader reads and unpacks the
compiled file each time: forty kilobytes of code in every cached journey, and, should somebody replace the files under
a running worker, new code in journeys that an old worker still serves. Code objects never change, so all of them can
share one.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

_PACKAGE = "workflows"


class _SharedCodeLoader(SourceFileLoader):
    """The usual loader, with a memory."""

    def __init__(self, fullname: str, path: str, known: dict[str, CodeType | None]) -> None:
        super().__init__(fullname, path)
        self._known = known

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, read at the first call."""
        if fullname not in self._known:
            self._known[fullname] = super().get_code(fullname)
        return self._known[fullname]


class _WorkflowFinder:
    """Finds this package's modules where Python would, and has them loaded with shared code."""

    def __init__(self) -> None:
        self._known: dict[str, CodeType | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What `sys.meta_path` asks; None leaves a module to the next finder."""
        if fullname.partition(".")[0] != _PACKAGE:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _SharedCodeLoader(fullname, spec.loader.path, self._known)
        return spec


def share_code() -> None:
    """Let every sandbox of this process share the code of the workflows' modules; later calls change nothing."""
    if not any(isinstance(finder, _WorkflowFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _WorkflowFinder())
