# Every command that the project is developed with; `make help` lists them. They use the python on the PATH.
.DEFAULT_GOAL := help
.PHONY: help install lamp format lint types test control-plane e2e generate wheel clean
PYTHON ?= python

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

install: ## the package, editable, with all that tests and linters need
	$(PYTHON) -m pip install --upgrade 'pip>=25.1'
	$(PYTHON) -m pip install --editable '.[local]' --group dev

lamp: ## lamp up on a real control plane, traffic, a kill, a report
	examples/try-lamp.sh

format: ## rewrite the source as ruff wants it
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

lint: ## ruff, and who may import whom
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	lint-imports

types: ## mypy, strict
	$(PYTHON) -m mypy

test: ## all tests that need no cluster
	$(PYTHON) -m pytest

control-plane: ## build the real control plane for e2e, with Go (minutes, then cached)
	$(PYTHON) tests/cluster/build.py

e2e: ## the tests that need the real control plane
	$(PYTHON) -m pytest -m e2e

generate: ## crds and docs/reference from the models
	$(PYTHON) -m spiko_operator.api.schema crds/
	$(PYTHON) -m spiko_cli.reference docs/reference

wheel: ## dist/*.whl
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .

clean: ## remove caches and build results
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
