"""Files and matrices that were forged or damaged: each is read, or refused in a sentence."""

from __future__ import annotations

import subprocess
import sys
import warnings

import numpy as np
import pytest

from nonneg.io.readers import read_matrix
from nonneg.stores import by_rows, open_store
from support.fuzz import seeds
from support.fuzz.files import npy, pack, unpack
from support.paths import ROOT


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT / "tests", capture_output=True, text=True,
        timeout=200, check=False,
    )  # fmt: skip


def test_forged_inputs_are_read_or_refused():
    """Some of each kind; `make fuzz` drives many more under the address sanitizer."""
    done = run_python("-m", "support.fuzz", "--inputs", "800")
    assert done.returncode == 0, done.stderr[-5000:]
    assert done.stdout.splitlines()[-1].startswith("800 inputs in")


def test_what_is_no_refusal_is_told():
    """The runner itself: an exception of any other class is a finding, with its repetition."""
    code = """
import sys
from support.fuzz import run, targets
def drive(drawn, random):
    raise KeyError("x")
targets.TARGETS["npy"] = targets.Target(targets.TARGETS["npy"].make, drive)
sys.exit(run.tell(run.drive_all(["npy"], 0, 0, 3), 0.0))
"""
    done = run_python("-c", code)
    assert done.returncode == 1
    assert "--target npy --seed 0 --first 0 --inputs 1" in done.stderr
    assert "KeyError" in done.stderr


@pytest.mark.parametrize("symmetry", ["symmetric", "skew-symmetric", "hermitian"])
@pytest.mark.parametrize("layout", ["array", "coordinate"])
def test_a_symmetric_matrix_is_square(tmp_path, layout, symmetry):
    """SciPy's reader writes the other half beyond its memory."""
    path = tmp_path / "X.mtx"
    lines = "2 3\n1\n2\n3\n4\n5\n" if layout == "array" else "2 3 1\n2 1 5\n"
    path.write_text(f"%%MatrixMarket matrix {layout} real {symmetry}\n{lines}")
    with pytest.raises(
        ValueError, match=f"is {symmetry} by its header, but has 2 rows"
    ):
        read_matrix(path)
    with pytest.raises(ValueError, match=r"by its header|is dense"):
        by_rows(path)


@pytest.mark.parametrize("sizes", ["0 3", "3 0"])
def test_a_dense_matrix_without_entries(tmp_path, sizes):
    """SciPy's reader divides by its length, and the process ended."""
    path = tmp_path / "X.mtx"
    path.write_text(f"%%MatrixMarket matrix array real general\n{sizes}\n1\n2\n")
    with pytest.raises(ValueError, match=r"rows and . columns by its header"):
        read_matrix(path)


def test_a_header_of_the_wrong_length(tmp_path):
    """It was read whole, which took 4 GB."""
    path = tmp_path / "X.npy"
    path.write_bytes(b"\x93NUMPY\2\0\xff\xff\xff\xff" + npy(np.ones((2, 2)))[10:])
    with pytest.raises(ValueError, match="its header is said to have 4294967295 bytes"):
        read_matrix(path)


def forged_shape(shape):
    header = repr({"descr": "<f8", "fortran_order": False, "shape": shape}).encode()
    length = len(header).to_bytes(2, "little")
    return b"\x93NUMPY\1\0" + length + header + bytes(32)


@pytest.mark.parametrize("shape", [(10**12,), (10**30, 2), (-1, 2), (True, 2)])
def test_a_shape_beyond_the_file(tmp_path, shape):
    (tmp_path / "X.npy").write_bytes(forged_shape(shape))
    (tmp_path / "X.npz").write_bytes(pack({"X.npy": forged_shape(shape)}))
    for name in ("X.npy", "X.npz"):
        with pytest.raises(ValueError, match="is damaged"):
            read_matrix(tmp_path / name)
    folder = tmp_path / "csr"
    folder.mkdir()
    for name, text in seeds.folder_of_csr().items():
        (folder / name).write_bytes(text)
    (folder / "indptr.npy").write_bytes(forged_shape(shape))
    with pytest.raises(ValueError, match="is damaged"):
        open_store(folder)


def test_more_rows_than_memory_are_refused_with_the_name_of_the_file(tmp_path):
    path = tmp_path / "X.mtx"
    sizes = f"{4 * 10**15} 2 1\n1 1 1\n"
    path.write_text(f"%%MatrixMarket matrix coordinate real general\n{sizes}")
    with pytest.raises(MemoryError, match=r"X.mtx' can't be read: .* Its shape needs"):
        read_matrix(path)


@pytest.mark.parametrize("value", [None, 4, [[5, 4]], [5.5, 4], [-5, 4]])
def test_a_group_without_a_sound_shape(tmp_path, value):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "X.h5"
    path.write_bytes(seeds.hdf5_files()[2])
    with h5py.File(path, "r+") as file:
        del file["X"].attrs["shape"]
        if value is not None:
            file["X"].attrs["shape"] = value
    with pytest.raises(
        ValueError, match=r"does not say its shape|The shape that .* is"
    ):
        open_store(path)


def test_a_group_whose_vectors_are_none(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "X.h5"
    path.write_bytes(seeds.hdf5_files()[2])
    with h5py.File(path, "r+") as file:
        del file["X/indices"]
        file["X/indices"] = 3
    with pytest.raises(ValueError, match="its 'indices' is no vector"):
        open_store(path)


def spoil(name, value):
    def change(members):
        members[f"{name}.npy"] = npy(value)

    return change


def rename(name, new):
    def change(members):
        members[f"{new}.npy"] = members.pop(f"{name}.npy")

    return change


@pytest.mark.filterwarnings("ignore:Iteration limit reached in nls:UserWarning")
@pytest.mark.parametrize(
    ("solver", "change"),
    [
        ("hals", spoil("state/W", np.ones((5, 3)))),
        ("hals", spoil("state/W", np.ones((5, 2), np.float32))),
        ("hals", spoil("state/Ht", np.full((4, 2), np.nan))),
        ("hals", spoil("state/gram_H", np.ones((3, 3)))),
        ("hals", spoil("state/restarts", np.zeros(0, bool))),
        ("hals", spoil("state/n_iter.int", np.array(-1))),
        ("hals", rename("state/best.float", "state/best.str")),
        ("cd", spoil("state/gram_H", np.ones((2, 2), np.int64))),
        ("mu", spoil("state/residual.float", np.ones(3))),
        ("pg", spoil("history/residual", np.array("x"))),
        ("pg", spoil("nonneg-checkpoint", np.array("[1]"))),
        ("pg", spoil("nonneg-checkpoint", np.array('{"format": 2, "fingerprint": 3}'))),
    ],
)
def test_a_checkpoint_that_no_fit_has_written(tmp_path, solver, change):
    """It was gone on from, into an error of any class."""
    path = tmp_path / "checkpoint"
    members = unpack(seeds.checkpoints()[solver])
    change(members)
    path.write_bytes(pack(members))
    model = seeds.checkpointed(solver, path, 3, resume=True)
    with pytest.warns(RuntimeWarning, match=r"is damaged and not used"):
        model.fit(seeds.X)
    fresh = seeds.checkpointed(solver, tmp_path / "other", 3).fit(seeds.X)
    np.testing.assert_array_equal(model.components_, fresh.components_)


def test_the_seeds_are_sound(tmp_path):
    """What is mutated can be read as it is."""
    files = {**seeds.plain_files(), ".mtx": seeds.MARKET[:5], **seeds.TEXTS}
    for suffix, texts in files.items():
        for text in texts[:2] if suffix == ".csv" else texts:
            path = tmp_path / f"X{suffix}"
            path.write_bytes(text)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert min(read_matrix(path).X.shape) > 0


def test_a_library_that_quotes_the_file_controls_no_terminal(tmp_path):
    """SciPy names the unknown format, which held a NUL or an escape sequence."""
    path = tmp_path / "X.npz"
    members = unpack(seeds.plain_files()[".npz"][3])
    members["format.npy"] = npy(np.array("c\x1b[31m\0r"))
    path.write_bytes(pack(members))
    with pytest.raises(ValueError, match=r"can't be read: Unknown format .*c\?\[31m"):
        read_matrix(path)
