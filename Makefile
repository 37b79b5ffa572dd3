# make run starts bodoweb, make test proves that it works. make help lists the rest.

SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
PACKAGES := bodoweb billing jobs clusters workspaces accounts
# The machine's npm, or the one that comes with the Python packages.
NPM = PATH="$$PATH:$(CURDIR)/$(BIN)" npm --no-audit --no-fund --ignore-scripts --loglevel=error

.DEFAULT_GOAL := help
.PHONY: help setup run stop demo test test-default test-postgres faults soak e2e bench check \
	format lock browser setup-test

help: ## list these targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | expand -t 16

run: setup ## start web, notebook origin, workers and controller; Ctrl-C stops them
	@exec $(BIN)/python manage.py up

stop: .venv/run.stamp ## stop what make run started, and all clusters, jobs and notebooks on this machine
	@$(BIN)/python manage.py down

demo: setup ## make a demo organization and say how to sign in
	@$(BIN)/python manage.py demo

test: setup-test check test-default test-postgres faults e2e ## everything: checks and all tests

test-default: setup-test ## the quick tests, on SQLite
	$(BIN)/pytest -n auto

test-postgres: setup-test ## those of the quick tests that use a database, on a private PostgreSQL
	$(BIN)/python -m tests.postgres $(BIN)/pytest -n auto --ignore tests/clouds

faults: setup-test ## kill processes of the real stack
	$(BIN)/pytest -m fault -n 2 || [ $$? -eq 5 ]

soak: setup-test ## kill at random while users work; BODO_SOAK_KILLS=60, BODO_FAULT_SEED
	$(BIN)/pytest -m soak -s || [ $$? -eq 5 ]

e2e: setup-test ## a browser against the real stack
	$(BIN)/pytest -m e2e -n 2 --dist loadfile || [ $$? -eq 5 ]

bench: setup-test ## measure; prints ratios
	$(BIN)/pytest -m bench -s || [ $$? -eq 5 ]

check: setup-test ## format, lint, types, import contracts, migrations, templates
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(PACKAGES)
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	git ls-files '*.html' | xargs $(BIN)/djade --check --target-version 5.2

format: setup-test ## format Python and templates
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	git ls-files '*.html' | xargs $(BIN)/djade --target-version 5.2 || true

lock: setup-test ## compile requirements/ from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --extra test $(LOCK) -o requirements/test.txt
	$(BIN)/uv pip compile pyproject.toml -c requirements/test.txt $(LOCK) -o requirements/run.txt

LOCK := --quiet --universal --generate-hashes --no-header --no-annotate

# Set-up. Stamps make a second start quick; a changed lock file makes them old.

setup: .venv/run.stamp node_modules/run.stamp ## install what make run needs

setup-test: .venv/test.stamp node_modules/test.stamp browser

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "bodoweb needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || $(call apt,python3-venv)
	@echo "Making a virtual environment in .venv"
	@$(PYTHON) -m venv .venv

.venv/run.stamp: requirements/run.txt | .venv/bin/python
	@echo "Installing Python packages"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch $@

.venv/test.stamp: requirements/test.txt | .venv/bin/python
	@echo "Installing Python packages, those of the tests too"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r $<
	@touch .venv/run.stamp $@

node_modules/run.stamp: package-lock.json | .venv/run.stamp
	@echo "Installing front-end packages"
	@$(NPM) ci --omit=dev
	@touch $@

node_modules/test.stamp: package-lock.json | .venv/test.stamp
	@echo "Installing front-end packages, those of the tests too"
	@$(NPM) ci
	@touch node_modules/run.stamp $@

browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(call apt,chromium)

# Install a package of Debian or Ubuntu, or say what to install.
apt = if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing $(1)"; \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install -y --no-install-recommends $(1) >/dev/null; \
	else echo "Install $(1) with the package manager of this machine, then try again."; exit 1; fi
