"""Every test of scikit-learn's own file for NMF, on our estimators and functions."""

from __future__ import annotations

import pytest

from support import sklearn_suite
from support.paths import ROOT

# scikit-learn's own runs do not turn these into errors
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The multiplicative update:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*penalises W alone:UserWarning"),
]

DEVIATIONS = {
    "test_special_sparse_dot": "a private helper whose array of WH at the stored entries "
    "does not exist here",
    "test_nmf_custom_init_dtype_error": "W and H of another dtype than X are converted",
    "test_minibatch_nmf_partial_fit": "its two models write to the H that they share, "
    "and so agree; ours copy it",
    "test_NMF_inverse_transform_Xt_deprecation": "of scikit-learn 1.6: a deprecated name "
    "of an argument, which never was one here",
}
"""Tests that can't pass and are left out, with the reason; docs/compatibility.md lists them.
Not every version of scikit-learn has all of them."""

_module = sklearn_suite.load(__name__ + "_loaded")
_tests = {
    name: test
    for name, test in vars(_module).items()
    if name.startswith("test_") and callable(test)
}
for _name, _test in _tests.items():  # in their order: each process collects the same
    if _name not in DEVIATIONS:
        globals()[_name] = _test


def test_the_file_was_found() -> None:
    assert len(_tests) >= 35


def test_every_deviation_is_documented() -> None:
    assert len(set(DEVIATIONS) & set(_tests)) >= 2
    page = (ROOT / "docs" / "compatibility.md").read_text()
    assert all(name in page for name in DEVIATIONS)
