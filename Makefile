# make demo · make test · make check · make bench: each sets up what it needs, nothing before them.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The suite on every core, one thread each: its models are tiny, and threads would only wait for one another.
SUITE := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

# What torch's builds for NVIDIA's GPUs bring: torch is chosen by hardware, and so are they.
GPU_PARTS := torch triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti \
	cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink \
	nvshmem-cu13 nvtx)
LOCKED := qlora search setfit text endpoint serve ui gguf
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help install demo test check bench lock licenses sbom audit clean
help:
	@echo "make demo    install, fetch the embedded models, fine-tune on examples/legal_clauses, verdict and report"
	@echo "make test    install, run the tests"
	@echo "make check   ruff, mypy --strict, import-linter, tests"
	@echo "make bench   the slow tests, the demo and the examples; docs/benchmarks.md names the other benches"
	@echo "make clean   removes .venv and the demo's run"
	@echo "make licenses, make sbom, make audit, make lock   licences, parts, known faults and sha256 of all that is installed"

install: $(STAMP)

# torch first and pinned. On Linux its build of the public index brings gigabytes for NVIDIA's GPUs; the CPU build has an
# index of its own (pytorch.org, Get Started): make demo TORCH_FROM="--index-url ..."
TORCH_FROM ?=
$(STAMP): constraints.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(TORCH_FROM) torch
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

# Every file of every pinned version, on every platform, by its sha256; decision 0142 says what is left out.
lock: install
	test -x $(BIN)/uv || $(PIP) uv
	$(BIN)/uv pip compile pyproject.toml -c constraints.txt $(addprefix --extra ,$(LOCKED)) --universal \
		--python-version 3.11 --generate-hashes --no-annotate --no-header --quiet \
		$(addprefix --no-emit-package ,$(GPU_PARTS)) --output-file requirements.lock

licenses: install
	test -x $(BIN)/pip-licenses || $(PIP) pip-licenses
	$(BIN)/pip-licenses --python $(BIN)/python --from=mixed --format=json | $(BIN)/python docs/check_licenses.py

sbom: install
	test -x $(BIN)/cyclonedx-py || $(PIP) cyclonedx-bom
	$(BIN)/cyclonedx-py environment $(BIN)/python --of JSON -o sbom.cdx.json

audit: install
	test -x $(BIN)/pip-audit || $(PIP) pip-audit
	$(BIN)/pip-audit --strict --requirement requirements.lock --require-hashes --disable-pip

# Runs stay: they hold what was measured and the ledger of opened test rows.
clean:
	rm -rf .venv runs/demo
