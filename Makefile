# Everything that people and CI run; `make` alone lists it. Each target works on a fresh checkout: the environment in
# .venv is made on the first call and renewed when a requirements file changes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
PYTEST_ARGS ?=
JOURNEYS ?= 300
CHAOS_ARGS ?=
AIMOCK ?= 1.43.0
VENV_PYTHON := .venv/bin/python
READY := .venv/.ready

.PHONY: help setup demo up test lint format typecheck bench chaos aimock lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## make .venv with the pinned packages, each checked by its hash

$(READY): requirements.txt requirements-dev.txt
	@command -v $(PYTHON) >/dev/null || { echo "No '$(PYTHON)' found. Install Python 3.11 or newer, or say which one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Rekindle needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Say another: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "'$(PYTHON)' has no venv module; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt -r requirements-dev.txt
	@touch $@

demo: $(READY)  ## see a win-back journey run, from launch to report, with no account anywhere
	$(VENV_PYTHON) starter.py demo

up: $(READY)  ## the embedded stack: Temporal, worker, gateway and sandbox, until Ctrl-C
	$(VENV_PYTHON) starter.py up

test: $(READY)  ## run the tests (PYTEST_ARGS="-k calendar" passes options on)
	$(VENV_PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(READY)  ## style, formatting and the direction of imports
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	PYTHONPATH=. .venv/bin/lint-imports

format: $(READY)  ## let the formatter and the safe fixes change files
	$(VENV_PYTHON) -m ruff format .
	$(VENV_PYTHON) -m ruff check --fix .

typecheck: $(READY)  ## mypy --strict over every package and the tests
	$(VENV_PYTHON) -m mypy .

bench: $(READY)  ## print measured figures beside their yardsticks
	$(VENV_PYTHON) -m bench

chaos: $(READY)  ## kill, cut and delay everything while journeys run, and check every promise (JOURNEYS=10000, CHAOS_ARGS="--database postgresql")
	$(VENV_PYTHON) -m tests.chaos --journeys $(JOURNEYS) $(CHAOS_ARGS)

aimock:  ## install aimock into .cache, an OpenAI-compatible mock that some tests ask if it is there (needs npm)
	npm install --silent --no-audit --no-fund --prefix .cache/aimock @copilotkit/aimock@$(AIMOCK)

lock:  ## renew the pinned requirements (for maintainers; needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements.in -o requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements-dev.in -o requirements-dev.txt

clean:  ## remove .venv and the tools' caches (never var/, where the data is)
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
