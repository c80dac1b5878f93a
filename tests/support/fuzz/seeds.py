"""The corpus: one small sound file of each form that the readers know."""

from __future__ import annotations

import gzip
import io
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import scipy.sparse as sp

from nonneg import NMF, MiniBatchNMF, save
from support.fuzz.files import npy

X = np.array([[5.0, 0, 1, 2], [0, 3, 0, 1], [2, 2, 0, 0], [0, 1, 4, 0], [7, 0, 0, 1]])
SPARSE = sp.csr_array(X)
TEXTS = {
    ".csv": (
        b"name,a,b,c\nx,1,2.5,0\ny,3,0,1e2\nz,0,1,7\n",
        b"1,2,3\n4,5,6\n7,8,9\n",
        b'"id","a b","c"\n1,"1,234",2\n2,"7",3\n3,"0",4\n',
        b"a;b;c\r\n1;2;3\r\n4;5;6\r\n",
        b"a,b\nTrue,1\nFalse,2\n",
        "a,b\n1,2\n3,4\n".encode("utf-16"),
    ),
    ".tsv": (b"\ta\tb\nx\t1\t2\ny\t3\t4\n", b"1\t2\n3\t4\n"),
    ".txt": (b"1 2 3\n4  5 6\n", b"# title\n1 2\n3 4\n", b"x|y\n1|2\n3|4\n"),
    ".csv.gz": (gzip.compress(b"a,b\n1,2\n3,4\n"),),
}
SPARSE_MARKET = (
    b"%%MatrixMarket matrix coordinate real general\n% c\n3 4 5\n"
    b"1 1 2.5\n1 4 1e2\n2 2 .5\n3 1 7\n3 3 1E-3\n"
)
MARKET = (
    SPARSE_MARKET,
    b"%%MatrixMarket matrix coordinate integer symmetric\n3 3 3\n1 1 2\n2 1 3\n3 2 4\n",
    b"%%MatrixMarket matrix coordinate pattern general\n2 3 2\n1 1\n2 3\n",
    b"%%MatrixMarket matrix array real general\n2 3\n1\n2\n3\n4\n5\n6.5\n",
    b"%%MatrixMarket matrix coordinate unsigned-integer general\n2 2 1\n1 2 3\n",
    b"%%MatrixMarket matrix coordinate complex hermitian\n2 2 1\n2 1 3 1\n",
)


def saved(write: Any, *arguments: Any, **named: Any) -> bytes:
    """Return what a function writes to a file that is its first argument."""
    out = io.BytesIO()
    write(out, *arguments, **named)
    return out.getvalue()


@cache
def plain_files() -> dict[str, tuple[bytes, ...]]:
    """Return sound .npy and .npz files."""
    integers, narrow = X.astype(np.uint16), np.asfortranarray(X.astype(np.float32))
    return {
        ".npy": tuple(
            npy(array) for array in (X, narrow, integers, X > 1, X.astype(">f8"))
        ),
        ".npz": (
            saved(np.savez, X=X),
            saved(
                np.savez, X=narrow, row_names=list("abcde"), column_names=list("wxyz")
            ),
            saved(np.savez_compressed, X=X),
            *(
                saved(sp.save_npz, SPARSE.asformat(format), compressed=False)
                for format in ("csr", "csc", "coo", "bsr", "dia")
            ),
            saved(sp.save_npz, SPARSE),
        ),
    }


@cache
def models() -> tuple[bytes, ...]:
    """Return files of fitted models, one of an online model with its state."""
    batch = MiniBatchNMF(2, init="random", random_state=0, batch_size=3)
    fitted = (
        NMF(2, init="random", random_state=0, max_iter=2, tol=0).fit(X),
        NMF(2, "random", "sn", beta_loss=1, random_state=0, max_iter=2, tol=0).fit(X),
        batch.partial_fit(X),
    )
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.nonneg"
        return tuple(
            _written(path, save, model, path, notes={"of": "x"}) for model in fitted
        )


@cache
def checkpoints() -> dict[str, bytes]:
    """Return a checkpoint of a fit by each of some solvers."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        return {
            solver: _written(path, checkpointed(solver, path, 2).fit, X)
            for solver in ("cd", "hals", "mu", "pg")
        }


def checkpointed(solver: str, path: Path, max_iter: int, resume: bool = False) -> NMF:
    """Return the fit that writes and reads the checkpoints of the corpus."""
    return NMF(
        2, "random", solver, max_iter=max_iter, tol=0, random_state=0, n_threads=1,
        nls_max_iter=5, shuffle=solver == "cd", checkpoint=path, checkpoint_every=1, resume=resume,
    )  # fmt: skip


def _written(path: Path, write: Any, *arguments: Any, **named: Any) -> bytes:
    path.unlink(missing_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(*arguments, **named)
    return path.read_bytes()


def folder_of_csr() -> dict[str, bytes]:
    """Return the files of a folder that holds a CSR."""
    vectors = {name: getattr(SPARSE, name) for name in ("data", "indices", "indptr")}
    return {
        f"{k}.npy": npy(v) for k, v in {**vectors, "shape": np.array(X.shape)}.items()
    }


@cache
def hdf5_files() -> tuple[bytes, ...]:
    """Return HDF5 files: dense, chunked, CSR of anndata, its old form, CSC, and 10x."""
    import h5py

    vectors = ("data", "indices", "indptr")
    files = []
    for kind in ("dense", "chunked", "csr", "h5sparse", "csc", "10x"):
        out = io.BytesIO()
        with h5py.File(out, "w") as file:
            if kind in ("dense", "chunked"):
                chunks = (2, 3) if kind == "chunked" else None
                file.create_dataset("X", data=X, chunks=chunks)
                file["var/_index"] = [b"a", b"b", b"c", b"d"]
            else:
                group = file.create_group("matrix" if kind == "10x" else "X")
                A = SPARSE.T.tocsc() if kind == "10x" else SPARSE
                A = SPARSE.tocsc() if kind == "csc" else A
                for name in vectors:
                    group[name] = getattr(A, name)
                if kind == "10x":
                    group["shape"], group["barcodes"] = A.shape, [b"c"] * 5
                    group["features/name"] = [b"a", b"b", b"c", b"d"]
                elif kind == "h5sparse":
                    group.attrs.update(h5sparse_format="csr", h5sparse_shape=A.shape)
                else:
                    group.attrs.update(
                        {"encoding-type": f"{kind}_matrix", "shape": A.shape}
                    )
        files.append(out.getvalue())
    return tuple(files)
