# One door to everything: `make demo`, `make test`, `make check`, `make bench`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.rebloom-setup

.PHONY: setup demo test check bench mutants lock clean

setup: $(STAMP)

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv

$(STAMP): $(BIN)/uv requirements-dev.lock package-lock.json pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $(STAMP)

demo: setup
	$(BIN)/rebloom demo

test: setup
	$(BIN)/python tests/support/machine.py
	$(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tests/support/links.py

# Takes an hour or so: changes the pure rules one operator at a time and counts the changes that no test notices.
mutants: setup
	$(BIN)/mutmut run

# One thread of linear algebra: two that wait for each other by spinning take three times as long on a busy machine.
bench: setup
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.bench

# Needs the network: resolve the newest versions the ranges in pyproject.toml allow.
lock: $(BIN)/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --all-extras pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) node_modules .demo bench mutants
