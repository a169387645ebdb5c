# make train [ARGS="metadata=sets split=2"]   set up, then train on the embedded collection
# make test                                   set up, then linters, types and the whole quick test suite
# make test-slow                              the checks that take minutes
# make table                                  the README's table: every model on splits 0-4 (about an hour on 2 cores)
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
