"""The table of components, the summary of a fit, and the estimate of the time left."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import NMF
from nonneg.analysis.report import (
    Component,
    component_shares,
    format_components,
    format_seconds,
    format_summary,
    frobenius_norm,
    list_components,
    summarize,
)
from nonneg.base.progress import FitProgress, estimate_iterations_left, format_clock
from nonneg.base.records import Iteration

X = np.random.default_rng(0).gamma(0.4, size=(30, 8))


@pytest.fixture
def model():
    return NMF(3, tol=0, max_iter=9, random_state=0).fit(X)


class TestShares:
    def test_against_the_definition(self, model):
        W = model.transform(X)
        H = model.components_
        whole = W @ H
        for t, share in enumerate(component_shares(W, H)):
            assert share == pytest.approx(np.outer(W[:, t], H[t]).sum() / whole.sum())

    def test_scale_between_the_factors_does_not_matter(self, model):
        W, H = model.transform(X), model.components_
        scale = np.array([0.1, 1, 30])
        np.testing.assert_allclose(
            component_shares(W * scale, H / scale[:, None]), component_shares(W, H)
        )

    def test_nothing_is_no_share(self):
        assert component_shares(np.zeros((3, 2)), np.ones((2, 4))).tolist() == [0, 0]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.csc_matrix])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, bool])
def test_norm(kind, dtype):
    A = (3 * X).astype(dtype)
    expected = np.linalg.norm(A.astype(float))
    assert frobenius_norm(kind(A)) == pytest.approx(expected)


class TestFitSummary:
    def test_facts(self, model):
        summary = summarize(model, n_samples=30, norm=frobenius_norm(X), seconds=1.5)
        assert summary.n_iter == 9
        assert summary.objective == model.history_["objective"][-1]
        error = np.linalg.norm(X - NMF(3, tol=0, max_iter=9, random_state=0)
                               .fit_transform(X) @ model.components_)  # fmt: skip
        assert summary.reconstruction_err == pytest.approx(error)
        assert summary.relative_err == pytest.approx(error / np.linalg.norm(X))
        assert format_summary(summary).splitlines() == [
            "30 × 8 matrix, 3 components, solver cd",
            "not converged within the 9 iterations allowed, 1.5 s",
            f"error ‖X − WH‖ = {error:.6g}, {100 * error / np.linalg.norm(X):.2f} % of ‖X‖",
        ]

    def test_unknown_facts_are_left_out(self, model):
        summary = summarize(model)
        assert summary.relative_err is None
        assert summary.seconds == model.history_["seconds"][-1]
        assert format_summary(summary).startswith("8 features, 3 components")
        assert "%" not in format_summary(summary)

    @pytest.mark.parametrize(
        ("reason", "text"),
        [
            ("converged", "converged after 1 iteration in"),
            ("max_time", "time limit after 1 iteration in"),
            ("callback", "callback after 1 iteration in"),
            ("interrupted", "interrupted after 1 iteration in"),
            ("something new", "something new after 1 iteration in"),
        ],
    )
    def test_every_end_has_words(self, model, reason, text):
        model.stop_reason_, model.n_iter_ = reason, 1
        assert text in format_summary(summarize(model))

    def test_an_objective_that_is_not_known_is_none(self, model):
        model.history_["objective"][-1] = np.nan
        assert summarize(model).objective is None
        model.history_ = {name: np.empty(0) for name in model.history_}
        assert summarize(model).objective is None


@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_the_norm_of_entries_stored_twice(form):
    rows, columns = np.array([0, 0, 1]), np.array([1, 1, 0])
    twice = sp.coo_array((np.array([1.0, 2, 4]), (rows, columns)), shape=(2, 2))
    if form == "csr":
        twice = sp.csr_array((twice.data, columns, [0, 2, 3]), shape=(2, 2))
    elif form == "csc":
        twice = sp.csc_array(
            (twice.data[[2, 0, 1]], [1, 0, 0], [0, 1, 3]), shape=(2, 2)
        )
    assert frobenius_norm(twice) == pytest.approx(5)


class TestTable:
    def test_features_in_order(self, model):
        H = model.components_
        for component in list_components(model, n_top=3):
            row = H[component.component]
            order = np.argsort(-row)[:3]
            assert [name for name, _ in component.top] == [str(j) for j in order]
            assert [weight for _, weight in component.top] == row[order].tolist()
            assert component.total == pytest.approx(row.sum())
            assert component.share is None

    def test_largest_share_first(self, model):
        found = list_components(model, shares=[0.2, 0.5, 0.3])
        assert [component.component for component in found] == [1, 2, 0]

    def test_names(self, model):
        model.feature_names_in_ = np.array(list("abcdefgh"), dtype=object)
        assert list_components(model)[0].top[0][0] in "abcdefgh"
        given = list_components(model, feature_names=[f"x{j}" for j in range(8)])
        assert given[0].top[0][0].startswith("x")
        with pytest.raises(ValueError, match="8 features, but 2 names"):
            list_components(model, feature_names=["a", "b"])

    def test_text(self):
        components = [
            Component(10, 0.75, [("long name", 3.0), ("b", 1.0)], 4.0),
            Component(2, 0.25, [], 0.0),
        ]
        assert format_components(components).splitlines() == [
            " #   share  top features, each with its % of the component",
            "10   75.0%  long name 75.0, b 25.0",
            " 2   25.0%  (zero)",
        ]

    @pytest.mark.parametrize("width", [40, 80, 200])
    def test_width(self, model, width):
        names = [f"feature {'x' * 5 * j} {j}" for j in range(8)]
        table = format_components(list_components(model, feature_names=names), width)
        assert max(map(len, table.splitlines())) <= width

    def test_names_can_not_break_the_terminal(self):
        text = format_components([Component(0, None, [("a\nb\x1b[2J\r", 1.0)], 1.0)])
        assert text.count("\n") == 1
        assert text.splitlines()[1] == " 0  a b [2J  100.0"


@pytest.mark.parametrize(
    ("seconds", "text", "time"),
    [
        (0.0123, "0.012 s", "0:01"),
        (9.87, "9.9 s", "0:10"),
        (59, "59 s", "0:59"),
        (61.2, "1 min 1 s", "1:02"),
        (7300, "2 h 1 min", "2:01:40"),
    ],
)
def test_durations(seconds, text, time):
    assert format_seconds(seconds) == text
    assert format_clock(seconds) == time


class TestTimeLeft:
    def test_of_a_residual_that_falls_evenly(self):
        residuals = [0.5**n for n in range(10)]
        left = estimate_iterations_left(residuals, 0.5**20, max_iter=1000)
        assert left == pytest.approx(11)

    @pytest.mark.parametrize(
        ("residuals", "tol"),
        [
            ([1.0], 1e-4),
            ([1.0, 0.5, 0.4, 0.4, 0.4, 0.4], 1e-4),
            ([math.nan] * 6, 1e-4),
            ([0.5**n for n in range(10)], 0.0),
            ([1.0, 0.99999999] * 5, 1e-300),
        ],
    )
    def test_where_it_can_not_be_told_max_iter_counts(self, residuals, tol):
        assert estimate_iterations_left(residuals, tol, max_iter=50) == 50 - len(
            residuals
        )

    def test_never_below_zero(self):
        assert (
            estimate_iterations_left([1e-3, 1e-4, 1e-5, 1e-6, 1e-7], 1e-3, max_iter=50)
            == 0
        )

    def test_the_bar_never_goes_back_and_ends_full(self):
        shown = []
        progress = FitProgress(lambda part, text: shown.append((part, text)))
        NMF(3, tol=1e-3, random_state=0, callback=progress).fit(X)
        parts = [part for part, _ in shown]
        assert parts == sorted(parts)
        assert 0 < parts[0] < parts[-1] <= 1
        assert "objective" in shown[-1][1]
        first = parts[0]
        NMF(3, tol=1e-3, random_state=0, callback=progress).fit(X)
        assert shown[len(parts)][0] == first  # a second fit begins anew

    def test_a_time_limit_bounds_the_estimate(self):
        shown = []
        progress = FitProgress(lambda *what: shown.append(what), max_time=10.0)
        progress(Iteration(1, math.nan, 1.0, 4.0, 1000, 1e-4))
        assert shown == [(0.4, "iteration    1/1000  0:06 left")]
