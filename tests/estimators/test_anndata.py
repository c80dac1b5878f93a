"""`nonneg.anndata.nmf`: what it writes, and that it is the fit of the matrix alone."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from nonneg import (
    NMF,
    beta_divergence,
    initialize,
    nls_subproblem,
    nnls,
    reconstruction_error,
)
from nonneg.anndata import nmf
from support.children import printed_by

anndata = pytest.importorskip("anndata")
RNG = np.random.default_rng(0)
X = RNG.poisson(RNG.gamma(0.5, size=(40, 3)) @ RNG.gamma(0.5, size=(3, 20)) * 9.0) * 1.0
CHOSEN = np.arange(20) % 3 != 0


def make(kind, tmp_path):
    adata = anndata.AnnData(sp.csr_matrix(X) if kind != "dense" else X.copy())
    if kind == "dask":
        da = pytest.importorskip("dask.array")
        adata = anndata.AnnData(da.from_array(X, chunks=(10, 20)))
    adata.layers["doubled"] = 2 * X
    if kind == "backed":
        adata.write_h5ad(tmp_path / "a.h5ad")
        adata = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    return adata


@pytest.mark.parametrize("kind", ["dense", "csr", "backed", "dask"])
@pytest.mark.parametrize("marked", [False, True])
def test_factors_are_those_of_the_matrix(kind, marked, tmp_path):
    adata = make(kind, tmp_path)
    if marked:
        adata.var["highly_variable"] = CHOSEN
    model = nmf(adata, 3, solver="hals", random_state=0)
    columns = CHOSEN if marked else np.ones(20, bool)
    W, H = adata.obsm["X_nmf"], adata.varm["nmf"].T
    expected = NMF(3, solver="hals", random_state=0)
    W0 = expected.fit_transform(X[:, columns])
    np.testing.assert_allclose(
        W @ H[:, columns], W0 @ expected.components_, rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(H[:, ~columns], 0)
    np.testing.assert_array_equal(H[:, columns], model.components_)
    error = np.linalg.norm(X[:, columns] - W @ H[:, columns])
    assert adata.uns["nmf"]["error"] == pytest.approx(error, rel=1e-6)
    assert adata.uns["nmf"]["params"]["use_highly_variable"] == marked
    if kind == "backed":
        adata.file.close()


@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_functions_take_one_in_memory(kind, tmp_path):
    adata = make(kind, tmp_path)
    W, H = initialize(adata, 3, "random", random_state=0)
    for A, B in zip((W, H), initialize(X, 3, "random", random_state=0), strict=True):
        np.testing.assert_array_equal(A, B)
    assert reconstruction_error(adata, W, H) == pytest.approx(
        reconstruction_error(X, W, H)
    )
    assert beta_divergence(adata, W, H, 1) == pytest.approx(beta_divergence(X, W, H, 1))
    np.testing.assert_allclose(nnls(W, adata), nnls(W, X), atol=1e-12)
    np.testing.assert_allclose(nnls(adata, W), nnls(X, W), atol=1e-9)
    gradient = [nls_subproblem(A, W, H, 1e-3, 9999)[0] for A in (adata, X)]
    np.testing.assert_allclose(*gradient, rtol=1e-9)


def test_functions_say_what_to_pass_of_one_on_disk(tmp_path):
    adata = make("backed", tmp_path)
    W = np.ones((40, 2))
    calls = [lambda: nnls(W, adata), lambda: nnls(adata, W)]
    calls += [lambda: initialize(adata, 2), lambda: nls_subproblem(adata, W, W, 1, 1)]
    for call in calls:
        with pytest.raises(ValueError, match=r"Pass .*\.to_memory\(\)"):
            call()
    adata.file.close()


def test_entries_survive_a_file(tmp_path):
    adata = make("csr", tmp_path)
    nmf(adata, 2, layer="doubled", key_added="parts", random_state=0)
    adata.write_h5ad(tmp_path / "b.h5ad")
    again = anndata.read_h5ad(tmp_path / "b.h5ad")
    np.testing.assert_array_equal(again.obsm["X_parts"], adata.obsm["X_parts"])
    assert again.uns["parts"]["params"]["layer"] == "doubled"
    objective = again.uns["parts"]["history"]["objective"]
    np.testing.assert_array_equal(objective, adata.uns["parts"]["history"]["objective"])


def test_all_variables_where_asked_for(tmp_path):
    adata = make("csr", tmp_path)
    adata.var["highly_variable"] = CHOSEN
    model = nmf(adata, 2, use_highly_variable=False, random_state=0)
    assert model.components_.shape == (2, 20)


def test_import_nonneg_is_enough():
    code = "import nonneg; print(nonneg.anndata.nmf.__name__)"
    assert printed_by(code) == ["nmf"]


def test_what_is_not_there_is_named(tmp_path):
    adata = make("csr", tmp_path)
    with pytest.raises(ValueError, match="no layer 'counts'; its layers are: doubled"):
        nmf(adata, 2, layer="counts")
    with pytest.raises(ValueError, match="highly_variable_genes"):
        nmf(adata, 2, use_highly_variable=True)
    with pytest.raises(ValueError, match="is a view"):
        nmf(adata[:10], 2)
    adata.var["highly_variable"] = False
    with pytest.raises(ValueError, match="chooses no variable"):
        nmf(adata, 2)
    assert not adata.obsm
