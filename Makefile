# `make help` lists the targets. Everything runs from a hash-locked virtual environment in .venv.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
REGISTRY ?=
CLUSTER ?= test

.PHONY: help setup lock generate check lint unit test faults e2e demo bench bench-verdicts soak images cluster-up cluster-down clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | column -t -s "$$(printf '\t')"

setup: .venv/.complete ## Make a complete .venv

.venv/.complete: requirements/dev-py311.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev-py311.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

lock: ## Lock the requirements again, with hashes
	requirements/lock.sh

generate: setup ## Write crds/, RBAC and the API reference
	$(BIN)/modelrollout generate

lint: setup ## Lint, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/modelrollout generate --check

unit: setup ## Unit, conformance and sequence tests with a sample of the fault points
	$(BIN)/pytest -q -n 2 tests/unit tests/conformance tests/sequences

check: lint unit ## What every commit passes
	$(BIN)/pytest -q tests/api

test: check ## Everything: a fault at every write, the test cluster, end to end on real components
	$(BIN)/pytest -q -n 2 tests/sequences/test_faults.py tests/sequences/test_random.py --every-write
	$(BIN)/pytest -q -n 2 tests/verdicts
	$(BIN)/pytest -q -n 2 tests/docs
	$(BIN)/pytest -q tests/soak
	$(BIN)/pytest -q tests/servers
	$(BIN)/pytest -q tests/pages
	$(BIN)/pytest -q tests/cluster
	$(BIN)/pytest -q tests/e2e

faults: setup ## Every fault at every write of every story (an hour on a slow machine)
	$(BIN)/pytest -q -n 2 tests/sequences/test_faults.py --every-fault

e2e: setup ## Only the end-to-end tests
	$(BIN)/pytest -q tests/e2e

demo: setup ## Watch real models being rolled out (CLUSTER=current REGISTRY=…: on the current kube context)
	$(BIN)/python -m tests.demo --cluster $(CLUSTER) $(if $(REGISTRY),--registry $(REGISTRY))

bench: setup ## Measure what the documents claim, as a table
	$(BIN)/python -m tests.bench

bench-verdicts: setup ## Measure how often verdicts are right, ours beside others' (resumable)
	$(BIN)/python -m tests.verdicts

soak: setup ## Show that capturing predictions never hurts a client, with its cost and its memory (20 minutes)
	$(BIN)/python -m tests.soak

images: setup ## Build the images; with REGISTRY=… also push them there
	$(BIN)/python -m tests.cluster images $(if $(REGISTRY),--registry $(REGISTRY))

cluster-up: setup ## Start the test cluster
	$(BIN)/python -m tests.cluster up

cluster-down: setup ## Stop the test cluster and leave nothing behind
	$(BIN)/python -m tests.cluster down

clean: ## Remove what was built in the work tree
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
