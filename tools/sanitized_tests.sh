#!/usr/bin/env bash
# Builds the core with the address and undefined-behaviour sanitizers into an
# environment of its own and runs the kernel tests there.
# Usage: sanitized_tests.sh ENVIRONMENT [TESTS...]
set -euo pipefail
venv=$1
shift
# the tests of csr_format and of a missing core run no compiled code
[ $# -gt 0 ] || set -- tests/kernels --ignore=tests/kernels/test_csr_format.py \
    --ignore=tests/kernels/test_without_core.py
export CXX=${CXX:-g++}

# "undefined" without null, object-size and pointer-overflow: these three check every
# access, which the address sanitizer does as well, and triple the time of compiling
checks=address,alignment,bool,bounds,builtin,enum,float-cast-overflow
checks=$checks,integer-divide-by-zero,return,shift,signed-integer-overflow,unreachable

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet . --group test \
    -C build-dir=build/asan \
    -C cmake.define.NONNEG_SANITIZE="$checks"

runtime() { "$CXX" -print-file-name="$1"; }
# Python is not built with the sanitizer, so its run-time has to come first; the
# C++ library beside it, or exceptions are not seen
export LD_PRELOAD="$(runtime libasan.so) $(runtime libstdc++.so)"
# the interpreter itself never frees all it allocates
export ASAN_OPTIONS="detect_leaks=0:abort_on_error=1"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
"$venv/bin/python" -m pytest -q -p no:cacheprovider "$@"
