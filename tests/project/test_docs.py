"""What the documents say is so: examples run, sources are those tested, links lead on."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import nonneg
from nonneg import plugins
from support.paths import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
MODULES = [
    module.name
    for module in pkgutil.walk_packages(nonneg.__path__, "nonneg.")
    if module.name not in ("nonneg._core", "nonneg.__main__")
]


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def python_blocks(text: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def run_first_commands(text: str) -> None:
    """What the page of the command line tells to type before its Python example."""
    prepare = re.search(r'^\$ python -c "\n(.*?)"\n```', text, re.DOTALL | re.MULTILINE)
    fit = re.search(r"^\$ nonneg (fit .*)$", text, re.MULTILINE)
    for arguments in (["-c", prepare[1]], ["-m", "nonneg", *fit[1].split()]):
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_examples_of_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    if page.name == "cli.md":
        run_first_commands(text)
    blocks = [b for b in python_blocks(text) if ">>>" in b]
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner()
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        test = parser.get_doctest(block, names, f"{page.name}[{number}]", None, 0)
        runner.run(test, clear_globs=False)
        names.update(test.globs)
    assert runner.summarize().failed == 0


def test_the_readme_has_an_example():
    blocks = [b for b in python_blocks(read("README.md")) if ">>>" in b]
    assert blocks


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0


NO_EXAMPLE = {"__version__", "load"}  # the example of `save` loads as well


@pytest.mark.parametrize("name", sorted(set(nonneg.__all__) - NO_EXAMPLE))
def test_every_public_name_has_an_example(name):
    assert ">>>" in inspect.getdoc(getattr(nonneg, name))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "tests" / "toys").glob("[!_]*.py")), ids=page_name
)
def test_extending_shows_the_tested_source(path):
    shown = [block.strip() for block in python_blocks(read("docs/extending.md"))]
    assert path.read_text(encoding="utf-8").strip() in shown


def test_the_half_step_program_of_the_docs_runs(monkeypatch):
    (block,) = python_blocks(read("docs/half-steps.md"))
    monkeypatch.setattr(plugins.solvers, "register", lambda _: lambda kind: kind)
    names = {"__name__": __name__}
    exec(block, names)  # noqa: S102
    X = np.random.default_rng(0).random((30, 20))
    for n_init in (1, 3):
        model = nonneg.NMF(2, solver=names["ExactHalves"](), n_init=n_init).fit(X)
        assert model.stop_reason_ == "converged"
        assert model.reconstruction_err_ < 0.5 * np.linalg.norm(X)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_between_pages(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_named_make_targets_and_scripts_exist(page):
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), flags=re.MULTILINE))
    named = set(
        re.findall(r"(?:`|^    |\b[A-Z_]+=\S+ )make ([a-z-]+)", text, re.MULTILINE)
    )
    assert named <= targets
    for script in re.findall(r"\b((?:tools|tests|benchmarks)/[\w/]+\.(?:py|sh))", text):
        assert (ROOT / script).exists(), script


def test_the_version_is_one():
    with open(ROOT / "pyproject.toml", "rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert nonneg.__version__ == version
    assert re.search(rf"^## {re.escape(version)}\b", read("CHANGELOG.md"), re.MULTILINE)
    assert f"\nversion: {version}\n" in read("CITATION.cff")


def test_the_page_on_citing_shows_the_file():
    assert f"```yaml\n{read('CITATION.cff')}```" in read("docs/citing.md")


def test_every_public_name_is_in_the_documents():
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [name for name in nonneg.__all__ if f"`{name}" not in text]
    missing = [name for name in missing if f"nonneg.{name}" not in text]
    assert missing in ([], ["__version__"])
