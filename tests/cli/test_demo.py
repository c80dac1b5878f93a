"""The demonstration: its data, what it finds in it, and how it is started."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from nonneg.cli import demo
from nonneg.cli.commands import app
from nonneg.cli.demo_texts import build_document_table, collect_docstrings
from support.children import printed_by

LONG = "word " * 50


@pytest.fixture(scope="module")
def corpus():
    """Documentation strings of the standard library: seconds to collect."""
    return collect_docstrings()


@pytest.fixture(scope="module")
def parts(corpus):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "collect_docstrings", lambda: corpus)
        return demo.factorize_documents(), demo.factorize_digits()


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


class TestDocstrings:
    def test_order_names_and_what_is_left_out(self, tmp_path):
        write(
            tmp_path,
            {
                "b.py": f'"""Module b {LONG}"""\n'
                f'class C:\n    """C {LONG}"""\n    def m(self):\n        """m {LONG}"""\n'
                f'async def f():\n    """f {LONG}"""\n'
                'def short():\n    """Short."""\n',
                "a/__init__.py": f'"""Package a {LONG}"""\nraise SystemExit("was run")\n',
                "a/twice.py": f'"""Package a {LONG}"""\n',
                "broken.py": "def (:",
                "nul.py": "\0",
                "test/t.py": f'"""Test {LONG}"""',
                "note.txt": LONG,
            },
        )
        texts, names = collect_docstrings(tmp_path)
        # folders come after the files beside them
        assert names == ["b", "b.C", "b.C.m", "b.f", "a"]
        assert [text.split()[0] for text in texts] == [
            "Module",
            "C",
            "m",
            "f",
            "Package",
        ]

    def test_examples_are_taken_out(self, tmp_path):
        write(tmp_path, {"x.py": f'"""{LONG}\n\n>>> call()\n... more\n"""'})
        (text,), _ = collect_docstrings(tmp_path)
        assert "call" not in text
        assert "more" not in text

    def test_an_empty_folder_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="No Python source files"):
            collect_docstrings(tmp_path)

    def test_the_standard_library_gives_the_same_each_time(self, corpus):
        folder = Path(json.__file__).parents[1] / "email"
        assert collect_docstrings(folder) == collect_docstrings(folder)
        texts, names = corpus
        assert len(texts) == len(names) == len(set(texts)) > 1000
        assert all(len(text) >= 200 for text in texts)
        assert "json" in names
        assert not any(name.startswith("test.") for name in names)

    def test_table(self):
        table = build_document_table(["tree leaf " + chr(97 + i) * 3 for i in range(6)] + ["sky"] * 94,
                               [str(i) for i in range(100)])  # fmt: skip
        assert table.column_names == ["leaf", "tree"]
        assert table.X.shape == (100, 2)
        norms = np.linalg.norm(table.X.toarray(), axis=1)
        np.testing.assert_allclose(norms, [1.0] * 6 + [0.0] * 94)


class TestWhatItFinds:
    def test_topics_make_sense(self, parts):
        topics = parts[0]
        assert topics.summary.stop_reason == "converged"
        assert "Python" in topics.source
        words = [{word for word, _ in c.top} for c in topics.components]
        # of modules that every version of Python has
        for together in (
            {"bytes", "read"},
            {"path", "directory"},
            {"element", "xml"},
            {"decimal", "operand"},
        ):
            assert any(together <= found for found in words), together

    def test_digits(self, parts):
        digits = parts[1]
        assert digits.summary.stop_reason == "converged"
        assert digits.summary.relative_err < 0.3
        assert "scikit-learn" in digits.source
        # a closed ring is mostly used for zeros
        best = max(
            c.top[0][1] / c.total for c in digits.components if c.top[0][0] == "digit 0"
        )
        assert best > 0.4

    def test_the_same_each_time(self, parts):
        again = demo.factorize_digits()
        np.testing.assert_array_equal(
            again.model.components_, parts[1].model.components_
        )
        np.testing.assert_array_equal(again.shares, parts[1].shares)

    def test_picture(self, parts, tmp_path):
        demo.draw(*parts, tmp_path / "picture.png")
        assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
        assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


@pytest.fixture
def quick(parts, monkeypatch):
    """The demonstration with its fits done already."""
    monkeypatch.setattr(demo, "factorize_documents", lambda callback=None: parts[0])
    monkeypatch.setattr(demo, "factorize_digits", lambda callback=None: parts[1])


@pytest.mark.usefixtures("quick")
class TestStarting:
    def test_text(self, tmp_path, capsys):
        picture = tmp_path / "p.png"
        assert demo.main(["-o", str(picture)]) == 0
        out = capsys.readouterr().out
        assert picture.exists()
        assert out.endswith(f"Picture: {picture}\n")
        assert "documentation strings" in out
        assert "handwritten digits" in out
        assert max(map(len, out.replace(str(picture), "").splitlines())) <= 80

    @pytest.fixture
    def no_picture(self, monkeypatch):
        """An empty file for the picture, which takes longer than all the rest."""
        monkeypatch.setattr(demo, "draw", lambda *given: Path(given[2]).touch())

    @pytest.mark.usefixtures("no_picture")
    def test_command(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        done = CliRunner().invoke(app, ["demo"])
        assert done.exit_code == 0
        assert "Picture: " in done.stdout
        assert Path("nonneg-demo.png").exists()

    @pytest.mark.usefixtures("no_picture")
    def test_json(self, tmp_path):
        picture = str(tmp_path / "p.png")
        done = CliRunner().invoke(app, ["demo", "--json", "-o", picture])
        found = json.loads(done.stdout)
        assert found["command"] == "demo"
        assert found["picture"] == picture
        assert [part["name"] for part in found["parts"]] == ["topics", "digits"]
        assert [len(part["components"]) for part in found["parts"]] == [12, 16]

    def test_without_matplotlib(self, tmp_path, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        result = demo.run(tmp_path / "p.png")
        assert result["picture"] is None
        assert "pip install 'nonneg[plot]'" in capsys.readouterr().out
        assert not list(tmp_path.iterdir())

    def test_a_folder_that_is_not_there(self, tmp_path, capsys):
        assert demo.main(["-o", str(tmp_path / "no" / "p.png")]) == 2
        assert "No such folder" in capsys.readouterr().err


def test_it_needs_no_command_line_packages():
    code = (
        "import sys\n"
        "sys.modules['typer'] = sys.modules['rich'] = None\n"
        "from nonneg.cli import demo\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    printed_by(code)
