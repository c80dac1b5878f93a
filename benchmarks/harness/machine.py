"""Facts about the machine and the libraries, for results; no names of hosts or users."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import nonneg

UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Variables that slow OpenBLAS down; nobody's timings shall suffer from them."""


def clean_environment() -> dict[str, str]:
    """The environment for processes that measure."""
    return {name: value for name, value in os.environ.items() if name not in UNSET}


def processor() -> str:
    """Model of the processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        text = ""
    found = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, flags=re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def caches() -> dict[str, int]:
    """Bytes of each level of cache that the first core sees."""
    sizes = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            kind = (index / "type").read_text().strip()
            level = (index / "level").read_text().strip()
            size = (index / "size").read_text().strip()
        except OSError:
            continue
        if kind != "Instruction" and size.endswith("K"):
            sizes[f"L{level}"] = int(size[:-1]) * 1024
    return sizes


def version(package: str) -> str | None:
    """Installed version, None if there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def facts(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Processor, cores, caches, instruction set, versions and BLAS."""
    config: Mapping[str, Any] = nonneg.show_config(mode="dicts") or {}
    extra = {name: version(name) for name in packages}
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "system": f"{platform.system()} {platform.machine()}",
        "instruction set": config["SIMD"]["in use"],
        "versions": {
            "nonneg": config["nonneg"]["version"],
            **config["Versions"],
            **{name: found for name, found in extra.items() if found},
        },
        "BLAS": [
            f"{library['internal_api']} {library['version']} {library['architecture']}"
            for library in config["BLAS"]
        ],
    }


def slug(found: Mapping[str, Any]) -> str:
    """Short name of a machine for the name of a file."""
    name = re.sub(r"\(.*?\)|CPU|Processor|@.*", " ", found["processor"])
    words = re.findall(r"[a-z0-9]+", name.lower())
    isa = re.sub(r"[^a-z0-9]+", "", str(found["instruction set"]).lower())
    return "-".join([*words, isa, f"{found['cores']}c"])
