"""Every recorded refusal and odd input of scikit-learn 0.18: refused or accepted as then."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import nonneg
from support.golden import ENTRIES, Entry
from support.golden_deviations import AS_RECORDED, applies, outcome_now

CLASSES = {
    "ValueError": ValueError,
    "TypeError": TypeError,
    "NotFittedError": NotFittedError,
}


@dataclass
class Played:
    """What happened: the stage reached, the exception, or results by their names."""

    stage: str
    error: BaseException | None = None
    results: dict[str, Any] = field(default_factory=dict)
    warned: list[type[Warning]] = field(default_factory=list)


def play(entry: Entry) -> Played:
    """Make the recorded call; whatever it raises is kept, not raised."""
    played = Played("construct" if entry.api == "NMF" else "call")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            played.results = CALLS[entry.api](entry, played)
        except Exception as error:  # noqa: BLE001  (looked at by the test)
            played.error = error
    played.warned = [warning.category for warning in warned]
    return played


def _estimator(entry: Entry, played: Played) -> dict[str, Any]:
    model = nonneg.NMF(**entry.kwargs)
    X, X2 = entry.input("X"), entry.input("X2")
    played.stage = "fit"
    results: dict[str, Any] = {}
    if entry.fits:
        results["W"] = model.fit_transform(X, **entry.fit_kwargs)
        results["H"] = model.components_
        results["n_iter"] = model.n_iter_
        results["reconstruction_err"] = model.reconstruction_err_
        results["residual"] = model.history_["residual"][-1]
    if X2 is not None:
        played.stage = "transform"
        results["W_X2"] = model.transform(X2)
    return results


def _function(entry: Entry, played: Played) -> dict[str, Any]:
    W, H, n_iter = nonneg.non_negative_factorization(
        entry.input("X"), entry.input("W"), entry.input("H"), **entry.kwargs
    )
    return {"W": W, "H": H, "n_iter": n_iter}


def _initialize(entry: Entry, played: Played) -> dict[str, Any]:
    W, H = nonneg.initialize(entry.input("X"), **entry.kwargs)
    return {"W": W, "H": H}


def _nls(entry: Entry, played: Played) -> dict[str, Any]:
    V, W, H = (entry.input(name) for name in "VWH")
    H, _, n_iter = nonneg.nls_subproblem(V, W, H, **entry.kwargs)
    return {"H": H, "n_iter": n_iter}


CALLS = {
    "NMF": _estimator,
    "non_negative_factorization": _function,
    "_initialize_nmf": _initialize,
    "_nls_subproblem": _nls,
}


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_entry(entry):
    played = play(entry)
    now = outcome_now(entry)
    refused = entry.exception is not None
    if now != AS_RECORDED:
        # the record does not hold any more, else the deviation is out of date
        assert refused != (now != "accepted") or entry.exception != now
        refused = now != "accepted"
    if refused:
        assert_refused(entry, played, now)
    else:
        assert_accepted(entry, played)


def assert_refused(entry: Entry, played: Played, now: str) -> None:
    assert played.error is not None, "accepted"
    if now != AS_RECORDED:
        expected: Any = CLASSES[now]
    elif entry.by_library:
        expected = CLASSES[entry.exception]
    else:
        # the class was whatever came up inside; ours is one of the two for bad input
        expected = (ValueError, TypeError)
    assert isinstance(played.error, expected)
    if entry.stage is not None:
        assert played.stage == entry.stage
    message = str(played.error)
    assert message.strip()
    assert len(message) < 600
    assert played.warned == []


def assert_accepted(entry: Entry, played: Played) -> None:
    if played.error is not None:
        raise played.error
    expected_warnings: list[type[Warning]] = []
    if applies("unused-factors-warn", entry):
        expected_warnings.append(RuntimeWarning)
    assert played.warned == expected_warnings
    results = played.results
    for name, value in entry.result.items():
        matrix = name.partition("_shape")[0]
        if name.endswith("_shape"):
            assert list(results[matrix].shape) == value
        elif name == "n_iter":
            if entry.kwargs.get("tol") == 0 and results["residual"] == 0:
                # nothing moves any more, which the order of a sum decides
                assert results["n_iter"] <= value + 1
                continue
            zero_based = applies("n-iter-from-one", entry)
            assert results["n_iter"] == value + zero_based
        elif name == "W_sum":
            np.testing.assert_allclose(results["W"].sum(), value, rtol=1e-7)
        else:
            assert name == "reconstruction_err"
            np.testing.assert_allclose(results[name], value, rtol=1e-7)


def test_refused_input_leaves_no_fitted_model_behind():
    """A fit that is refused sets no attribute."""
    for entry in ENTRIES:
        if entry.api == "NMF" and entry.stage == "fit" and entry.exception:
            model = nonneg.NMF(**entry.kwargs)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    model.fit(entry.input("X"), **entry.fit_kwargs)
            except (ValueError, TypeError):
                assert not hasattr(model, "components_"), entry.id
