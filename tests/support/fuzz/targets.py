"""What is driven with forged inputs: the gate, each reader, and the core behind them."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils._param_validation import InvalidParameterError

from nonneg import NMF, load, nnls, reconstruction_error
from nonneg.cli.inputs import open_matrix
from nonneg.io.readers import read_matrix
from support.fuzz import seeds
from support.fuzz.files import (
    mutate_archive,
    mutate_folder,
    mutate_hdf5,
    mutate_npy,
    mutate_text,
)
from support.fuzz.values import mutate_array, mutate_bytes

MOST = 10_000
"""Entries of a matrix that is fitted after it was read."""
SOLVERS = ("cd", "hals", "bpp", "mu", "pg", "sn")


@dataclass(frozen=True)
class Target:
    """What is driven: `make` draws an input in a folder, `drive` hands it over."""

    make: Callable[[Random, Path], Any]
    drive: Callable[[Any, Random], None]


def use_matrix(X: Any, random: Random) -> None:
    """Hand a matrix to the core: to a short fit by some solver, or to a single product."""
    n_rows, n_columns = X.shape
    if n_rows * n_columns > MOST:
        return
    if random.random() < 0.8:
        W, H = np.ones((n_rows, 2)), np.ones((2, n_columns))
        reconstruction_error(X, W, H)
        return
    if random.random() < 0.1:
        nnls(X, np.ones(n_rows))
        return
    solver = random.choice(SOLVERS)
    loss = 1 if solver == "sn" or random.random() < 0.2 * (solver == "mu") else 2
    start = random.choice(("random", "random", "nndsvd"))
    model = NMF(
        1, start, solver, beta_loss=loss, max_iter=1, tol=0, random_state=0, n_threads=1,
        nls_max_iter=5,
    )  # fmt: skip
    model.fit(X)


def _write(folder: Path, name: str, text: bytes) -> Path:
    path = folder / name
    path.unlink(missing_ok=True)  # what maps the last one keeps its own file
    path.write_bytes(text)
    return path


def _file_target(
    name: str,
    files: Callable[[], tuple[bytes, ...]],
    mutate: Callable[[Random, bytes], bytes],
) -> Target:
    def make(random: Random, folder: Path) -> Path:
        return _write(folder, name, mutate(random, random.choice(files())))

    return Target(make, _read)


def _read(path: Path, random: Random) -> None:
    use_matrix(read_matrix(path).X, random)


def _make_text(random: Random, folder: Path) -> Path:
    suffix = random.choice(sorted(seeds.TEXTS))
    text = random.choice(seeds.TEXTS[suffix])
    if suffix.endswith(".gz") and random.random() < 0.5:
        return _write(folder, "X" + suffix, mutate_bytes(random, text))
    if suffix.endswith(".gz"):
        text = gzip.compress(mutate_text(random, gzip.decompress(text)))
        return _write(folder, "X" + suffix, text)
    return _write(folder, "X" + suffix, mutate_text(random, text))


def _read_text(path: Path, random: Random) -> None:
    options: dict[str, Any] = {}
    if random.random() < 0.3:
        options = {
            "header": random.choice((None, True, False)),
            "row_names": random.choice((None, True, False)),
            "separator": random.choice((None, ",", "tab", "blank", "x", "ab")),
            "encoding": random.choice((None, "latin-1", "utf-16", "nonsense")),
            "empty": random.choice((None, 0.0, np.nan)),
            "skip": random.choice((0, 1, 2)),
        }
    X = read_matrix(path, **options).X
    use_matrix(X, random)


def _make_market(random: Random, folder: Path) -> Path:
    text = mutate_text(random, random.choice(seeds.MARKET))
    if random.random() < 0.1:
        return _write(folder, "X.mtx.gz", mutate_bytes(random, gzip.compress(text)))
    return _write(folder, "X.mtx", text)


def _read_market(path: Path, random: Random) -> None:
    if random.random() < 0.2:  # as for a large file, in parts
        X = open_matrix(path, memory_limit="1", n_threads=1).X
        X = X.read(0, X.shape[0]) if hasattr(X, "read") else X
    else:
        X = read_matrix(path).X
    use_matrix(X, random)


def _make_hdf5(random: Random, folder: Path) -> Path:
    text = random.choice(seeds.hdf5_files())
    path = _write(folder, "X.h5", text)
    mutate_hdf5(random, path)
    return path


def _read_hdf5(path: Path, random: Random) -> None:
    with_names = random.random() < 0.5
    limit = random.choice((None, "1"))
    table = open_matrix(path, memory_limit=limit, n_threads=1, names_of_rows=with_names)
    X = table.X
    if isinstance(X, np.ndarray) or sp.issparse(X):
        use_matrix(X, random)
    elif X.shape[0] * X.shape[1] <= MOST:
        NMF(1, "random", "hals", max_iter=1, tol=0, random_state=0, n_threads=1).fit(X)


def _make_folder(random: Random, folder: Path) -> Path:
    path = folder / "csr"
    path.mkdir(exist_ok=True)
    for old in path.iterdir():
        old.unlink()
    for name, text in mutate_folder(random, seeds.folder_of_csr()).items():
        _write(path, name, text)
    return path


def _make_model(random: Random, folder: Path) -> Path:
    return _write(
        folder, "m.nonneg", mutate_archive(random, random.choice(seeds.models()))
    )


def _load_model(path: Path, random: Random) -> None:
    model = load(path)
    repr(model)
    with suppress(InvalidParameterError):  # of the file, which a fit would refuse
        model.transform(np.ones((2, model.n_features_in_)))


def _make_checkpoint(random: Random, folder: Path) -> tuple[str, Path]:
    for old in folder.glob("checkpoint*"):
        if old.is_file():
            old.unlink()
    solver = random.choice(sorted(seeds.checkpoints()))
    text = mutate_archive(random, seeds.checkpoints()[solver])
    return solver, _write(folder, "checkpoint", text)


def _resume(drawn: tuple[str, Path], random: Random) -> None:
    solver, path = drawn
    seeds.checkpointed(solver, path, 3, resume=True).fit(seeds.X)


def _make_compressed(random: Random) -> Any:
    """Draw a sparse matrix of which some part does not fit the others, or a sound one."""
    X = seeds.SPARSE.asformat(random.choice(("csr", "csr", "csc", "coo", "bsr", "dia")))
    X = sp.csr_matrix(X) if X.format == "csr" and random.random() < 0.3 else X.copy()
    if X.format == "coo":
        place = random.randrange(2)
        coords = list(X.coords)
        coords[place] = mutate_array(random, coords[place])
        X.coords = tuple(coords)
        return X
    parts = ("data", "offsets") if X.format == "dia" else ("data", "indices", "indptr")
    for _ in range(random.choice((1, 1, 2, 3))):
        name = random.choice(parts)
        setattr(X, name, mutate_array(random, getattr(X, name)))
    if random.random() < 0.2:
        shape = random.choice(((5, 2), (3, 4), (50, 4), (5, 40), (0, 4), (5, 0)))
        vars(X)["_shape"] = shape  # as SciPy's constructor takes it
    return X


def _make_dense(random: Random) -> Any:
    """Draw an array of any dtype, order, strides and alignment."""
    X = np.array(seeds.X)
    for _ in range(random.randrange(3)):
        X = mutate_array(random, X)
    kind = random.randrange(7)
    if kind == 0 and X.ndim:
        return X[::-1]
    if kind == 1 and X.ndim == 2:
        return X[:, :: random.choice((-1, 2))]
    if kind == 2:
        return np.asfortranarray(X)
    if kind == 3 and X.dtype.itemsize > 1 and X.dtype.kind != "O":
        room = np.zeros(X.nbytes + 1, np.uint8)
        odd = room[1:].view(X.dtype).reshape(X.shape)
        odd[...] = X
        return odd
    if kind == 4 and X.size:
        return np.lib.stride_tricks.as_strided(X.reshape(-1)[:1], (3, 4), (0, 0))
    return X


def _make_gate(random: Random, folder: Path) -> Any:
    return _make_dense(random) if random.random() < 0.4 else _make_compressed(random)


def _use_gate(X: Any, random: Random) -> None:
    if not sp.issparse(X) and np.ndim(X) != 2:
        NMF(1, "random", max_iter=1, tol=0, n_threads=1).fit(X)
        return
    use_matrix(X, random)


TARGETS = {
    "gate": Target(_make_gate, _use_gate),
    "npy": _file_target("X.npy", lambda: seeds.plain_files()[".npy"], mutate_npy),
    "npz": _file_target("X.npz", lambda: seeds.plain_files()[".npz"], mutate_archive),
    "text": Target(_make_text, _read_text),
    "mtx": Target(_make_market, _read_market),
    "hdf5": Target(_make_hdf5, _read_hdf5),
    "folder": Target(_make_folder, _read_hdf5),
    "model": Target(_make_model, _load_model),
    "checkpoint": Target(_make_checkpoint, _resume),
}
"""What is driven, by name."""
SHARES = {
    "gate": 6, "npy": 6, "npz": 6, "text": 5, "mtx": 4, "hdf5": 1, "folder": 1, "model": 2,
    "checkpoint": 1,
}  # fmt: skip
"""Inputs of each target among all of them: the fast ones get more."""


def quietly(call: Callable[[], Any]) -> Any:
    """Call a function whose warnings are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()
