# Set-up, build, tests and checks. `make help` lists the targets.
#
# Everything is installed into the virtual environment $(VENV) by pip, under pip's own
# configuration. PYTHON=python3.12 picks another interpreter, PYTEST_ARGS adds options.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
GALLERY ?= 1
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
BENCH := env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(BIN)/python benchmarks
BENCH_ARGS ?=
BASE ?=
TO ?= build/recording.json
SEED ?= 0
INPUTS ?= 20000
# what starts threads, forks, and ends beside them
THREADS := tests/base/test_thread_ends.py tests/base/test_threads.py \
	tests/fitting/test_callback_changes_X.py tests/fitting/test_interrupt.py
SOURCES := pyproject.toml README.md LICENSE $(wildcard CMakeLists.txt) \
	$(shell find src -name __pycache__ -prune -o ! -name '*.so' -print)

# the tests must meet the installed package, not what the shell points to
unexport PYTHONPATH

.DEFAULT_GOAL := help
.PHONY: help check venv install demo test test-slow lint format docs \
	bench bench-quick bench-floors bench-sweeps bench-mu bench-minibatch bench-passes \
	bench-map bench-tables bench-out-of-core bench-disk-rows bench-dask bench-gaps bench-constraints bench-gate \
	record symbols stress-tsan fuzz sanitize clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' Makefile

check: ## look for Python, its headers and a C++ compiler
	@tools/check_system.sh "$(PYTHON)"

demo: $(VENV)/.installed ## set up, then factorize real data: a table and a picture
	$(BIN)/nonneg demo

test: $(VENV)/.test ## set up, then run the test suite
	$(PYTEST) -n $(JOBS) --dist worksteal $(PYTEST_ARGS)

test-slow: $(VENV)/.test ## the long tests: many Hypothesis examples, big files
	$(PYTEST) -n $(JOBS) -m "slow or not slow" --hypothesis-profile=slow $(PYTEST_ARGS)
	$(MAKE) fuzz

fuzz: ## forged matrices and files under the address sanitizer; SEED=, INPUTS=
	tools/sanitized_tests.sh .venv-asan --python -m support.fuzz \
		--seed $(SEED) --inputs $(INPUTS)

sanitize: ## tests of the core under each sanitizer that GCC and Clang have (an hour)
	tools/sanitized_tests.sh .venv-asan
	CHECKS=undefined tools/sanitized_tests.sh .venv-ubsan
	CHECKS=clang tools/sanitized_tests.sh .venv-clang
	CHECKS=thread tools/sanitized_tests.sh .venv-tsan $(THREADS)

lint: $(VENV)/.lint ## style, types and docstrings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python tools/check_docstrings.py

docs: $(VENV)/.docs ## the documentation as a site, in build/site (GALLERY=0: examples not run)
	rm -rf build/site build/doctrees docs/api/generated docs/gallery
	$(BIN)/python -m sphinx --quiet --nitpicky --fail-on-warning --keep-going \
		--conf-dir docs --doctree-dir build/doctrees \
		--define plot_gallery=$(GALLERY) . build/site
	$(BIN)/python tools/check_links.py build/site
	@echo "Open build/site/index.html"

format: $(VENV)/.lint ## put the sources into the house style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.installed ## time to target beside scikit-learn (an hour and a half)
	$(BENCH)/time_to_target.py $(BENCH_ARGS)

bench-quick: $(VENV)/.installed ## the same on small matrices, and the floors
	$(BENCH)/time_to_target.py --quick $(BENCH_ARGS)
	$(BENCH)/floors.py --quick

bench-floors: $(VENV)/.installed ## one pass over X against what the machine allows
	$(BENCH)/floors.py $(BENCH_ARGS)

bench-sweeps: $(VENV)/.installed ## time of a sweep beside scikit-learn's
	$(BENCH)/cd_sweeps.py $(BENCH_ARGS)

bench-mu: $(VENV)/.installed ## time of a Kullback-Leibler update beside scikit-learn's
	$(BENCH)/mu_iterations.py $(BENCH_ARGS)

bench-minibatch: $(VENV)/.installed ## MiniBatchNMF beside scikit-learn's
	$(BENCH)/minibatch.py $(BENCH_ARGS)

bench-passes: $(VENV)/.installed ## passes over X that exact mini-batches need
	$(BENCH)/passes.py $(BENCH_ARGS)

bench-map: $(VENV)/.installed ## random problems: solver="auto" beside our fastest and scikit-learn
	$(BENCH)/map.py $(BENCH_ARGS)

bench-tables: $(VENV)/.installed ## a thousand small fits, transforms of a row, small batches
	$(BENCH)/tables.py $(BENCH_ARGS)

bench-out-of-core: $(VENV)/.installed ## fits of files, cached, cold, and of 100 M entries
	$(BENCH)/out_of_core.py $(BENCH_ARGS)

bench-disk-rows: $(VENV)/.installed ## fits with W on disk beside W in memory: time and peak
	$(BENCH)/disk_rows.py $(BENCH_ARGS)

bench-dask: $(VENV)/.installed ## one worker process and two beside threads in memory
	$(BENCH)/dask_scaling.py $(BENCH_ARGS)

bench-gaps: $(VENV)/.installed ## fits with gaps and weights beside those without, and peers
	$(BENCH)/gaps.py $(BENCH_ARGS)

bench-constraints: $(VENV)/.installed ## fits with constraints beside those without, and peers
	$(BENCH)/constraints.py $(BENCH_ARGS)

bench-gate: $(VENV)/.installed ## is HEAD slower than BASE=<commit>?
	$(BENCH)/regression.py $(BASE) $(BENCH_ARGS)

record: $(VENV)/.installed ## results of some thousand small cases, to the bit, into TO=<file>
	$(BIN)/python tools/record_factors.py record $(TO)

install: $(VENV)/.installed ## set up: virtual environment, build, install

symbols: $(VENV)/.installed ## no code for one instruction set leaks into another's
	tools/check_symbols.sh build/cp*

stress-tsan: ## stress of the thread pool under the thread sanitizer
	tools/stress_tsan.sh build/tsan

clean: ## remove what the other targets made
	rm -rf $(VENV) .venv-* build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis

# --- set-up, by stamps ---------------------------------------------------------------

$(VENV)/.created:
	@tools/check_system.sh "$(PYTHON)"
	@echo "Creating $(VENV)"
	@"$(PYTHON)" -m venv --clear "$(VENV)"
	@# dependency groups came with pip 25.1
	@$(PIP) install --quiet 'pip>=25.1'
	@touch $@

$(VENV)/.installed: $(VENV)/.created $(SOURCES)
	@echo "Building and installing nonneg (some minutes the first time)"
	@rm -rf build/wheels
	@$(PIP) wheel --quiet --no-deps --wheel-dir build/wheels .
	@$(PIP) install --quiet --no-deps --force-reinstall build/wheels/nonneg-*.whl
	@$(PIP) install --quiet "$$(echo build/wheels/nonneg-*.whl)[all]"
	@touch $@

$(VENV)/.test: $(VENV)/.installed
	@$(PIP) install --quiet --group test
	@touch $@

$(VENV)/.lint: $(VENV)/.installed
	@$(PIP) install --quiet --group lint
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	@$(PIP) install --quiet --group docs
	@touch $@

# an interpreter that was asked for by name replaces an environment of another version
ifneq ($(origin PYTHON),file)
VERSION_OF := import sys; print(*sys.version_info[:2])
ifneq ($(shell "$(PYTHON)" -c "$(VERSION_OF)"),$(shell $(BIN)/python -c "$(VERSION_OF)" 2>&1))
$(shell rm -f $(VENV)/.created)
endif
endif
