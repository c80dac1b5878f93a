#!/usr/bin/env bash
# Builds the core with sanitizers into an environment of its own, and runs tests there.
# Usage: sanitized_tests.sh ENVIRONMENT [TESTS...]
#        sanitized_tests.sh ENVIRONMENT --python ARGUMENTS...
# CHECKS=address (by default), undefined, clang or thread says which sanitizers; SETS="..."
# builds these instruction sets alone.
set -euo pipefail
venv=$1
shift
# the tests of csr_format and of a missing core run no compiled code
[ $# -gt 0 ] || set -- -n "${JOBS:-2}" tests/kernels --ignore=tests/kernels/test_csr_format.py \
    --ignore=tests/kernels/test_without_core.py

# what Clang and GCC both check beside addresses; null, object-size and pointer-overflow
# look at every access, which the address sanitizer does as well, and triple the time of
# compiling: they are in CHECKS=undefined
cheap=alignment,bool,bounds,builtin,enum,float-cast-overflow,integer-divide-by-zero
cheap=$cheap,return,shift,signed-integer-overflow,unreachable
# float-divide-by-zero is in neither: the kernels divide by curvatures and by entries of W·H
# that may be 0, and IEEE 754's infinity is what their comparisons are written for
sets=${SETS:-} preload=
# one set is enough where each takes minutes to compile
[ "$(uname -m)" != x86_64 ] || one=x86-64-v3
case ${CHECKS:=address} in
address)
    CXX=${CXX:-g++} checks=address,$cheap preload="libasan.so libstdc++.so" ;;
undefined)
    # not bounds-strict: Python's own tuples end in an array of one that is longer
    CXX=${CXX:-g++} checks=undefined,float-cast-overflow
    preload=libubsan.so sets=${SETS:-${one:-}} ;;
clang)
    CXX=${CXX:-$(compgen -c clang++ | sort -V | tail -1)}
    # a conversion of integers that loses digits, and pointers that are said not to be null
    checks=address,$cheap,vla-bound,nonnull-attribute,returns-nonnull-attribute
    checks=$checks,nullability,implicit-conversion sets=${SETS:-${one:-}} ;;
thread)
    CXX=${CXX:-g++} checks=thread preload=libtsan.so sets=${SETS:-${one:-}} ;;
*)
    echo "CHECKS=$CHECKS: choose address, undefined, clang or thread" >&2
    exit 2 ;;
esac
export CXX

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet . --group test \
    -C build-dir="build/$CHECKS" \
    -C cmake.define.NONNEG_SANITIZE="$checks" -C cmake.define.NONNEG_SETS="$sets"

# Python is not built with the sanitizer, so its run-time has to come first; the
# C++ library beside it, or exceptions are not seen
if [ "$CHECKS" = clang ]; then
    libraries=$("$CXX" -print-file-name="libclang_rt.asan-$(uname -m).so")
    [ -e "$libraries" ] || libraries=$("$CXX" -print-file-name=libclang_rt.asan.so)
    LD_PRELOAD="$libraries $("$CXX" -print-file-name=libstdc++.so)"
else
    LD_PRELOAD=
    for library in $preload; do
        LD_PRELOAD="$LD_PRELOAD $("$CXX" -print-file-name="$library")"
    done
fi
# the interpreter itself never frees all it allocates; a forged size is no reason to end, nor
# to take the memory of everybody else
export ASAN_OPTIONS="detect_leaks=0:abort_on_error=1:allocator_may_return_null=1"
export ASAN_OPTIONS="$ASAN_OPTIONS:max_allocation_size_mb=4096"
export UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1"
# neither Python nor the BLAS are built with the thread sanitizer: what they lock, it misses
export TSAN_OPTIONS="suppressions=$PWD/tools/tsan.supp:ignore_noninstrumented_modules=1"
# and a child of a fork that starts threads is not to die of it
export TSAN_OPTIONS="$TSAN_OPTIONS:halt_on_error=1:exitcode=66:die_after_fork=0"
export LD_PRELOAD
if [ "$1" = --python ]; then
    shift
    PYTHONPATH=$PWD/tests exec "$venv/bin/python" "$@"
fi
# of fewer sets than the processor has, the test of their list knows nothing
[ -z "$sets" ] || set -- "$@" --deselect \
    tests/kernels/test_kernels.py::test_the_sets_are_those_that_the_system_says_the_processor_has
exec "$venv/bin/python" -m pytest -q -p no:cacheprovider "$@"
