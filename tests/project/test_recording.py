"""The tool that records results to the bit: equal recordings are equal, others are told."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from support.paths import ROOT

pytest.importorskip("dask")

TOOL = ROOT / "tools" / "record_factors.py"
ONLY = "storages/dense C/float64/h"


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(TOOL), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_recording_is_compared_with_another(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    done = run("record", one, "--only", ONLY)
    assert done.returncode == 0, done.stderr
    recording = json.loads(one.read_text())
    name, case = next(iter(recording["cases"].items()))
    assert name.startswith(ONLY)

    array = next(key for key, value in case.items() if value.startswith("sha256"))
    method, _, form = case[array].split(" ", 2)
    case[array] = f"{method} {'0' * 64} {form}"
    two.write_text(json.dumps(recording))
    assert run("compare", one, one).returncode == 0
    done = run("compare", one, two)
    assert done.returncode == 1
    assert f"{name}\n    {array}: other bits\n" in done.stdout

    recording["environment"]["instruction set"] = "another"
    two.write_text(json.dumps(recording))
    done = run("compare", one, two)
    assert done.returncode == 1
    assert "can't be compared: instruction set is" in done.stderr
