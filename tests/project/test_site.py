"""The site has a page for every public name, every page in its contents, and whole links."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from support.paths import ROOT

HOMES = [
    "nonneg",
    "nonneg.analysis",
    "nonneg.anndata",
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
        start = ROOT / target[1:] if target.startswith("/") else path.parent / target
        assert start.with_suffix(".md").exists() or start.with_suffix(".rst").exists()


def test_the_program_of_the_home_page_runs():
    text = (DOCS / "home.rst").read_text()
    (block,) = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text)
    names: dict[str, object] = {}
    exec(re.sub(r"^   ", "", block, flags=re.MULTILINE), names)  # noqa: S102
    assert names["W"].shape == (1797, 16)
    assert names["model"].stop_reason_ == "converged"
