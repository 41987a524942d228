# make demo · make test · make check · make bench: each sets up what it needs, nothing before them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The suite on every core, one thread each: its models are tiny, and threads would only wait for one another.
SUITE := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

.PHONY: help install demo test check bench clean
help:
	@echo "make demo    install, fetch the embedded models, fine-tune on examples/legal_clauses, verdict and report"
	@echo "make test    install, run the tests"
	@echo "make check   ruff, mypy --strict, import-linter, tests"
	@echo "make bench   the slow tests and the benchmarks in bench/"

install: $(STAMP)

# torch first and pinned: an unpinned torch brings gigabytes of CUDA.
$(STAMP): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $(STAMP)

demo: install
	$(BIN)/tuneworthy run examples/legal_clauses/job.yaml --output runs/demo

test: install
	$(SUITE)

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(SUITE)

bench: install
	$(BIN)/python -m pytest -m "slow or embedded_model"
	$(BIN)/python bench/demo.py
	$(BIN)/python bench/examples.py

clean:
	rm -rf .venv runs
