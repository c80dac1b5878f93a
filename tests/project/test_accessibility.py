"""Reports are for everyone: axe-core finds nothing grave in any tab, scheme or width."""

from __future__ import annotations

import numpy as np
import pytest

import nonneg
from support.requirements import AXE, needs_axe, needs_browser

pytestmark = [needs_browser, needs_axe]


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """A report with images and ranks, and one with lines and a consensus."""
    folder = tmp_path_factory.mktemp("reports")
    rng = np.random.default_rng(0)
    X = rng.gamma(0.5, size=(40, 3)) @ rng.gamma(0.5, size=(3, 12)) + rng.random(
        (40, 12)
    )
    models = {
        "ranks": nonneg.NMFCV(range(1, 4), method="bcv", random_state=0).fit(X),
        "consensus": nonneg.consensus(X, 2, n_runs=6, random_state=0),
    }
    looks = {"ranks": {"image_shape": (3, 4)}, "consensus": {"axis": True}}
    for name, model in models.items():
        nonneg.report(model, X, **looks[name]).save(folder / f"{name}.html")
    return sorted(folder.iterdir())


def test_reports_are_accessible(reports, load_script):
    pytest.importorskip("selenium")
    assert load_script("check_accessibility").findings(reports, AXE) == []


def test_what_is_grave_is_told(tmp_path, load_script):
    pytest.importorskip("selenium")
    page = tmp_path / "page.html"
    page.write_text('<html lang="en"><title>x</title><main><a href="/"></a></main>')
    told = load_script("check_accessibility").findings([page], AXE)
    assert len(told) == 4
    assert all("link-name (serious)" in line for line in told)
