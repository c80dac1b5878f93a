"""Pictures of selections and consensus show what they are asked to."""

from __future__ import annotations

import numpy as np
import pytest

from nonneg import consensus, select_rank

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
    assert "least silhouette" in texts
    assert len(ax.lines) >= 4 + 2
    ax.figure.canvas.draw()
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
