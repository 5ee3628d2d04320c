"""What the workflow sandbox loads: our workflow modules, and nothing that could come from the worker.

A module that is not passed through is loaded again for every cached workflow, at about ten times the memory.
"""

import asyncio
import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest
from temporalio import workflow
from temporalio.worker import Replayer
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.worker.workflow_sandbox._restrictions import RestrictedModule

from workflows.plugin import PASSED_THROUGH, WORKFLOWS, RekindlePlugin

_GIVEN = frozenset({"sys", "builtins", "__main__"})
"""Modules that every sandbox is given by the SDK itself."""


def _restrictions() -> SandboxRestrictions:
    """The restrictions that the plugin gives to whatever runs our workflows."""
    runner = Replayer(workflows=WORKFLOWS, plugins=[RekindlePlugin()]).config(active_config=True)["workflow_runner"]
    assert isinstance(runner, SandboxedWorkflowRunner)
    return runner.restrictions


def _loaded_afresh(restrictions: SandboxRestrictions, one: type) -> set[str]:
    """The modules of which a sandboxed instance of the workflow has a copy of its own."""
    kept: list[Any] = []

    class Keeping(SandboxedWorkflowRunner):
        def create_instance(self, det: Any) -> Any:
            kept.append(super().create_instance(det))
            return kept[-1]

    async def prepare() -> None:
        Keeping(restrictions=restrictions).prepare_workflow(workflow._Definition.must_from_class(one))

    # An instance makes itself at home on the loop that runs, which must not be the tests' own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, prepare()).result()
    inside: dict[str, ModuleType] = kept[0].importer.new_modules
    shared = sys.modules
    return {
        name
        for name, module in inside.items()
        if name not in _GIVEN and module is not shared.get(name) and not isinstance(module, RestrictedModule)
    }


@pytest.mark.parametrize("one", WORKFLOWS, ids=lambda one: one.__name__)
def test_a_workflow_loads_our_workflow_modules_and_nothing_else(one: type) -> None:
    """An instance has its own copy of its workflow's module; whatever is not in `workflows` it shares."""
    afresh = _loaded_afresh(_restrictions(), one)
    assert one.__module__ in afresh
    assert {name for name in afresh if name.partition(".")[0] != "workflows"} == set()


@pytest.mark.parametrize("package", ["activities", "models"])
def test_an_import_that_is_not_passed_through_is_noticed(package: str) -> None:
    """Taking one package off the list shows in the journey's modules: the test above can fail."""
    restrictions = _restrictions()
    fewer = dataclasses.replace(restrictions, passthrough_modules=restrictions.passthrough_modules - {package})
    assert package in _loaded_afresh(fewer, WORKFLOWS[0])


def test_everything_that_is_passed_through_exists() -> None:
    """A misspelt entry would pass nothing through and never be noticed."""
    assert set(PASSED_THROUGH) <= _restrictions().passthrough_modules
    assert [name for name in PASSED_THROUGH if find_spec(name) is None] == []
