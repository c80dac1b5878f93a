"""Ctrl-C while a command reads a file: it ends soon, in a sentence, and leaves all as it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from support.fuzz.files import npy
from support.requirements import needs_linux

pytestmark = needs_linux


def write_csv(folder):
    path = folder / "X.csv"
    block = "".join(f"{i}.5,{i + 1},0.25,7\n" for i in range(20_000))
    path.write_text("a,b,c,d\n" + 100 * block)
    return path


def write_market(folder):
    path = folder / "X.mtx"
    block = "".join(f"{i + 1} {i % 90 + 1} 0.{i + 1}\n" for i in range(50_000))
    header = f"%%MatrixMarket matrix coordinate real general\n50000 90 {60 * 50_000}\n"
    path.write_text(header + 60 * block)
    return path


def write_npz(folder):
    """One array of zeros that takes a second to unzip."""
    path = folder / "X.npz"
    n_rows = 60_000
    front = npy(np.zeros((0, 1000))).replace(
        b"(0, 1000), }    ", b"(%d, 1000), }" % n_rows
    )
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("X.npy", "w") as member,
    ):
        member.write(front)
        for _ in range(n_rows // 1000):
            member.write(bytes(8_000_000))
    return path


def write_hdf5(folder):
    h5py = pytest.importorskip("h5py")
    path = folder / "X.h5"
    chunk = zlib.compress(bytes(8_000_000), 1)
    with h5py.File(path, "w") as file:
        X = file.create_dataset(
            "X", (60_000, 1000), "f8", chunks=(1000, 1000), compression=1
        )
        for row in range(0, 60_000, 1000):
            X.id.write_direct_chunk((row, 0), chunk)
    return path


def is_reading(process, path):
    """Whether the process has the file open."""
    try:
        links = list(Path(f"/proc/{process.pid}/fd").iterdir())
        return any(os.path.realpath(link) == str(path) for link in links)
    except OSError:
        return False


@pytest.mark.parametrize("write", [write_csv, write_market, write_npz, write_hdf5])
def test_ctrl_c_while_a_file_is_read(tmp_path, write):
    data, scratch = tmp_path / "data", tmp_path / "scratch"
    data.mkdir()
    scratch.mkdir()
    path = write(data).resolve()
    model = data / "model"
    model.write_bytes(b"as before")
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from nonneg.cli.main import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "fit", str(path), "-k", "2", "-o", str(model)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(scratch)},
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while not is_reading(process, path) and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(0.1)
        assert is_reading(process, path), "it was read before the signal"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    # below a second on an idle machine; the rest is room for a busy one
    assert time.monotonic() - sent < 5
    assert process.returncode == 130
    assert told.strip().splitlines()[-1].startswith("Interrupted.")
    assert "Traceback" not in told
    assert model.read_bytes() == b"as before"
    assert {p.name for p in data.iterdir()} == {path.name, "model"}
    assert not list(scratch.iterdir())
