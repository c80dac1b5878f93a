#!/usr/bin/env bash
# Builds the source distribution into dist, compiles it in a new environment, and runs it
# there, away from the sources.
# Usage: sdist_test.sh FOLDER
set -euo pipefail
folder=$1
rm -rf "$folder" dist/nonneg-*.tar.gz
"${PYTHON:-python3}" -m venv "$folder/builder" "$folder/clean"
"$folder/builder/bin/python" -m pip install --quiet build
"$folder/builder/bin/python" -m build --sdist --outdir dist
distribution=$(ls "$PWD"/dist/nonneg-*.tar.gz)
environment=$PWD/$folder/clean/bin
cd "$folder"
"$environment/python" -m pip install --quiet "$distribution[cli,plot]"
"$environment/python" -c '
import nonneg
from nonneg.kernels import native
assert native is not None, "there is no compiled core"
nonneg.show_config()'
"$environment/nonneg" demo
ls -l "$distribution"
