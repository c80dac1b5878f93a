#!/usr/bin/env bash
# Runs the tests of what meets other libraries with the lowest of their supported versions.
# Usage: lowest_versions.sh ENVIRONMENT [WHEEL]: the package is built where no wheel is given.
# PYTHON must have wheels of these versions: 3.11 or 3.12.
set -euo pipefail
venv=$1 package=${2:-.}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet "$package[all]" --group test \
    -c tools/lowest-versions.txt
# estimators, readers, pictures, tables, sparse matrices, blocks of Dask; loops, solvers,
# kernels, threads, processes and the order of our imports have nothing to do with versions
"$venv/bin/python" -m pytest -q -n "${JOBS:-2}" tests/analysis tests/estimators \
    tests/initialization tests/io tests/parity tests/reporting tests/selection tests/stores \
    tests/operands/test_dask.py tests/cli/test_cli.py tests/project/test_docs.py
