"""The page that `report` makes: what it holds, what it escapes, what it refuses."""

from __future__ import annotations

import html.parser
import json
import re

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import nonneg
from nonneg.reporting.residuals import measure_residuals
from nonneg.reporting.sources import open_rows

EVIL = "<script>alert('x')</script>"
RNG = np.random.default_rng(0)
X = (
    RNG.gamma(0.5, size=(60, 3)) @ RNG.gamma(0.5, size=(3, 24))
    + RNG.random((60, 24)) / 5
)
MODEL = nonneg.NMF(3, solver="hals", random_state=0).fit(X)
VOID = {"meta", "img", "input", "link", "br", "hr", "use", "path"}


class Page(html.parser.HTMLParser):
    """Elements of a page by name, its text and its ids; open and closed ones must agree."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.ids, self.open, self.texts = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)

    def named(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def test_a_report_has_every_part_that_it_can_have():
    frame = pd.DataFrame(X, columns=[f"gene{j}" for j in range(24)])
    frame.index = [f"cell{i}" for i in range(60)]
    model = nonneg.NMFCV(range(2, 5), method="bcv", random_state=0).fit(frame)
    page = Page(nonneg.report(model, frame, data="cells.csv").html)
    tabs = [a["aria-controls"] for a in page.named("button") if a.get("role") == "tab"]
    assert tabs == [
        f"panel-{name}"
        for name in ("components", "rows", "fit", "convergence", "rank", "about")
    ]
    assert set(tabs) <= set(page.ids)
    assert "cells.csv" in page.text
    assert model.selection_.reason in page.text
    assert nonneg.__version__ in page.text
    assert "https://doi.org/10.1162/NECO_a_00256" in page.text
    worst = np.argmax(
        np.linalg.norm(frame - model.transform(frame) @ model.components_, axis=1)
    )
    assert page.texts.index(
        f"cell{worst}", page.texts.index("Rows with the largest errors")
    )


def test_a_model_alone_has_components_and_course():
    page = Page(nonneg.report(MODEL).html)
    assert {"panel-components", "panel-convergence", "panel-about"} <= set(page.ids)
    assert not {"panel-rows", "panel-fit", "panel-rank"} & set(page.ids)


def test_components_are_listed_by_their_shares():
    W = MODEL.transform(X)
    sums = W.sum(axis=0) * MODEL.components_.sum(axis=1)
    page = Page(nonneg.report(MODEL, X).html)
    shown = [int(a["data-number"]) for a in page.named("article")]
    assert shown == np.argsort(-sums).tolist()
    shares = [float(a["data-share"]) for a in page.named("article")]
    np.testing.assert_allclose(shares, -np.sort(-sums) / sums.sum())


def test_everything_is_in_the_file():
    """No address is loaded; the page's policy forbids it, too."""
    text = nonneg.report(MODEL, X, image_shape=(4, 6), axis=True).html
    page = Page(text)
    for _, attrs in page.elements:
        for name in ("src", "href", "xlink:href"):
            assert attrs.get(name, "#").startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"@import|url\((?!#)", text)
    policy = page.named("meta")[1]["content"]
    assert policy.startswith("default-src 'none'")
    assert len(text) < 3e6


def test_ids_are_unique_and_references_lead_somewhere():
    c = nonneg.consensus(X, 3, n_runs=4, random_state=0)
    text = nonneg.report(c, X, axis=True).html
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    for _, attrs in page.elements:
        for name in ("aria-controls", "aria-labelledby", "for"):
            if name in attrs:
                assert attrs[name] in page.ids
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)
    assert "panel-consensus" in page.ids


@pytest.mark.parametrize("where", ["features", "rows", "title", "data"])
def test_values_are_text(where):
    names = {
        "feature_names": [f"f{j}" for j in range(24)],
        "row_names": [f"r{i}" for i in range(60)],
    }
    more = {}
    if where == "features":
        names["feature_names"] = [f"{EVIL}{j}" for j in range(24)]
    elif where == "rows":
        names["row_names"] = [f"{EVIL}{i}" for i in range(60)]
    else:
        more[where] = EVIL
    text = nonneg.report(MODEL, X, axis=True, **names, **more).html
    assert EVIL not in text
    page = Page(text)
    assert EVIL in page.text
    assert len(page.named("script")) == 2


@pytest.mark.parametrize("kind", [list, np.array, pd.Index])
def test_names_may_be_of_any_kind(kind):
    names = kind([f"word{j}" for j in range(24)])
    rows = kind([f"text{i}" for i in range(60)])
    for show in (nonneg.report, nonneg.show):
        page = Page(show(MODEL, X, feature_names=names, row_names=rows).html)
        assert "word23" in page.text
        assert "text" in page.text


@pytest.mark.parametrize("kind", ["dense", "fortran", "float32", "csr", "csc"])
def test_residuals_are_those_of_numpy(kind):
    A = np.where(X > 0.4, X, 0.0)
    model = nonneg.NMF(3, solver="hals", random_state=0).fit(A)
    W, H = model.transform(A), model.components_
    given = {
        "dense": A,
        "fortran": np.asfortranarray(A),
        "float32": A.astype(np.float32),
        "csr": sp.csr_array(A),
        "csc": sp.csc_array(A),
    }[kind]
    from nonneg.fitting.preparation import prepare_X

    measured = measure_residuals(prepare_X(given, 1), W, H)
    E = np.asarray(given.todense() if sp.issparse(given) else given, float) - W @ H
    expected = [np.linalg.norm(B, axis=axis) for axis in (1, 0) for B in (E, E + W @ H)]
    for a, b in zip(measured, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert measured.relative == pytest.approx(
        np.linalg.norm(E) / np.linalg.norm(E + W @ H)
    )


@pytest.mark.parametrize(
    ("missing", "is_sparse"),
    [(np.nan, False), (np.nan, True), (0, False), ("unstored", True)],
)
def test_missing_entries_have_no_residuals(missing, is_sparse):
    gaps = RNG.random(X.shape) < 0.2
    A = np.where(gaps, 0.0 if missing in (0, "unstored") else missing, X)
    model = nonneg.NMF(3, solver="hals", random_state=0, missing_values=missing)
    data = sp.csr_array(A) if is_sparse else A
    W, H = model.fit_transform(data), model.components_
    measured = measure_residuals(open_rows(data, missing), W, H, missing)
    E = np.where(gaps, 0, X - W @ H)
    np.testing.assert_allclose(measured.row_error, np.linalg.norm(E, axis=1))
    np.testing.assert_allclose(measured.column_error, np.linalg.norm(E, axis=0))
    assert "panel-fit" in nonneg.report(model, data).html


def test_data_in_a_file_give_the_report_of_data_in_memory(tmp_path):
    anndata = pytest.importorskip("anndata")
    names = pd.DataFrame(index=[f"gene{j}" for j in range(24)])
    adata = anndata.AnnData(sp.csr_matrix(X), var=names)
    adata.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert nonneg.report(MODEL, adata).html == nonneg.report(MODEL, backed).html
    assert "gene23" in Page(nonneg.report(MODEL, adata).html).text
    backed.file.close()


def test_dask_data_give_the_report_of_data_in_memory():
    da = pytest.importorskip("dask.array")
    lazy = da.from_array(X, chunks=(20, 24))
    read = Page(nonneg.report(MODEL, lazy).html)
    held = Page(nonneg.report(MODEL, X).html)
    assert read.text == held.text


def test_a_selection_is_read_from_its_file(tmp_path):
    selection = nonneg.select_rank(X, [2, 3], method="bcv", random_state=0)
    selection.save(tmp_path / "rank.json")
    pages = [
        nonneg.report(MODEL, rank=rank).html
        for rank in (selection, selection.as_dict(), tmp_path / "rank.json")
    ]
    assert pages[0] == pages[1] == pages[2]
    assert "panel-rank" in pages[0]
    (tmp_path / "other.json").write_text(json.dumps({"a": 1}))
    with pytest.raises(ValueError, match="no rank selection"):
        nonneg.report(MODEL, rank=tmp_path / "other.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"W": np.ones((60, 2))},
            r"W has shape \(60, 2\); it must be \(n_samples, 3\)",
        ),
        ({"W": np.ones((59, 3))}, "X has 60 rows, but W has 59"),
        ({"image_shape": (5, 5)}, "25 pixels, but the model has 24 features"),
        ({"axis": [1, 2]}, "must have a number for each of the 24 features"),
        ({"row_names": ["a"]}, "60 rows, but 1 names"),
        ({"feature_names": ["a"]}, "24 features, but 1 names"),
    ],
)
def test_what_does_not_fit_the_model_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        nonneg.report(MODEL, X, **arguments)


def test_extremes_have_reports():
    """Components and rows of zeros, one component, more features than a line shows."""
    A = np.zeros((3, 5000))
    A[1] = np.arange(5000)
    model = nonneg.NMF(2, solver="cd", random_state=0, init="random").fit(A)
    model.components_[1] = 0
    page = Page(nonneg.report(model, A, axis=True).html)
    assert "All weights are zero." in page.text
    assert "nan" not in page.text


def test_missing_packages_are_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ImportError, match=r"nonneg\[report\]"):
        nonneg.report(MODEL)


def test_show_is_the_view_of_components():
    shown = nonneg.show(MODEL, X, feature_names=[f"{EVIL}{j}" for j in range(24)])
    page = Page(shown.html)
    assert len(page.named("article")) == 3
    frame = shown._repr_html_()
    assert EVIL not in frame
    outer = Page(frame)
    assert outer.elements[0][1]["srcdoc"] == shown.html
    assert "top features" in repr(shown)
