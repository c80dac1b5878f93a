"""NMF of an AnnData, in the manner of scanpy: the factors are written into it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .estimators.nmf import NMF

__all__ = ["nmf"]


def nmf(
    adata: Any,
    n_components: int,
    *,
    layer: str | None = None,
    use_highly_variable: bool | None = None,
    key_added: str = "nmf",
    solver: Any = "auto",
    **parameters: Any,
) -> NMF:
    """Factorize the matrix of an AnnData, and write the factors into it.

    Parameters
    ----------
    adata : AnnData of shape (n_obs, n_vars)
        In memory, with a Dask array, or backed by a file. It gets three entries: W in
        `obsm["X_" + key_added]`, of shape (n_obs, k); the transpose of H in
        `varm[key_added]`, of shape (n_vars, k), with zeros for variables that are not
        used; and in `uns[key_added]` "params", "error", "n_iter" and "history".
    n_components : int
        Number of components.
    layer : str, default=None
        Layer to factorize; None takes `X`.
    use_highly_variable : bool, default=None
        Whether to use only the variables of `var["highly_variable"]`; None does so where
        there is such a column.
    key_added : str, default="nmf"
        Name of the entries.
    solver : str or SolverBase, default="auto"
        As of `NMF`.
    **parameters
        Further parameters of `NMF`.

    Returns
    -------
    model : NMF
        The fitted model.

    Raises
    ------
    ValueError
        If there is no such layer or no column "highly_variable", it chooses none, the
        AnnData is a view, or an entry is negative or not finite.

    See Also
    --------
    nonneg.NMF : Its `fit` takes the `X` of an AnnData as well, and writes nothing into it.

    Notes
    -----
    `X` of a backed AnnData is read in parts, in the passes of the fit; if variables are
    chosen, those are read into memory. Only the AnnData in memory gets the factors, the
    file is as before.

    Examples
    --------
    >>> import numpy as np
    >>> from anndata import AnnData
    >>> from nonneg.anndata import nmf
    >>> adata = AnnData(np.random.default_rng(0).random((20, 6)))
    >>> model = nmf(adata, 2, random_state=0)
    >>> adata.obsm["X_nmf"].shape, adata.varm["nmf"].shape
    ((20, 2), (6, 2))
    """
    if adata.is_view:
        msg = "This AnnData is a view of another one; pass a copy of it, adata.copy()."
        raise ValueError(msg)
    chosen = _choose_variables(adata, use_highly_variable)
    X = _find_matrix(adata, layer, chosen)
    model = NMF(n_components, solver=solver, **parameters)
    W = np.asarray(model.fit_transform(X))
    H = model.components_
    weights = np.zeros((adata.n_vars, H.shape[0]), H.dtype)
    weights[slice(None) if chosen is None else chosen] = H.T
    adata.obsm[f"X_{key_added}"] = W
    adata.varm[key_added] = weights
    adata.uns[key_added] = {
        "params": {
            "layer": "X" if layer is None else layer,
            "use_highly_variable": chosen is not None,
            **{
                name: value
                if isinstance(value, bool | int | float | str)
                else str(value)
                for name, value in model.get_params().items()
                if value is not None
            },
        },
        "error": float(model.reconstruction_err_),
        "n_iter": int(model.n_iter_),
        "history": {name: np.asarray(v) for name, v in model.history_.items()},
    }
    return model


def _choose_variables(adata: Any, use_highly_variable: bool | None) -> Any:
    """Return the mask of the variables to use, or None for all."""
    is_marked = "highly_variable" in adata.var
    if use_highly_variable and not is_marked:
        msg = (
            "use_highly_variable=True needs adata.var['highly_variable']; mark the "
            "variables first, as scanpy.pp.highly_variable_genes does."
        )
        raise ValueError(msg)
    if use_highly_variable is False or not is_marked:
        return None
    chosen = np.asarray(adata.var["highly_variable"], dtype=bool)
    if not chosen.any():
        msg = "adata.var['highly_variable'] chooses no variable; pass use_highly_variable=False."
        raise ValueError(msg)
    return chosen


def _find_matrix(adata: Any, layer: str | None, chosen: Any) -> Any:
    """Return the matrix to factorize; a backed AnnData itself, if all of it is used."""
    if layer is not None and layer not in adata.layers:
        # anndata 0.13 lists X among them, by the name None
        names = ", ".join(name for name in adata.layers if name is not None) or "none"
        msg = f"adata has no layer {layer!r}; its layers are: {names}."
        raise ValueError(msg)
    if layer is not None:
        X = adata.layers[layer]
    elif adata.isbacked:
        return adata if chosen is None else adata[:, chosen].to_memory().X
    else:
        X = adata.X
    return X if chosen is None else X[:, chosen]
