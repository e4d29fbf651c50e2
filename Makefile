.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Every package comes by hash, so a build of our own is never needed: the project itself is installed last, alone.
NPM := frontend/npm
NODE_STAMP := frontend/node_modules/.installed
PAGE := app/web/index.html
SOURCE_AND_BUCKET := source_faults.py random_kills.py bucket_faults.py strict_bucket.py hostile.py
SIDE_BY_SIDE := -n 4 --dist loadgroup
UV_PIP := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python

.PHONY: help install up demo test e2e screenshots faults faults-again soak interleavings mutate diagram client check format lint types floors front lock bench clean

help: ## list what make can do
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

install: $(STAMP) $(PAGE) ## set everything up in .venv, and build the front end

$(STAMP): bootstrap.lock requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Takeup needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another with make PYTHON=...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r bootstrap.lock
	$(UV_PIP) --require-hashes -r requirements-dev.lock
	$(UV_PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(NODE_STAMP): $(STAMP) frontend/package.json frontend/package-lock.json
	$(NPM) ci --loglevel=error
	@touch $@

$(PAGE): $(NODE_STAMP) $(shell find frontend -name node_modules -prune -o -type f -print)
	$(NPM) run --silent build
	@touch $@

up: $(STAMP) $(PAGE) ## run the whole service on this machine
	$(BIN)/takeup up $(ARGS)

demo: $(STAMP) ## store real media from a local origin, without internet
	$(BIN)/takeup demo $(ARGS)

test: $(STAMP) $(PAGE) ## run every test, the front end's first
	$(NPM) run --silent test
	$(BIN)/pytest $(ARGS)

e2e: $(STAMP) $(PAGE) ## the page in a real browser, E2E_TIMES (10) times in a row
	for time in $$(seq $${E2E_TIMES:-10}); do $(BIN)/pytest tests/e2e $(ARGS) || exit; done

screenshots: $(STAMP) $(PAGE) ## photograph every page in every state, for docs/images
	$(BIN)/python -m tests.e2e.screenshots

faults: $(STAMP) ## the fault experiments in full (minutes); writes docs/reliability.md
	$(BIN)/pytest tests/faults tests/security --long $(SIDE_BY_SIDE) $(ARGS)

faults-again: $(STAMP) ## experiments 2 and 16 to 23, small, FAULTS_TIMES (20) times in a row; in full with ARGS=--long
	@for time in $$(seq $${FAULTS_TIMES:-20}); do \
	  $(BIN)/pytest $(addprefix tests/faults/test_,$(SOURCE_AND_BUCKET)) tests/security $(SIDE_BY_SIDE) $(ARGS) \
	  || { echo "$$((time - 1)) times passed, then it failed"; exit 1; }; \
	done; echo "$$time times passed"

soak: $(STAMP) ## an hour (SOAK_MINUTES) of load and faults at random; writes docs/reliability.md
	$(BIN)/python -m tests.faults.soak

interleavings: $(STAMP) ## ten minutes (INTERLEAVINGS_MINUTES) of people, workers and rounds in random order
	TAKEUP_INTERLEAVINGS=long $(BIN)/pytest tests/contract/test_interleavings.py $(ARGS)

mutate: $(STAMP) ## toggle each allowed and each forbidden change of state: a test must notice
	$(BIN)/python -m tests.mutate_transitions

diagram: $(STAMP) ## draw docs/state-machine.md from the table of transitions
	$(BIN)/python -m tests.draw_transitions

client: $(NODE_STAMP) ## write the API's description, and the front end's client from it
	$(BIN)/python -m tests.write_openapi
	$(NPM) run --silent client

check: $(STAMP) lint types floors front ## format, lint, types and import floors, as CI runs them

format: $(STAMP) $(NODE_STAMP) ## format the code and sort its imports
	$(BIN)/ruff check --quiet --fix --select I app tests bench
	$(BIN)/ruff format app tests bench
	$(NPM) run --silent format

lint: $(STAMP) ## ruff, module sizes, hadolint, and the schema of the compose file
	$(BIN)/ruff format --check app tests bench
	$(BIN)/ruff check app tests bench
	@git ls-files '*.py' 'frontend/src/*.ts' 'frontend/src/*.tsx' ':!frontend/src/client' | xargs wc -l | awk '$$2 != "total" && $$1 > 300 { print $$2 " has " $$1 " lines: is it two modules?"; bad = 1 } END { exit bad }'
	$(BIN)/hadolint Dockerfile Dockerfile.worker
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

floors: $(STAMP) ## who may import whom
	$(BIN)/lint-imports

front: $(PAGE) ## the front end: a fresh client, tsc, biome, and the size of its pages
	$(BIN)/python -m tests.write_openapi --check
	$(NPM) run --silent check

lock: $(STAMP) ## compile the hash-pinned locks from pyproject.toml
	echo 'uv' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -o bootstrap.lock -
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 -o requirements.lock pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --python-version 3.11 --group dev -c requirements.lock -o requirements-dev.lock pyproject.toml

bench: $(STAMP) ## measure (minutes); writes docs/benchmarks.md's tables to the terminal
	$(BIN)/python -m bench.fetch
	$(BIN)/python -m bench.sink
	$(BIN)/python -m bench.jobs
	$(BIN)/python -m bench.enqueue
	$(BIN)/python -m bench.audit
	$(BIN)/python -m bench.live
	$(BIN)/python -m bench.page
	$(BIN)/python -m bench.backlog

clean: ## remove what make made (never .takeup, which holds your data)
	rm -rf app/web frontend/node_modules $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
