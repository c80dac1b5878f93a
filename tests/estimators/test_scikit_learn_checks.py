"""scikit-learn's own checks of estimators: none is expected to fail."""

from __future__ import annotations

import html

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from nonneg import NMF, NMFCV, MiniBatchNMF, NMFImputer, SymmetricNMF

CHECKS = parametrize_with_checks(
    [
        NMF(max_iter=1000),
        NMF(init="random", shuffle=True, max_iter=1000),
        NMF(n_components=2, alpha_W=1e-3, l1_ratio=0.5, max_iter=1000),
        # its transform stops by the norm over all rows, so parts differ by about tol
        NMF(n_components=2, solver="pg", tol=1e-9, max_iter=20),
        MiniBatchNMF(max_iter=50, fresh_restarts=True),  # as in its own tests
        MiniBatchNMF(2, batch_size=7, beta_loss=1, max_iter=20, fresh_restarts=True),
        MiniBatchNMF(2, batch_size=7, exact_statistics=True),
        NMFCV(cv_max_iter=5),
        NMFImputer(2, solver="hals", max_iter=50),
        NMF(2, solver="hals", missing_values=np.nan, max_iter=50),
        SymmetricNMF(2),
    ]
).mark


FOR_OTHERS = "check_array_api_input"
"""A check of estimators that take arrays of any library; for ours it skips itself."""


FIRST = NMF(max_iter=1000).get_params()


def is_meant_for(estimator, check):
    """Whether a check holds for what an estimator promises.

    Some refuse weights. Of repeated rows `tol` stops a fit a little earlier or later, and a
    start may draw other numbers: equal iterates are shown in tests/fitting.
    """
    name = check.func.__name__
    if name.startswith("check_sample_weight_equivalence"):
        return False
    is_first = isinstance(estimator, NMF) and estimator.get_params() == FIRST
    return name != FOR_OTHERS and (
        is_first or not name.startswith("check_sample_weight")
    )


# a list: older versions of scikit-learn hand pytest a generator, which it deprecates
@pytest.mark.parametrize(
    CHECKS.args[0],
    [pair for pair in CHECKS.args[1] if is_meant_for(*pair)],
    **CHECKS.kwargs,
)
@pytest.mark.filterwarnings("ignore:Iteration limit:UserWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "model",
    [
        NMF(7, solver="hals"),
        MiniBatchNMF(7),
        NMFCV([2, 3], solver="hals"),
        NMFImputer(7, solver="hals"),
        SymmetricNMF(7),
    ],
    ids=lambda model: type(model).__name__,
)
def test_notebooks_show_the_parameters(model):
    page, text = html.unescape(model._repr_html_()), repr(model)
    assert type(model).__name__ in text
    assert "".join(text.split()) in "".join(page.split())
