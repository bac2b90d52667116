PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
.PHONY: demo test check docs clean

$(BIN)/esd-bench: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --editable .
	@touch $@

$(VENV)/.dev: $(BIN)/esd-bench
	$(BIN)/python -m pip install --editable '.[dev]'
	@touch $@

demo: $(BIN)/esd-bench  ## generate, score and report on the embedded prior, with pictures
	$(BIN)/esd-bench demo

test: $(VENV)/.dev  ## the default tests: CPU, offline
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/.dev  ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
