"""The package where the compiled core is missing, or is told to stay out of the way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import nonneg

SCRIPT = """
import sys, warnings
# an editable install finds the core wherever the package is
sys.meta_path[:] = [f for f in sys.meta_path if "ScikitBuild" not in type(f).__name__]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import nonneg
    from nonneg import kernels
assert kernels.native is None
for warning in caught:
    print(warning.category.__name__, warning.message, sep=": ")

import numpy as np
import scipy.sparse as sp
X = np.random.default_rng(0).random((30, 12))
for data in (X, np.asfortranarray(X), sp.csr_array(X), sp.csc_array(X)):
    for solver in ("cd", "pg"):
        model = nonneg.NMF(3, solver=solver, tol=1e-3).fit(data)
        assert model.reconstruction_err_ < np.linalg.norm(X)
assert nonneg.show_config(mode="dicts")["SIMD"]["in use"] == "reference"
"""


def run_with(folder: Path | None = None, **environment: str) -> str:
    variables = {k: v for k, v in os.environ.items() if k != "NONNEG_SIMD"}
    if folder is not None:
        variables["PYTHONPATH"] = str(folder)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**variables, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def without_core(tmp_path):
    """A copy of the package without the extension module."""
    package = Path(nonneg.__file__).parent
    shutil.copytree(
        package, tmp_path / "nonneg", ignore=shutil.ignore_patterns("_core.*", "__pyc*")
    )
    return tmp_path


def test_it_works_with_one_warning(without_core):
    printed = run_with(without_core).splitlines()
    assert len(printed) == 1
    assert printed[0].startswith("RuntimeWarning: nonneg's compiled core is missing")
    assert "C++ compiler" in printed[0]


def test_who_asks_for_the_reference_is_not_warned(without_core):
    assert run_with(without_core, NONNEG_SIMD="reference") == ""
    assert run_with(NONNEG_SIMD="reference") == ""


def test_an_unknown_instruction_set_is_an_error():
    done = subprocess.run(
        [sys.executable, "-c", "import nonneg"],
        env={**os.environ, "NONNEG_SIMD": "x86-64-v9"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "NONNEG_SIMD='x86-64-v9' is not available" in done.stderr
    assert "reference" in done.stderr
