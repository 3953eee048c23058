# The recipes of this project: the same for a person and for CI.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: run test lint unit bench bench-quick bench-matcher bench-reads bench-splink bench-region long clean help

help:  ## what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Weald needs Python 3.11 or later; try make PYTHON=python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Weald into $(VENV) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(DEV_STAMP): $(STAMP)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: $(STAMP)  ## try Weald: start it in sample mode and load the sample region at the first start
	@exec env WEALD_MODE=sample $(BIN)/weald serve --sample-region fixtures/region

test: lint unit  ## all that CI runs

lint: $(DEV_STAMP)  ## style, types and the arrows between rooms
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(DEV_STAMP)  ## the tests, with coverage
	$(BIN)/python -m pytest -n 2 --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --skip-covered --include='mappers/*,matching/*' --fail-under=100
	$(BIN)/coverage report --skip-covered --include='app/*' --fail-under=96
	$(MAKE) --no-print-directory bench-quick

bench-quick: $(DEV_STAMP)  ## the small form of the benchmarks, so that they stay in order; its figures mean nothing
	$(BIN)/python tests/bench/run.py --quick --reads 400 --matcher 3000 --relink 3000 --json var/bench-quick.json
	$(BIN)/python tests/bench/region_quality.py --quick --json var/region-quick.json

bench: $(DEV_STAMP)  ## the benchmarks: a table, and var/bench.json
	$(BIN)/python tests/bench/run.py --json var/bench.json

bench-matcher: $(DEV_STAMP)  ## matching and relinking in stores of up to 3 million records, made once and kept in var/bench
	$(BIN)/python tests/bench/run.py --sizes '' --matcher 100000,1000000,3000000 --relink 300000 --json var/bench-matcher.json

bench-reads: $(DEV_STAMP)  ## reads and searches in a store of a million records and two million studies, made once and kept in var/bench
	$(BIN)/python tests/bench/run.py --sizes '' --reads 1000000 --json var/bench-reads.json

bench-region: $(DEV_STAMP)  ## how well a region of 100,000 people is linked, by class of difficulty
	$(BIN)/python tests/bench/region_quality.py --json var/region-quality.json

bench-splink: $(DEV_STAMP)  ## our matcher and Splink on the same tables
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	$(BIN)/python tests/bench/splink_side_by_side.py --json var/splink.json

long: $(DEV_STAMP)  ## the full-size form of the long tests
	$(BIN)/python -m pytest -m long

clean:  ## forget the environment and the local store
	rm -rf $(VENV) var
