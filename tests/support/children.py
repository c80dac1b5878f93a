"""Scripts in processes of their own, which tell how much memory they took."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PEAK = """
def peak():
    with open("/proc/self/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return int(lines["VmHWM"].split()[0]) * 1024
"""
"""A function of such a script: the most that was resident, in bytes; on Linux."""


def printed_by(script, *arguments):
    """Words that a script prints, with `peak()` at hand, if it ends well."""
    source = PEAK + textwrap.dedent(script)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", source, *map(str, arguments)],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()
