"""Pictures: that they are drawn, with the right panels and labels, and leave no trace."""

from __future__ import annotations

import io
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from nonneg import NMF
from nonneg.analysis.plotting import plot_components, plot_factors, plot_history
from nonneg.analysis.report import component_shares

X = np.random.default_rng(0).gamma(0.4, size=(40, 12))
NAMES = [f"name {j}" for j in range(12)]


@pytest.fixture(autouse=True)
def _agg(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: pytest.fail("show called"))
    plt.switch_backend("agg")
    before = dict(mpl.rcParams)
    yield
    assert dict(mpl.rcParams) == before
    assert plt.get_backend().lower() == "agg"
    plt.close("all")


@pytest.fixture
def model():
    return NMF(5, tol=0, max_iter=7, random_state=0).fit(X)


def drawn(figure):
    """Render, so that what would only fail then fails; return whether there is ink."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="rgba")
    pixels = np.frombuffer(buffer.getvalue(), np.uint8)
    return pixels.min() < 255


def texts_overlap(figure):
    """Pairs of tick labels and titles of a figure that lie on each other."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for ax in figure.axes
        for text in (ax.title, *ax.get_yticklabels(), *ax.get_xticklabels())
        if text.get_text() and text.get_visible()
    ]
    return [
        (one[0], other[0])
        for i, one in enumerate(boxes)
        for other in boxes[:i]
        if one[1].overlaps(other[1])
    ]


class TestHistory:
    @pytest.mark.parametrize(
        ("solver", "beta_loss", "label"),
        [
            ("mu", 1, "objective (kullback-leibler)"),
            ("sn", "kullback-leibler", "objective (kullback-leibler)"),
            ("mu", 1.5, "objective (beta=1.5)"),
            ("irls", 1.5, "objective (beta=1.5)"),
            ("mu", 2.0, "objective"),
        ],
    )
    def test_the_loss_is_named(self, solver, beta_loss, label):
        """ "mu" knows its objective every tenth sweep; the line has no gaps."""
        model = NMF(
            3, solver=solver, beta_loss=beta_loss, tol=0, max_iter=35, random_state=0
        ).fit(X)
        ax = plot_history(model)
        assert ax.get_ylabel() == label
        (line,) = ax.lines
        known = np.isfinite(model.history_["objective"])
        assert len(line.get_ydata()) == known.sum() > 1
        assert drawn(ax.figure)

    @pytest.mark.parametrize("by", ["sweeps", "seconds"])
    @pytest.mark.parametrize("residual", [True, False])
    def test_curves(self, model, by, residual):
        ax = plot_history(model, by=by, residual=residual)
        (line,) = ax.lines
        np.testing.assert_array_equal(line.get_ydata(), model.history_["objective"])
        x = np.arange(1, 8) if by == "sweeps" else model.history_["seconds"]
        np.testing.assert_array_equal(line.get_xdata(), x)
        assert ax.get_xlabel() == {"sweeps": "sweep", "seconds": "time (s)"}[by]
        assert ax.get_ylabel() == "objective"
        assert len(ax.figure.axes) == 1 + residual
        if residual:
            other = ax.figure.axes[-1]
            (line,) = other.lines
            np.testing.assert_array_equal(line.get_ydata(), model.history_["residual"])
            assert other.get_yscale() == "log"
            assert "residual" in other.get_ylabel()
        assert drawn(ax.figure)

    def test_into_the_caller_s_axes(self, model):
        _, (left, right) = plt.subplots(1, 2)
        assert plot_history(model.history_, right, residual=False) is right
        assert not left.lines
        assert right.lines

    def test_one_sweep_is_a_visible_point(self):
        model = NMF(2, tol=0, max_iter=1, random_state=0).fit(X)
        ax = plot_history(model)
        assert ax.lines[0].get_marker() == "o"
        assert drawn(ax.figure)

    def test_a_residual_of_zero_is_drawn_on_a_linear_axis(self):
        ax = plot_history({"objective": np.ones(3), "residual": np.zeros(3)})
        assert ax.figure.axes[-1].get_yscale() == "linear"
        assert drawn(ax.figure)

    def test_refused(self, model):
        with pytest.raises(ValueError, match="'sweeps' or 'seconds'; got 'minutes'"):
            plot_history(model, by="minutes")
        with pytest.raises(ValueError, match="history is empty"):
            plot_history({"objective": [], "residual": []})
        assert not plt.get_fignums()


class TestComponents:
    def test_bars(self, model):
        figure = plot_components(model, feature_names=NAMES, n_top=4)
        assert len(figure.axes) == 5
        for t, ax in enumerate(figure.axes):
            H = model.components_[t]
            order = np.argsort(-H)[:4]
            order = order[H[order] > 0]
            widths = [bar.get_width() for bar in ax.patches]
            np.testing.assert_array_equal(widths, H[order])
            labels = [label.get_text() for label in ax.get_yticklabels()]
            assert labels == [NAMES[j] for j in order]
            assert ax.get_title() == f"component {t}"
        assert drawn(figure)
        assert not texts_overlap(figure)

    def test_images(self, model):
        figure = plot_components(model, image_shape=(3, 4))
        assert len(figure.axes) == 5
        for t, ax in enumerate(figure.axes):
            image = ax.images[0].get_array()
            np.testing.assert_array_equal(image, model.components_[t].reshape(3, 4))
            assert ax.get_title() == str(t)
        assert drawn(figure)

    @pytest.mark.parametrize(
        ("k", "columns"), [(1, 1), (2, 2), (7, 4), (10, 5), (16, 4)]
    )
    def test_images_fill_their_grid(self, k, columns):
        model = NMF(k, init="random", tol=0, max_iter=1, random_state=0).fit(X)
        figure = plot_components(model, image_shape=(4, 3))
        assert len(figure.axes) == k
        assert figure.axes[0].get_gridspec().ncols == columns
        assert drawn(figure)
        assert not texts_overlap(figure)

    def test_chosen_components_with_shares(self, model):
        shares = component_shares(model.transform(X), model.components_)
        figure = plot_components(model, components=[3, 1], shares=shares, n_columns=1)
        titles = [ax.get_title() for ax in figure.axes]
        assert titles == [f"component {t}  ({100 * shares[t]:.1f} %)" for t in (3, 1)]

    def test_into_the_caller_s_figure(self, model):
        mine = Figure()
        part = mine.subfigures(1, 2)[1]
        assert plot_components(model, figure=part) is part
        assert len(mine.axes) == 5
        assert not plt.get_fignums()

    def test_odd_names_are_no_formulas_and_not_too_long(self, model):
        names = ["$x$", "a\nb", "_{", "é" * 80, "", "%", *"abcdef"]
        figure = plot_components(model, feature_names=names, n_top=12)
        assert drawn(figure)
        shown = {
            label.get_text() for ax in figure.axes for label in ax.get_yticklabels()
        }
        assert max(map(len, shown)) <= 22
        assert shown <= {r"\$x\$", "a b", "_{", "é" * 21 + "…", "", "%", *"abcdef"}

    def test_a_component_of_zeros(self, model):
        model.components_ = np.zeros_like(model.components_)
        assert drawn(plot_components(model))
        assert drawn(plot_components(model, image_shape=(3, 4)))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"image_shape": (3, 3)}, "has 9 pixels, but the model has 12 features"),
            ({"feature_names": ["a"]}, "12 features, but 1 names"),
            ({"components": [5]}, r"numbers from 0 to 4; got \[5\]"),
            ({"components": []}, r"got \[\]"),
        ],
    )
    def test_refused(self, model, options, message):
        with pytest.raises(ValueError, match=message):
            plot_components(model, **options)
        assert not plt.get_fignums()


class TestFactors:
    def test_rows_are_parts_and_sorted(self, model):
        W = model.transform(X)
        ax = plot_factors(W)
        shown = np.asarray(ax.images[0].get_array())
        np.testing.assert_allclose(shown.sum(axis=1), 1)
        assert (np.diff(shown.argmax(axis=1)) >= 0).all()
        assert ax.get_ylabel() == "40 samples, sorted"
        assert ax.get_xlabel() == "component"
        assert ax.figure.axes[-1].get_ylabel() == "part of the sample"
        assert drawn(ax.figure)

    def test_names(self, model):
        W = model.transform(X)[:9]
        rows = [f"sample {i}" for i in range(9)]
        ax = plot_factors(
            W,
            row_names=rows,
            component_names=model.get_feature_names_out(),
            order=False,
        )
        assert [label.get_text() for label in ax.get_yticklabels()] == rows
        assert ax.get_xticklabels()[0].get_text() == "nmf0"
        np.testing.assert_allclose(ax.images[0].get_array()[0], W[0] / W[0].sum())
        assert drawn(ax.figure)

    def test_many_rows_and_rows_of_zeros(self):
        W = np.zeros((5000, 3))
        ax = plot_factors(W, max_rows=100)
        assert ax.images[0].get_array().shape == (100, 3)
        assert ax.get_ylabel() == "100 of 5,000 samples, sorted"
        assert drawn(ax.figure)

    @pytest.mark.parametrize("W", [np.ones(3), np.ones((0, 3))])
    def test_refused(self, W):
        with pytest.raises(ValueError, match="W must be a matrix"):
            plot_factors(W)


@pytest.mark.parametrize("draw", [plot_history, plot_components])
def test_without_matplotlib_it_says_what_to_install(model, draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"pip install 'nonneg\[plot\]'"):
        draw(model)
