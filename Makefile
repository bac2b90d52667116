# demo   generate, score and report on the embedded prior, with pictures (CPU, offline once installed)
# test   the default tests (CPU, offline)
# check  format, lint, types, import layers
# tables the tables of README and of the reports, from stored results
# paper  the held-out study: its tables, figures and verdict, from its stored units (reports/embedded/units)
# all of them make a virtual environment first; "make PYTHON=python3.12 VENV=/elsewhere test" chooses another

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check tables paper clean

demo: $(VENV)/.installed
	$(BIN)/esd-bench demo

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

tables: $(VENV)/.installed
	$(BIN)/python reports/tables.py

paper: $(VENV)/.installed
	$(BIN)/python -m reports.embedded.paper

clean:
	rm -rf $(VENV) build dist

# The stamps are touched last, so that an interrupted installation is taken up again.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@echo "installing esd-bench and torch into $(VENV); the first time this takes some minutes"
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(PIP) --editable '.[dev]'
	@touch $@
