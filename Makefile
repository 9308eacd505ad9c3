# Every command that the project is developed with; `make help` lists them. They use the python on the PATH.
.DEFAULT_GOAL := help
.PHONY: help install format lint types test test-all control-plane differential e2e-real e2e-nodes nightly generate lock \
	images kind kind-two-regions kind-down picture clean
PYTHON ?= python
CONTROL_PLANE ?= $(or $(SPIKO_CLUSTER_BIN),$(HOME)/.cache/spiko-cluster/bin)

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 20

install: ## the package, editable, with all that tests and linters need
	$(PYTHON) -m pip install --upgrade 'pip>=25.1'
	$(PYTHON) -m pip install --editable '.[local,test]' --group dev

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

test-all: ## these, and the end-to-end tests on our own API server
	$(PYTHON) -m pytest --all -n 2

control-plane: ## build the real control plane and its measuring tools, with Go (minutes, then cached)
	$(PYTHON) tests/support/control_plane/build.py etcd kubernetes otelcol load jaeger helm prometheus

differential: ## compare our API server with Kubernetes' own, and record that it was done
	KUBE_DEVSERVER_BINARIES="$(CONTROL_PLANE)" $(PYTHON) -m pytest -m differential kube-devserver
	$(PYTHON) kube-devserver/tests/differential/verified.py write

e2e-real: ## the end-to-end tests on the real control plane, the Helm chart's, and kubectl's answers there compared with ours
	SPIKO_TEST_CONTROL_PLANE=real $(PYTHON) -m pytest -m "e2e or differential or helm" tests

e2e-nodes: ## the tests on real nodes: in kind, or in the cluster of SPIKO_TEST_NODES_KUBECONFIG
	$(PYTHON) -m pytest -m nodes --durations=0 tests/nodes

nightly: e2e-nodes ## these, and the long measurements, with their results in docs/performance.md
	$(PYTHON) -m pytest -m nightly
	$(PYTHON) -m tests.bench.nightly docs/performance.md

generate: ## crds, docs/reference and the chart from the models
	$(PYTHON) -m spiko_operator.api.schema crds/
	$(PYTHON) -m spiko_operator.api.schema charts/spiko/files/crds/
	$(PYTHON) -m spiko_cli.reference docs/reference
	$(PYTHON) docs/chart_values.py charts/spiko

lock: ## the locked packages of the images, from pyproject.toml (needs uv)
	for image in nanoservice operator; do $(PYTHON) -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-build \
		--generate-hashes --extra $$image --custom-compile-command 'make lock' --output-file images/$$image.lock pyproject.toml || exit; done

images: ## the container images, with docker, podman or buildah; TAG, BASE and REGISTRY as in images/build.sh
	images/build.sh

kind: ## a kind cluster with three zones, with the images and the chart
	images/kind.sh up kind-config.yaml lamp

kind-two-regions: ## the same with two regions of three zones
	images/kind.sh up kind-config-two-regions.yaml netflixoss-two-regions

kind-down: ## delete the kind cluster
	images/kind.sh down

picture: ## docs/pictures/run.svg, from a real run
	spiko run examples/lamp.yaml | $(PYTHON) docs/pictures/make.py 'spiko run examples/lamp.yaml' docs/pictures/run.svg

clean: ## remove caches and build results
	rm -rf dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
