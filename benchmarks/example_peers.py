"""Other packages on the data of two examples: what they recover, beside nonneg.

    python benchmarks/example_peers.py --peers PYTHON

`PYTHON` is an interpreter that has pymcr and mcrnmf. The data and nonneg's own results
are those of examples/plot_unmixing.py and examples/plot_chromatogram.py.
"""

from __future__ import annotations

import argparse
import os
import runpy
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from nonneg import NMF, match_components

HERE = Path(__file__).resolve().parent
WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Weights of the volume that are tried for mcrnmf; the best one counts."""


def example(name: str) -> dict[str, Any]:
    """Run an example and return its variables."""
    os.environ["MPLBACKEND"] = "Agg"
    return runpy.run_path(str(HERE.parent / "examples" / f"plot_{name}.py"))


def ask(python: str, name: str, **data: Any) -> Any:
    """Return what a function of `recovery_peers` found, or None where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **data)
        script = HERE / "harness" / "recovery_peers.py"
        done = subprocess.run([python, "-W", "ignore", script, name, path], check=False)
        if done.returncode:
            return None
        with np.load(path) as found:
            return dict(found)


def main() -> None:
    """Print the errors of the packages."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--peers", required=True, metavar="PYTHON")
    python = parser.parse_args().peers

    data = example("unmixing")
    X, H = data["X"], data["H"]
    for weight in WEIGHTS:
        found = ask(python, "mcrnmf_minvol", X=X, H=H, weight=weight)
        if found is not None:
            order, _ = match_components(H, found["spectra"])
            error = np.abs(found["spectra"][order] - H).mean()
            print(f"mcrnmf_minvol {weight:g}: mean error of a spectrum {error:.4f}")

    data = example("chromatogram")
    X = data["X"]
    start = NMF(3, solver="hals", random_state=0, max_iter=5, tol=0)
    W0 = start.fit_transform(X)
    given = {"X": X, "H": data["spectra"], "W0": W0, "H0": start.components_}
    for name in ("mcrnmf_unimodal", "pymcr_plain", "pymcr_known"):
        found = ask(python, name, **given)
        if found is not None:
            errors = np.round(data["errors"](found["profiles"]), 4)
            print(f"{name}: 1 - correlation {errors}")


if __name__ == "__main__":
    main()
