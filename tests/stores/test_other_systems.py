"""What is done where a system lacks a call of Linux's, by leaving the call out."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from nonneg import NMF
from nonneg.operands.streamed import disk_rows
from nonneg.stores import mapped
from nonneg.stores.mapped import read_by_seeking, read_fully


def test_reads_by_seeking_are_those_at_an_offset(tmp_path, monkeypatch):
    """From several threads, in any order, beyond the end, and in more than one piece."""
    content = np.random.default_rng(0).integers(0, 256, 100_000).astype(np.uint8)
    path = tmp_path / "bytes"
    content.tofile(path)
    monkeypatch.setattr(mapped, "read_at", read_by_seeking)
    monkeypatch.setattr(mapped, "MOST_AT_ONCE", 3000)

    with path.open("rb") as file:

        def read(offset):
            out = np.empty(10_000, np.uint8)
            n_bytes = read_fully(file.fileno(), out, offset)
            return out[:n_bytes]

        offsets = np.random.default_rng(1).integers(0, 99_999, 200).tolist()
        with ThreadPoolExecutor(4) as pool:
            for offset, part in zip(offsets, pool.map(read, offsets), strict=True):
                np.testing.assert_array_equal(part, content[offset : offset + 10_000])


def test_rows_on_disk_without_advice_and_allocation(tmp_path, monkeypatch):
    X = np.random.default_rng(0).random((300, 20), np.float32)
    np.save(tmp_path / "x.npy", X)

    def fit(name):
        out = np.lib.format.open_memmap(tmp_path / name, "w+", np.float32, (300, 3))
        mapped_X = np.load(tmp_path / "x.npy", mmap_mode="r")
        model = NMF(3, solver="hals", init="random", random_state=0, max_iter=5, tol=0)
        model.fit_transform(mapped_X, out=out)
        return np.array(out)

    W = fit("with.npy")
    monkeypatch.setattr(disk_rows, "MADVISE", None)
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    np.testing.assert_array_equal(fit("without.npy"), W)
