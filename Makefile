# Two commands matter: `make run` (the demo and its dashboard) and `make test` (everything that must hold).
# Both set up what they need: virtual environment, pinned packages, the Rust engine, the database.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
CARGO  := cargo
WORKERS ?= $(shell nproc 2>/dev/null || echo 2)
# Tests wait for thousands of writes to reach a disk, and those that kill processes need none: memory takes them where there is room.
MEMORY_DISK := $(shell test "$$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)" -gt 6000000 2>/dev/null && echo /dev/shm)
PYTEST := $(if $(MEMORY_DISK),TMPDIR=$(MEMORY_DISK)) $(BIN)/pytest -n $(WORKERS) --dist worksteal
RUST_SOURCES := $(shell find rust_engine -name '*.rs' -o -name '*.toml' -o -name Cargo.lock | grep -v '/target/')

.DEFAULT_GOAL := help
.PHONY: help run test setup tools train-tools engine check test-python test-rust soak bench bench-deps schemas format clean

help:  ## Show what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: setup  ## Run the demo once, then serve its dashboard until Ctrl-C
	@$(BIN)/xcrack demo --serve

test: tools engine check test-rust test-python  ## Everything that must hold before a change lands

setup: $(VENV)/.installed engine  ## Prepare this checkout

.PHONY: prerequisites
prerequisites:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "missing: Python 3.11 or newer (install python3, or set PYTHON=/path/to/python3.11)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: Python's venv module (on Debian: apt-get install python3-venv)"; exit 1; }
	@command -v $(CARGO) >/dev/null || { echo "missing: a Rust toolchain, 1.90 or newer (install rustup, then: rustup toolchain install stable)"; exit 1; }
	@command -v cc >/dev/null || { echo "missing: a C compiler (on Debian: apt-get install gcc)"; exit 1; }

$(VENV)/.installed: pyproject.toml constraints.txt | prerequisites
	@echo "setup: installing Python packages (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e . maturin
	@touch $@

tools: $(VENV)/.tools
$(VENV)/.tools: $(VENV)/.installed
	@echo "setup: installing test tools (once)"
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

train-tools: $(VENV)/.train  ## Install what the trainer needs (torch: about 5 GB, once for all checkouts)
$(VENV)/.train: $(VENV)/.installed constraints-train.txt scripts/train_tools.py
	@$(BIN)/python scripts/train_tools.py
	@touch $@

engine: $(VENV)/.engine  ## Build the engine and its Python module
$(VENV)/.engine: $(VENV)/.installed $(RUST_SOURCES)
	@echo "setup: building the engine (a few minutes the first time)"
	@cd rust_engine && $(CARGO) build --release --quiet -p cli -p fake_exchange
	@VIRTUAL_ENV=$(abspath $(VENV)) $(BIN)/maturin develop --release --quiet -m rust_engine/crates/bindings/Cargo.toml >/dev/null
	@touch $@

check: tools engine  ## Format, lint, types, import rules, schema drift
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/schemas.py --check
	cd rust_engine && $(CARGO) fmt --all --check
	cd rust_engine && $(CARGO) clippy --release --quiet --workspace --all-targets --features cli/live -- -D warnings

test-rust: engine  ## Rust tests
	cd rust_engine && PROPTEST_RNG_SEED=20250101 $(CARGO) test --release --quiet --workspace

test-python: tools engine  ## Python tests, browser included
	$(PYTEST) -m 'not soak'

soak: tools engine  ## Long counts: crashes at many points with many seeds, fuzzing, recordings in real time
	cd rust_engine && $(CARGO) test --release --quiet --workspace -- --ignored
	$(PYTEST) -m soak

bench: engine  ## Speed, side by side with the peers that are installed
	$(BIN)/python -m bench

bench-deps: setup  ## One environment per peer of the benchmarks
	$(BIN)/python -m bench.deps

schemas: tools engine  ## Write schemas and generated messages anew after a change of the Rust types
	$(BIN)/python scripts/schemas.py

format: tools  ## Format everything
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd rust_engine && $(CARGO) fmt --all

clean:  ## Forget builds and the demo's store
	rm -rf $(VENV) rust_engine/target var
