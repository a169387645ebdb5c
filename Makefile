# make train [ARGS="metadata=sets split=2"]   installs, then trains on the embedded collection
# make test [ARGS=tests/test_model.py]        installs, then runs linters, type checks and the tests, without the slow ones
# make test-slow                              runs the tests that take minutes
# make test-slurm                             runs sweeps on a SLURM that it starts on this machine; says what to install
# make paper                                  runs all experiments of the paper, then writes the report into docs/results
# make bench                                  runs the quick benchmarks into docs/benchmarks.json, and draws them
# make picture                                draws the README's picture; trains its two models if they are missing
# make screenshots                            takes the two of docs/annotate.md; needs make train and Chromium
# make clean                                  removes .venv and the caches of the tools
PYTHON ?= python3
ARGS ?=
REPORT_ARGS ?=
BIN := .venv/bin

.PHONY: train test test-slow test-slurm paper bench picture screenshots clean

train: .venv/installed
	$(BIN)/python train.py metadata=tags m=3 M=6 $(ARGS)

test: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -n 2 --dist loadgroup $(ARGS)

# Finished runs are skipped: after an interruption, make paper again.
paper: .venv/installed-dev
	experiments=$$($(BIN)/python -m love_thy_neighbors.programs.experiments) || exit 1; \
	for experiment in $$experiments; do \
		$(BIN)/python train.py -m experiment=$$experiment cluster=joblib resume=true $(ARGS) || exit 1; \
	done
	$(BIN)/python report.py data=openclipart out=docs/results $(REPORT_ARGS)

bench: .venv/installed-dev
	$(BIN)/python benchmarks/record.py $(ARGS)

picture: .venv/installed
	$(BIN)/python train.py -m experiment=examples
	$(BIN)/python report.py
	cp logs/report/figures/examples.png docs/neighborhoods.png

screenshots: train .venv/installed-dev
	$(BIN)/python docs/screenshots.py logs/runs/openclipart-neighborhood-tags-m3-M6-pool-split-split0-seed0-*

test-slow: .venv/installed-dev
	$(BIN)/pytest -m slow $(ARGS)

test-slurm: .venv/installed-dev
	$(BIN)/pytest -m slow tests/slurm -rs $(ARGS)

# These two files record that the packages are installed. They are made again when pyproject.toml changes.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed; give its name: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
