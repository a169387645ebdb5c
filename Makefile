# make train [ARGS="metadata=sets split=2"]   set up, then train on the embedded collection
# make test                                   set up, then linters, types and the test suite, but for the slow checks
# make test-slow                              the checks that take minutes
# make paper                                  every table and figure of the paper, then the report in docs/results
# make picture                                the README's picture, from runs that are trained if need be
PYTHON ?= python3
ARGS ?=
REPORT_ARGS ?=
BIN := .venv/bin

.PHONY: train test test-slow paper picture clean

train: .venv/installed
	$(BIN)/python train.py metadata=tags m=3 M=6 $(ARGS)

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 $(ARGS)

# Finished runs are skipped: after an interruption, make paper again.
paper: .venv/installed-dev
	experiments=$$($(BIN)/python -m love_thy_neighbors.programs.experiments) || exit 1; \
	for experiment in $$experiments; do \
		$(BIN)/python train.py -m experiment=$$experiment cluster=joblib resume=true $(ARGS) || exit 1; \
	done
	$(BIN)/python report.py out=docs/results $(REPORT_ARGS)

picture: .venv/installed
	$(BIN)/python train.py -m experiment=examples
	$(BIN)/python report.py
	cp logs/report/figures/examples.png docs/neighborhoods.png

test-slow: .venv/installed-dev
	$(BIN)/pytest -m slow $(ARGS)

# Each stamp is newer than pyproject.toml exactly when what it names is installed, so a second call installs nothing.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
