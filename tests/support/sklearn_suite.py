"""scikit-learn's own test file for NMF, run with our estimators and functions in place.

Nothing of it is copied: the file of the installed package is loaded under another name,
and the names that it imports are replaced in it. Its private helpers are mapped to our
public ones.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import sklearn.decomposition

import nonneg

FOLDER = Path(sklearn.decomposition.__file__).parent / "tests"


def _initialize_nmf(X: Any, n_components: int, init: Any = None, **more: Any) -> Any:
    return nonneg.initialize(X, n_components, init, **more)


def _beta_divergence(
    X: Any, W: Any, H: Any, beta: Any, square_root: bool = False
) -> Any:
    return nonneg.beta_divergence(X, W, H, beta, square_root=square_root)


INTERNALS = SimpleNamespace(
    _initialize_nmf=_initialize_nmf, _beta_divergence=_beta_divergence
)


def load(name: str) -> ModuleType:
    """The test file as a module of this name, with our package in it."""
    path = FOLDER / "test_nmf.py"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    names = ("NMF", "MiniBatchNMF", "non_negative_factorization")
    kept = {name: getattr(sklearn.decomposition, name) for name in names}
    kept["_nmf"] = sklearn.decomposition._nmf
    try:
        # while it is imported, so that its lists of parameters hold ours
        for replaced in names:
            setattr(sklearn.decomposition, replaced, getattr(nonneg, replaced))
        sklearn.decomposition._nmf = INTERNALS
        spec.loader.exec_module(module)
    finally:
        for replaced, value in kept.items():
            setattr(sklearn.decomposition, replaced, value)
    return module
