"""The workflows' code is read once a process, however many workflows load it."""

import importlib
import sys
from collections.abc import Iterator

import pytest

import workflows
from workflows.loading import share_code


@pytest.fixture
def _finders() -> Iterator[None]:
    before = list(sys.meta_path)
    yield
    sys.meta_path[:] = before


@pytest.mark.usefixtures("_finders")
def test_a_module_that_is_loaded_again_shares_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sandbox gets a module of its own whose functions are made of the same code objects."""
    share_code()
    # An import also sets the package's attribute: put back what the other tests mean.
    monkeypatch.setattr(workflows, "journey", importlib.import_module("workflows.journey"))
    loaded = []
    for _ in range(2):
        monkeypatch.delitem(sys.modules, "workflows.journey", raising=False)
        loaded.append(importlib.import_module("workflows.journey"))
    first, second = loaded
    assert first is not second
    assert first.JourneyWorkflow is not second.JourneyWorkflow
    assert first.JourneyWorkflow.run.__code__ is second.JourneyWorkflow.run.__code__


@pytest.mark.usefixtures("_finders")
def test_asking_twice_installs_one_finder() -> None:
    """A process may start several fleets."""
    share_code()
    before = len(sys.meta_path)
    share_code()
    assert len(sys.meta_path) == before
