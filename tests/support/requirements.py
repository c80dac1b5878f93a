"""What a test may need of the machine or the build, as marks: the only reasons to skip one."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from nonneg import kernels
from support.paths import ROOT

needs_core = pytest.mark.skipif(
    kernels.native is None, reason="needs the compiled core"
)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
needs_posix_files = pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="needs POSIX files"
)
needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs the optional package chromium",
)

AXE = Path(os.environ.get("AXE_CORE", ROOT / "build/node_modules/axe-core/axe.min.js"))
"""The script of axe-core, which npm installs."""
needs_axe = pytest.mark.skipif(
    not AXE.exists(), reason="needs the optional package axe-core"
)

MARKS = (needs_core, needs_linux, needs_posix_files, needs_browser, needs_axe)
REASONS = (
    *(mark.kwargs["reason"] for mark in MARKS),
    "could not import",  # `pytest.importorskip` of an optional package
)


def is_declared(reason: str) -> bool:
    """Whether a test may be skipped for this reason."""
    return reason.removeprefix("Skipped: ").startswith(REASONS)
