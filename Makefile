# Every target does its own set-up in a virtual environment; stamp files make the second time quick.
# make PYTHON=/path/to/python3.12 ... takes another Python; VENV=... another place for the environment.

VENV ?= .venv
OUT ?= run
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11,$(shell $(p) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(p))))
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
PINS := pyproject.toml constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help run paper test test-kernels lint types docs bench format clean

help:
	@echo "make run      an audit, the paper's linear theory and a small study; writes $(OUT)/index.html (installs torch)"
	@echo "make paper    recompute all of the paper and write $(OUT)/paper-quick/report.html (some minutes)"
	@echo "make test     run the tests (installs torch); with ARGS=\"-m slow\" the slow ones"
	@echo "make test-kernels   run the numerical tests as other processors compute"
	@echo "make lint     check style and format"
	@echo "make types    check types"
	@echo "make docs     build the documentation, and run the examples"
	@echo "make bench    measure, and write benchmarks/results/"
	@echo "make format   rewrite the code in the house format"
	@echo "make clean    remove what was built, except the virtual environment"

run: $(VENV)/.stamp-train
	$(BIN)/alignscope tour --out $(OUT)
	@echo
	@echo "Now open $(OUT)/index.html in a browser."
	@echo "Your own files: $(BIN)/alignscope audit x1.npy x2.npy --y1 y1.npy --y2 y2.npy --out audit/"

paper: $(VENV)/.stamp-train
	$(BIN)/alignscope paper --scale quick --out $(OUT)/paper-quick
	@echo
	@echo "Now open $(OUT)/paper-quick/report.html in a browser."

# One thread a worker: two workers whose small matrices each start two threads are many times slower.
# Neighbouring tests share fixtures, so a worker takes them in one piece (worksteal). CI runs the slow ones too.
test: $(VENV)/.stamp-test
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal \
	$(if $(CI),,-m "not slow") $(ARGS)

# The numerical tests as other processors compute: with one thread in two workers, and with two threads in one. With
# fewer examples, and without the shares of many samples (slow), which `make test` counts once: they do not depend on
# the last digits.
KERNELS := Prescott Haswell SkylakeX Zen
NUMERICAL := $(wildcard tests/test_theory_*.py tests/test_measures_*.py tests/test_objectives_theory.py) tests/test_moments.py \
	tests/test_onepass.py tests/test_resample.py tests/test_regimes.py tests/test_gaussian_information.py tests/test_nn_theory.py
test-kernels: $(VENV)/.stamp-test
	@for kernel in $(KERNELS); do for threads in 1 2; do echo "$$kernel, threads: $$threads"; \
	OPENBLAS_CORETYPE=$$kernel OMP_NUM_THREADS=$$threads OPENBLAS_NUM_THREADS=$$threads \
	$(BIN)/python -m pytest -q -m "not slow" --hypothesis-profile fewer -n $$((3 - threads)) --dist worksteal \
	$(NUMERICAL) $(ARGS) || exit 1; done; done

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(VENV)/.stamp-dev
	$(BIN)/mypy

docs: $(VENV)/.stamp-docs
	$(BIN)/python -m sphinx -W --keep-going --quiet --builder html docs docs/_build/html
	@echo "Now open docs/_build/html/index.html in a browser."

bench: $(VENV)/.stamp-test
	$(BIN)/python -m benchmarks $(ARGS)

clean:
	rm -rf run docs/_build docs/generated docs/auto_examples .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.stamp-venv:
	@test -n "$(PYTHON)" || { echo "alignscope needs Python 3.11 or later: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than Python 3.11: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# train, test, dev and docs are extras of pyproject.toml.
$(VENV)/.stamp-%: $(VENV)/.stamp-venv $(PINS)
	$(INSTALL) ".[$*]"
	@touch $@
