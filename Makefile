# One machine without containers. Settings are environment variables or arguments of make:
#   make up GATEWAY_PORT=9080 STATE_DIR=.local-2 MODEL_DIR=../my-model

# Debian's own, also when another python3.11 comes first on PATH: the lock is made for it.
SYSTEM_PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11) python3.11)
PYTHON := .venv/bin/python
BIN := .venv/bin
HANDLERS = $(wildcard functions/*/handler.py)

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up down status logs clean model check test test-unit test-airgapped test-compose test-kubernetes security chaos chaos-full bench bench-full venv fetch fetched installed

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

up: venv ## start everything and classify a picture; MODEL_DIR=folder serves that model
	@$(PYTHON) -m local.services up --model-dir "$(MODEL_DIR)"

down: installed ## stop everything; the data stay
	@$(PYTHON) -m local.services down

status: installed ## show every process: health, memory, replicas
	@$(PYTHON) -m local.services status

logs: installed ## show the logs; s=NAME for one service or function, f=1 to follow
	@$(PYTHON) -m local.services logs $(s) $(if $(filter 1,$(f)),--follow)

clean: installed ## stop everything and remove its data; asks first, unless YES=1
	@$(PYTHON) -m local.services clean $(if $(filter 1,$(YES)),--yes)

model: venv ## fetch MobileNetV2 (ImageNet) through Keras into the cache; `make up` then serves it
	@$(PYTHON) -m models.prepare --download

check: venv ## lint, formatting, types, known weaknesses, and who may import whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy pipeline local gateway oidc models imagectl bench tests deploy
	@set -e; for handler in $(HANDLERS) consumers/*/main.py consumers/*/autoscaler.py consumers/*/async_calls.py; do $(BIN)/mypy $$handler; done
	@$(BIN)/bandit -q -ll -c pyproject.toml -r pipeline functions consumers gateway oidc local imagectl models template
	@$(BIN)/pytest -q tests/unit/test_rooms.py

test: check fetched ## check, then every test and a short storm, on real services that the tests start
	@$(PYTHON) -m tests.suite

test-unit: venv ## the tests that need no service
	@$(BIN)/pytest tests/unit

test-airgapped: fetched ## a start and the unit tests in a fresh clone without a network; as root
	@$(PYTHON) -m tests.airgapped

test-compose: fetched ## the end-to-end tests and a storm on docker-compose.yml; starts Docker if need be
	@$(PYTHON) -m tests.compose

test-kubernetes: fetched ## the same tests and a storm on deploy/chart in a cluster that the run starts; as root
	@$(PYTHON) -m tests.kubernetes

security: fetched ## try hostile pictures, forms, events and requests at length, a quarter of an hour
	@$(PYTHON) -m tests.security

chaos: fetched ## kill, cut and poison a stack for ten minutes; nothing accepted may be lost
	@$(PYTHON) -m tests.chaos

chaos-full: fetched ## the same for hours, with the figures as promised; writes docs/guarantees.md
	@$(PYTHON) -m tests.chaos --full

bench: check fetched ## measure everything for ten minutes; writes bench/RESULTS.md
	@$(PYTHON) -m bench

bench-full: check fetched ## the same for hours, with rounds and numbers as promised
	@$(PYTHON) -m bench --full

venv:
	@$(SYSTEM_PYTHON) -m local.services.bootstrap

fetch: venv ## fill the cache with all that a start needs, and tell what it holds
	@$(PYTHON) -m local.services fetch

fetched: venv
	@$(PYTHON) -m local.services fetch --quiet

installed:
	@test -x $(PYTHON) || { echo "Nothing is installed yet; \`make up\` does it."; exit 1; }
