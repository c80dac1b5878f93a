#!/usr/bin/env bash
# Runs the tests with the lowest supported scikit-learn, NumPy and SciPy.
# Usage: lowest_versions.sh ENVIRONMENT [PYTHON]; needs a Python that these have wheels
# for, 3.11 or 3.12.
set -euo pipefail
venv=$1 python=${2:-python3}

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet 'pip>=25.1'
"$venv/bin/python" -m pip install --quiet '.[all]' --group test \
    -c tools/lowest-versions.txt -C build-dir=build/lowest
"$venv/bin/python" -m pytest -q -n "${JOBS:-2}"
