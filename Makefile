# Everything that is done here has a target; CI only calls them. `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 4
# Without its bytecode kept, each of the servers that tests start would compile all modules anew, for half a second.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run test test-all lint format osb-check docs docs-check bench bench-broker bench-flame conformance fuzz check lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# The package is installed by its name alone: what it needs comes from the lock file, each file by its hash.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "Needs Python 3.11 or newer with venv (Debian: apt install python3-venv)." >&2; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Needs Python 3.11 or newer; $(PYTHON) is older. Say PYTHON=… and remove $(VENV)." >&2; exit 1; }
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

setup: $(VENV)/.runtime  ## Make .venv with the bucketry command
setup-dev: $(VENV)/.dev  ## The same with all that tests and linting need

run: setup  ## Serve on this machine, data in ./bucketry-data
	$(BIN)/bucketry serve --data ./bucketry-data

test: setup-dev lint  ## Lint, then the tests; under CI=true the slow ones too
	$(BIN)/pytest -n $(JOBS) --dist loadgroup $(if $(CI),,-m "not slow") $(PYTEST)

test-all: setup-dev lint  ## The same and the slow tests
	$(BIN)/pytest -n $(JOBS) --dist loadgroup $(PYTEST)

lint: setup-dev  ## Style, types, arrows between the parts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup-dev  ## Write the code in the one style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

osb-check: setup-dev  ## Test the broker at BUCKETRY_OSB_URL (…_USERNAME, …_PASSWORD) by tests/osb; without it, one in the process
	$(BIN)/pytest -rs tests/osb $(PYTEST)

docs: setup-dev  ## Write the pages that are made from the code
	$(BIN)/python -m tests.docs.generate

docs-check: setup-dev  ## Fail where a page and the code disagree
	$(BIN)/pytest -q tests/docs

$(VENV)/.bench: requirements-bench.lock $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

bench: $(VENV)/.bench  ## Measure beside SeaweedFS in one run (needs wrk, nginx); writes docs/performance.md
	$(BIN)/python -m bench --output docs/performance.md $(BENCH)

bench-flame: $(VENV)/.bench  ## Draw where GET spends its time; writes docs/performance/get-1k.svg
	@mkdir -p docs/performance
	$(BIN)/python -m bench --flame docs/performance/get-1k.svg $(BENCH)

bench-broker: setup-dev  ## Measure orders and bindings over the broker API; writes docs/performance.md
	$(BIN)/python -m bench.broker --output docs/performance.md $(BENCH)

S3TESTS ?= ../s3-tests
SELECTION ?= core

conformance: setup-dev  ## Measure the store by ceph/s3-tests (S3TESTS=DIR, SELECTION=core|extended); writes docs/conformance.md
	$(BIN)/python -m tests.conformance --suite $(S3TESTS) --selection $(SELECTION) --jobs $(JOBS) $(CONFORMANCE)

SECONDS ?= 3600

fuzz: setup-dev  ## Fuzz parsers, connections and a running server for SECONDS (an hour by default)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(FUZZ)

check: lint test-all docs-check  ## All that CI does

lock:  ## Renew the lock files (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -q pyproject.toml --group setup --group dev -o requirements-dev.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -q pyproject.toml --group setup -c requirements-dev.lock -o requirements.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate -q --group bench -c requirements-dev.lock -o requirements-bench.lock

clean:  ## Remove what was made here, but no data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
