"""The files that a deployment is made of agree with the code and hold no secrets."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from temporalio.common import SearchAttributeIndexedValueType

from activities.search_attributes import ALL
from settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


@pytest.fixture(scope="module", name="services")
def _services() -> dict[str, Any]:
    services: dict[str, Any] = YAML(typ="safe").load(COMPOSE)["services"]
    return services


def test_the_namespace_gets_the_search_attributes_that_workflows_use(services: dict[str, Any]) -> None:
    """Names and types in docker-compose.yml are those of the code; a missing one would stop every start."""
    types = {SearchAttributeIndexedValueType.KEYWORD: "Keyword", SearchAttributeIndexedValueType.INT: "Int"}
    registered = services["temporal-namespace"]["environment"]["REKINDLE_SEARCH_ATTRIBUTES"].split()
    assert set(registered) == {f"{key.name}={types[key.indexed_value_type]}" for key in ALL}


def test_every_setting_is_in_the_example_and_none_has_a_value() -> None:
    """`.env.example` names each setting once; nothing in it works as a secret or hides a default."""
    lines = [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Z_]+=", line) for line in lines)
    assert {f"{PREFIX}{name.upper()}=" for name in Settings.model_fields} <= set(lines)


def test_every_variable_of_the_composition_is_in_the_example() -> None:
    """What docker-compose.yml asks the environment for, `.env.example` explains, but for the image's tag."""
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE)) - {"REKINDLE_IMAGE_TAG"}
    assert asked <= set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))


def test_secrets_have_no_default() -> None:
    """A password or key that is not set stops the start; only the optional model's key may be empty."""
    for name, operator in re.findall(r"\$\{(\w*(?:PASSWORD|KEYS?))(:.)", COMPOSE):
        assert operator == (":-" if name == "REKINDLE_LLM_API_KEY" else ":?"), name
    assert "${REKINDLE_LLM_API_KEY:-}" in COMPOSE


def test_nothing_listens_beyond_this_machine(services: dict[str, Any]) -> None:
    """Every published port is bound to the loopback; neither Temporal nor its console asks for a password."""
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_images_are_pinned(services: dict[str, Any]) -> None:
    """Each foreign image has an exact version."""
    foreign = {service["image"] for service in services.values() if "build" not in service}
    bases = set(re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE))
    for image in foreign | bases:
        assert re.search(r":\d+\.\d+(\.\d+)?(-\w+)*$", image), image


def test_what_runs_once_is_waited_for(services: dict[str, Any]) -> None:
    """Gateway and worker start after the migrations, the namespace and its attributes are there."""
    for name in ("gateway", "worker"):
        waits = services[name]["depends_on"]
        assert (
            waits["migrate"]["condition"]
            == waits["temporal-namespace"]["condition"]
            == "service_completed_successfully"
        )


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_package_is_pinned_with_hashes_and_without_an_address(name: str) -> None:
    """Each requirement is exact and has hashes; no index or address stands in the file."""
    content = (ROOT / name).read_text(encoding="utf-8")
    requirements = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", content, flags=re.MULTILINE).strip())
    assert len(requirements) > 30
    for requirement in requirements:
        assert re.match(r"[a-z0-9-]+==\S+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement, requirement[:80]
    assert "://" not in content
    assert "--index" not in content
    assert "--find-links" not in content


def test_the_two_requirements_files_agree() -> None:
    """A package in both files has the same version, so that they install together."""
    pins = [
        dict(re.findall(r"^([a-z0-9-]+)==([^ ;\\]+)", (ROOT / name).read_text(), re.MULTILINE)) for name in REQUIREMENTS
    ]
    assert all(pins[0][package] == pins[1][package] for package in pins[0].keys() & pins[1].keys())
