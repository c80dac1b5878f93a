"""Pictures of selections and consensus show what they are asked to."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import NMF, bootstrap, consensus, select_rank

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

X = np.random.default_rng(0).gamma(0.4, size=(40, 3)) @ np.random.default_rng(1).gamma(
    0.4, size=(3, 25)
)


def test_the_selection_shows_errors_and_the_pick():
    from matplotlib import pyplot as plt

    selection = select_rank(X, [2, 3, 4], random_state=0, stability=4)
    ax = selection.plot()
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert f"pick: {selection.n_components} ({selection.status})" in texts
    assert selection.reason in ax.get_title().replace("\n", " ")
    assert len(ax.lines) >= 4 + 2
    _, fitted, stable = ax.figure.axes
    np.testing.assert_array_equal(fitted.lines[0].get_ydata(), selection.table["train"])
    np.testing.assert_array_equal(
        stable.lines[0].get_ydata(), selection.table["silhouette_min"]
    )
    ax.figure.canvas.draw()
    plt.close(ax.figure)


def test_a_selection_is_drawn_into_axes_of_any_kind():
    from matplotlib import pyplot as plt

    selection = select_rank(X, [2, 3], random_state=0)
    figure, (left, right) = plt.subplots(1, 2)
    assert selection.plot(left) is left
    assert len(figure.axes) == 3
    assert not right.lines
    free = figure.add_axes([0.5, 0.5, 0.3, 0.3])
    assert selection.plot(free) is free
    assert len(figure.axes) == 4
    figure.canvas.draw()
    plt.close(figure)


def test_a_fold_that_explodes_does_not_press_the_others_flat():
    from matplotlib import pyplot as plt

    selection = select_rank(X, [2, 3, 4], random_state=0)
    selection.errors[-1, -1] = 1e9 * selection.table["error"][0]
    ax = selection.plot()
    assert ax.get_ylim()[1] < 10 * selection.table["error"][0]
    plt.close(ax.figure)


def test_the_consensus_has_three_parts():
    from matplotlib import pyplot as plt

    agreed = consensus(X, 3, n_runs=6, random_state=0, density_threshold=2)
    figure = agreed.plot()
    figure.canvas.draw()
    assert [ax.get_title() for ax in figure.axes[:3]] == [
        "18 spectra, by component",
        "0.0 % dropped",
        "Stability",
    ]
    plt.close(figure)


def test_the_uncertainty_has_bars_and_intervals_of_each_component():
    from matplotlib import pyplot as plt

    model = NMF(3, init="nndsvda", solver="hals", tol=1e-3).fit(X)
    sure = bootstrap(model, X, n_resamples=6, tol=1e-3, random_state=0)
    names = [f"feature {j}" for j in range(25)]
    for lost in (None, 1):
        if lost is not None:
            sure.components.low[lost] = sure.components.high[lost] = np.nan
        figure = sure.plot(names, n_top=4)
        figure.canvas.draw()
        for t in range(3):
            ax = figure.axes[t]
            top = np.argsort(-sure.components.mean[t])[:4]
            widths = [bar.get_width() for bar in ax.patches]
            np.testing.assert_allclose(widths, sure.components.mean[t, top])
            assert [label.get_text() for label in ax.get_yticklabels()] == [
                names[j] for j in top
            ]
            title = f"component {t}, matched {sure.components.matched[t]:.2f}"
            if t == lost:
                assert ax.get_title() == title + "\nnot found again"
                assert not ax.collections
                continue
            assert ax.get_title() == title
            ends = np.array(ax.collections[0].get_segments())[:, :, 0]
            expected = sure.components.low[t, top], sure.components.high[t, top]
            np.testing.assert_allclose(ends, np.stack(expected, axis=1))
        plt.close(figure)
