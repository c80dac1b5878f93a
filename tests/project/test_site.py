"""The site has a page for every public name, every page in its contents, and whole links."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.paths import ROOT

HOMES = [
    "nonneg",
    "nonneg.analysis",
    "nonneg.anndata",
    "nonneg.constraints",
    "nonneg.io",
    "nonneg.plugins",
    "nonneg.selection",
    "nonneg.stores",
]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("[!.]*/**/*.md")])
PAGES = [page for page in PAGES if page.relative_to(ROOT).parts[0] != "build"]
CONTENTS = sorted([*DOCS.glob("*.rst"), *DOCS.glob("api/*.rst")])


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def entries(text: str, directive: str) -> list[tuple[str, str]]:
    """The lines of each directive of that kind, with the module that is current there."""
    module, listed, inside = "", [], False
    for line in text.splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.split()[-1]
        if line and not line.startswith(" "):
            inside = line == f".. {directive}::"
        elif inside and line and not line.lstrip().startswith(":"):
            listed.append((module, line.strip()))
    return listed


def listed_names() -> list[tuple[str, str]]:
    return [
        entry for path in CONTENTS for entry in entries(path.read_text(), "autosummary")
    ]


def public_object(module: str, name: str) -> object:
    assert name in importlib.import_module(module).__all__
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("home", HOMES)
def test_every_public_name_has_a_page(home):
    module = importlib.import_module(home)
    pages = {id(public_object(m, n)) for m, n in listed_names()}
    missing = [n for n in module.__all__ if id(getattr(module, n)) not in pages]
    assert missing in ([], ["__version__"])


def test_no_name_has_two_pages():
    names = [f"{module}.{name}" for module, name in listed_names()]
    assert len(names) == len(set(names))


def test_every_page_is_in_the_contents():
    reached = {(DOCS / "home").resolve()}
    for path in CONTENTS:
        for _, entry in entries(path.read_text(), "toctree"):
            target = re.sub(r"^.*<(.*)>$", r"\1", entry)
            reached.add((path.parent / target).resolve())
    pages = [*CONTENTS, *DOCS.glob("*.md"), *ROOT.glob("*.md")]
    assert not [p for p in pages if p.with_suffix("") not in reached]
    reached.remove((DOCS / "gallery" / "index").resolve())  # made of examples/index.rst
    for page in reached:
        assert page.with_suffix(".md").exists() or page.with_suffix(".rst").exists()


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as forges and MyST make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    words = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in words}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_to_headings_lead_to_one(page):
    for target, anchor in re.findall(r"\]\(([^):#]*)#([^)]+)\)", page.read_text()):
        other = page.parent / target if target else page
        assert anchor in anchors(other), f"{target}#{anchor}"


@pytest.mark.parametrize("path", CONTENTS, ids=page_name)
def test_links_of_the_contents(path):
    for target in re.findall(r":doc:`([^`<]+)`", path.read_text()):
        if target == "gallery/index":  # made of examples/index.rst
            continue
        start = ROOT / target[1:] if target.startswith("/") else path.parent / target
        assert start.with_suffix(".md").exists() or start.with_suffix(".rst").exists()


def test_the_program_of_the_home_page_runs():
    text = (DOCS / "home.rst").read_text()
    (block,) = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text)
    names: dict[str, object] = {}
    exec(re.sub(r"^   ", "", block, flags=re.MULTILINE), names)  # noqa: S102
    assert names["W"].shape == (1797, 16)
    assert names["model"].stop_reason_ == "converged"


def test_links_that_lead_nowhere_are_told(tmp_path):
    command = [sys.executable, ROOT / "tools" / "check_links.py", tmp_path]
    (tmp_path / "other.html").write_text('<p id="part">here</p>')
    page = tmp_path / "page.html"
    page.write_text('<a href="other.html#part">x</a><a href="https://x.org/">y</a>')
    assert subprocess.run(command, check=False).returncode == 0
    page.write_text('<a href="other.html#other">x</a><img src="none.png">')
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stdout.split() == [
        "page.html:", "none.png", "page.html:", "other.html#other",
        "2", "links", "lead", "nowhere",
    ]  # fmt: skip


def test_the_times_are_those_of_the_results(load_script):
    script = load_script("write_performance")
    text = (DOCS / "performance.md").read_text()
    assert script.page() == text
    assert len(re.findall(r"^\| `[a-z-]+`: ", text, re.MULTILINE)) == len(
        script.newest_results()
    )
