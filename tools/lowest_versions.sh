#!/usr/bin/env bash
# Runs the tests with the lowest supported scikit-learn, NumPy and SciPy.
# Usage: lowest_versions.sh ENVIRONMENT; PYTHON must have wheels of these: 3.11 or 3.12.
set -euo pipefail
venv=$1

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet '.[all]' --group test \
    -c tools/lowest-versions.txt -C build-dir=build/lowest
# benchmarks are scripts for the versions of today; kernels, threads, processes and the order
# of our imports have nothing to do with versions
skipped=()
for path in kernels/test_{kernels,row_solve,exact_solve,divergence_kernels}.py \
    base/test_threads.py project/test_{architecture,benchmarks}.py solvers/test_solvers.py \
    fitting/test_{interrupt,memory,memory_limit,checkpoint_faults}.py; do
    skipped+=(--ignore "tests/$path")
done
"$venv/bin/python" -m pytest -q -n "${JOBS:-2}" "${skipped[@]}"
