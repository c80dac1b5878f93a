"""What tests of the project share: its scripts, as modules."""

from __future__ import annotations

import importlib.util

import pytest

from support.paths import ROOT


@pytest.fixture
def load_script():
    """Return a function that imports a script of the tools by name."""

    def load(name):
        path = ROOT / "tools" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load
