"""The gate for output files: all take their places, or every file is what it was."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from nonneg.io.output_files import OutputFiles, replace_file

NAMES = ["a", "new", "link"]


@pytest.fixture
def folder(tmp_path):
    """A folder with a file, a file behind a link, and a name that is free."""
    for name in ("a", "behind"):
        (tmp_path / name).write_text(f"old {name}")
    (tmp_path / "link").symlink_to("behind")
    return tmp_path


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def write_all(folder, publish=True):
    with OutputFiles() as outputs:
        for name in NAMES:
            with outputs.open(folder / name) as file:
                file.write(b"new text")
        if publish:
            outputs.publish()
    return outputs


def test_all_files_take_their_places(folder):
    assert write_all(folder).is_published
    assert contents(folder) == dict.fromkeys([*NAMES, "behind"], "new text")
    assert (folder / "link").is_symlink()


def test_what_is_not_published_never_was(folder):
    before = contents(folder)
    assert not write_all(folder, publish=False).is_published
    assert contents(folder) == before


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
@pytest.mark.parametrize("moment", ["fsync", "before", "after"])
@pytest.mark.parametrize("n_before", range(3))
def test_a_failure_at_any_moment(folder, monkeypatch, error, moment, n_before, links):
    """A disk that fills up, a place that can't be taken, Ctrl-C before and after each."""
    calls = []
    replace, fsync = Path.replace, os.fsync

    def fail():
        calls.append(1)
        if len(calls) == n_before + 1:
            raise error

    def replaced(self, target):
        if moment == "before":
            fail()
        moved = replace(self, target)
        if moment == "after":
            fail()
        return moved

    def synced(descriptor):
        if moment == "fsync":
            fail()
        fsync(descriptor)

    def no_links(*_):
        raise OSError(errno.EPERM, "Operation not permitted")

    before = contents(folder)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(os, "fsync", synced)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(type(error)):
        write_all(folder)
    assert contents(folder) == before
    assert (folder / "link").is_symlink()


def test_an_error_in_a_block_keeps_the_others_back(folder):
    before = contents(folder)

    def write():
        with OutputFiles() as outputs:
            with outputs.open(folder / "a") as file:
                file.write(b"new")
            with outputs.open(folder / "new") as file:
                file.write(b"half")
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write()
    assert contents(folder) == before


def test_a_pipe_gets_its_bytes_with_the_others(tmp_path):
    with OutputFiles() as outputs:
        for name in (os.devnull, tmp_path / "x"):
            with outputs.open(name) as file:
                file.write(b"text")
                file.seek(0)
                file.write(b"T")
        outputs.publish()
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    assert (tmp_path / "x").read_text() == "Text"


def test_a_real_disk_that_is_full(folder):
    """/dev/full refuses every byte."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    before = contents(folder)

    def write():
        with OutputFiles() as outputs:
            for name in (folder / "a", "/dev/full"):
                with outputs.open(name) as file:
                    file.write(b"text")
            outputs.publish()

    with pytest.raises(OSError, match="No space left"):
        write()
    assert contents(folder) == before


def test_modes_are_kept(folder):
    (folder / "a").chmod(0o640)
    with replace_file(folder / "a") as file:
        file.write(b"new")
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o640
