# `make demo` and `make test` set up everything they need in VENV, and only what has changed.

VENV ?= .venv
PYTHON ?= python3
WORKERS ?= 2
BIN := $(VENV)/bin
DEMO := demo
# In no lock file: each platform has builds of its own for a processor and for every kind of GPU,
# under one version with other hashes, and pip's own settings choose among them.
TORCH ?= torch==2.13.0
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Stamps are named after what they stand for, so a changed lock file installs again and an
# unchanged one does not, whatever the clock says.
HASH = $(shell cat $(1) | cksum | cut -d ' ' -f 1)
CORE := $(VENV)/.assay-core-$(call HASH,requirements.txt requirements-build.txt pyproject.toml)
DEV := $(VENV)/.assay-dev-$(call HASH,requirements-dev.txt requirements.txt pyproject.toml)

# For every platform and every Python from 3.11 on; hashes, but no address that they came from.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help demo test torch lint bench lock clean

help:  ## list what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(CORE)  ## fetch real reviews, build a version, evaluate five models, write a report
	@$(BIN)/python recipes/fetch_reviews.py $(DEMO)
	@$(BIN)/assay run recipes/reviews.yaml --out $(DEMO)/versions

test: $(DEV) lint  ## run every check and every test
	@echo "examples and tests"
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal --doctest-modules src
	@$(BIN)/pytest -rs -n $(WORKERS) --dist worksteal tests

torch: $(DEV)  ## install PyTorch as well, so that the neural nets' tests do not skip
	@echo "installing $(TORCH) into $(VENV)"
	@$(PIP) install --only-binary :all: $(TORCH)

lint: $(DEV)  ## style, types and import layers
	@echo "style"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@echo "types"
	@$(BIN)/mypy --no-error-summary
	@echo "layers"
	@$(BIN)/lint-imports > $(VENV)/layers.txt || { cat $(VENV)/layers.txt; exit 1; }

bench: $(DEV)  ## measure against the usual way (minutes; see benchmarks/)
	@$(BIN)/python -m benchmarks.measure --rows 100000 --work .bench --workers $(WORKERS)

lock: $(DEV)  ## choose newer releases and write the lock files again
	@$(COMPILE) pyproject.toml -o requirements.txt
	@$(COMPILE) requirements-build.in -c requirements.txt -o requirements-build.txt
	@$(COMPILE) requirements-dev.in -c requirements-build.txt -o requirements-dev.txt
	@! grep -nE '://|--(index|extra|find|trusted)|\+(cpu|cu)' requirements*.txt || { \
	  echo "a lock file names an index, a path or a local build; see the lines above" >&2; exit 1; }

clean:  ## remove the environment, the demo and every cache
	@rm -rf $(VENV) $(DEMO) .bench build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "assay needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "  try: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; exit 2; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(CORE): | $(BIN)/python
	@echo "installing requirements.txt into $(VENV)"
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --require-hashes -r requirements-build.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.assay-core-*
	@touch $@

$(DEV): $(CORE)
	@echo "installing requirements-dev.txt into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@rm -f $(VENV)/.assay-dev-*
	@touch $@
