# make train [ARGS="metadata=sets split=2"]   set up, then train on the embedded collection
# make test                                   set up, then linters, types and the test suite, but for the slow checks
# make test-slow                              the checks that take minutes
# make table                                  the README's table: every model on splits 0-4 (25 minutes on 2 cores)
# make picture                                the README's picture, from runs that are trained if need be
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin

.PHONY: train test test-slow table picture clean

train: .venv/installed
	$(BIN)/python train.py metadata=tags m=3 M=6 $(ARGS)

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 $(ARGS)

SPLITS := split=0,1,2,3,4 cluster=joblib resume=true

table: .venv/installed-dev
	$(BIN)/python train.py -m $(SPLITS) model=visual_only,visual_mlp
	$(BIN)/python train.py -m $(SPLITS) metadata=tags,sets,groups,visual
	$(BIN)/python train.py -m $(SPLITS) metadata=tags,sets,groups pool=all
	$(BIN)/python train.py -m $(SPLITS) metadata=tags neighborhoods.drop=0
	$(BIN)/python report.py

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
