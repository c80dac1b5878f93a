"""The examples run without a warning, draw or print what they found, and are in the gallery."""

from __future__ import annotations

import ast
import re
import runpy

import pytest

from support.paths import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
GALLERY = [path for path in EXAMPLES if path.stem.startswith("plot_")]
PROGRAMS = [path for path in EXAMPLES if path not in GALLERY]
MODULES = (
    "anndata", "dask", "distributed", "h5py", "matplotlib", "pyarrow", "scanpy", "zarr"
)  # fmt: skip
"""Optional packages of examples."""


def need_packages(path):
    """Skip the test where an optional package that the example imports is missing."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in getattr(node, "names", [])]
        if isinstance(node, ast.ImportFrom):
            names = [node.module]
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name in names:
                package = name.split(".")[0]
                if package in MODULES:
                    pytest.importorskip(package)


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_it_runs(path, capsys):
    if path.stem.startswith("parquet"):
        pytest.importorskip("pyarrow")
    need_packages(path)
    runpy.run_path(str(path), run_name="__main__")
    printed = capsys.readouterr().out
    assert printed
    assert "nan" not in printed


@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_it_draws(path, capsys, monkeypatch):
    need_packages(path)
    mpl = pytest.importorskip("matplotlib")
    mpl.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    drawn = []

    def show():
        for number in plt.get_fignums():
            figure = plt.figure(number)
            figure.canvas.draw()  # where texts and layout fail
            drawn.append(figure)
        plt.close("all")

    monkeypatch.setattr(plt, "show", show)
    runpy.run_path(str(path), run_name="__main__")
    assert drawn
    assert not plt.get_fignums()
    assert all(figure.axes for figure in drawn)
    assert "nan" not in capsys.readouterr().out


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_opens_with_a_title_and_what_it_shows(path):
    lines = ast.get_docstring(ast.parse(path.read_text())).splitlines()
    title, rule, blank, shows = lines[:4]
    assert rule == "=" * len(title)
    assert (blank, shows != "") == ("", True)


def test_the_gallery_lists_each_once():
    index = (ROOT / "examples" / "index.rst").read_text()
    assert len(GALLERY) >= 14
    pictures = re.findall(r"^   examples/(\w+)\.py$", index, re.MULTILINE)
    assert sorted(pictures) == [path.stem for path in GALLERY]
    entries = re.findall(r"^   (\w+)$", index, re.MULTILINE)
    assert sorted(entries) == [path.stem for path in EXAMPLES]


def test_the_page_of_the_examples_is_written_from_them(load_script):
    page = load_script("write_examples").page()
    assert (ROOT / "examples" / "README.md").read_text() == page


def test_each_is_named_in_a_page():
    page = "".join(path.read_text() for path in (ROOT / "docs").glob("*.md"))
    for path in EXAMPLES:
        assert f"examples/{path.name}" in page
