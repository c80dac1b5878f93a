"""The examples run without a warning and print what they found."""

from __future__ import annotations

import runpy

import pytest

from support.paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NEEDED = {
    "anndata": "anndata",
    "dask": "distributed",
    "hdf5": "h5py",
    "parquet": "pyarrow",
    "zarr": "zarr",
}
"""Packages by how the names of examples begin."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(path, capsys):
    for begins, package in NEEDED.items():
        if path.stem.startswith(begins):
            pytest.importorskip(package)
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed
    assert "nan" not in printed


def test_each_is_named_in_a_page():
    page = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for path in EXAMPLES:
        assert f"examples/{path.name}" in page
