"""Write the tables of times in docs/performance.md from the newest file of benchmarks/results."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
MARKED = re.compile(
    r"(<!-- times: ([a-z-]+) -->\n\n)(?:(?!<!-- end -->).)*(<!-- end -->)", re.DOTALL
)
"""A part of the page that is written by this script, and its name."""


def newest_results() -> list[dict[str, Any]]:
    """Return the inputs of the newest file."""
    path = max((ROOT / "benchmarks" / "results").glob("*.json"))
    inputs: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))[
        "inputs"
    ]
    return inputs


def duration(seconds: float) -> str:
    """Return a time to three digits or so."""
    if seconds >= 1:
        return f"{seconds:.{1 if seconds >= 10 else 2}f} s"
    return f"{1e3 * seconds:.{0 if seconds >= 0.01 else 1}f} ms"


def ratio(number: float) -> str:
    """Return a ratio to two digits or so."""
    return f"{number:.{0 if number >= 50 else 1}f}"


def stamp(results: list[dict[str, Any]]) -> str:
    """Return a sentence on the machine, the versions and the days of the measurements."""
    machine, versions = results[0]["machine"], results[0]["machine"]["versions"]
    days = sorted({date.fromisoformat(r["date"]) for r in results})
    span = " to ".join(f"{d:%-d %B %Y}" for d in sorted({days[0], days[-1]}))
    blas = machine["BLAS"][0].split()
    return (
        f"Measured on {span}: {machine['processor'].replace('(R)', '')}, "
        f"{machine['cores']} cores, {machine['instruction set']}, {results[0]['threads']} "
        f"threads for each library; nonneg {versions['nonneg']}, scikit-learn "
        f"{versions['scikit-learn']}, NumPy {versions['numpy']}, SciPy "
        f"{versions['scipy']}, {blas[0]} {blas[1]}, Python {versions['python']}.\n"
    )


def rows_of(result: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rows of scikit-learn and of nonneg's own choice."""
    rows = {row["contestant"]: row for row in result["rows"]}
    (theirs,) = [row for name, row in rows.items() if name.startswith("scikit-learn")]
    return theirs, rows["nonneg auto"]


def least_squares(results: list[dict[str, Any]]) -> str:
    """Return the table for the squared error."""
    lines = [
        (
            "| input | k | scikit-learn `cd` | nonneg | ratio | arrived | to its own limit: "
            "scikit-learn, nonneg |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        theirs, ours = rows_of(result)
        if not theirs["contestant"].endswith(" cd"):
            continue
        sign = "> " if theirs["arrived"] < theirs["seeds"] else ""
        arrived = ", ".join(f"{r['arrived']} of {r['seeds']}" for r in (theirs, ours))
        limits = ", ".join(duration(r["own_limit"]) for r in (theirs, ours))
        own = f"{theirs['own_limit'] / ours['own_limit']:.0f}×"
        lines.append(
            f"| `{result['input']}`: {result['matrix']} | {result['k']} "
            f"| {sign}{duration(theirs['seconds'])} | {duration(ours['seconds'])} "
            f"| {ratio(theirs['seconds'] / ours['seconds'])} | {arrived} "
            f"| {limits} ({own}) |"
        )
    return "\n".join(lines) + "\n"


def kullback_leibler(results: list[dict[str, Any]]) -> str:
    """Return the table for the Kullback-Leibler divergence."""
    lines = [
        (
            "| input | k | scikit-learn `mu` | nonneg | ratio | arrived | scikit-learn ends "
            "above the best by |"
        ),
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        theirs, ours = rows_of(result)
        if not result["input"].startswith("kl-"):
            continue
        sign = "> " if theirs["arrived"] < theirs["seeds"] else ""
        arrived = ", ".join(f"{r['arrived']} of {r['seeds']}" for r in (theirs, ours))
        excess = 100 * theirs["excess"]
        made = ", made" if result["stand-in"] else ""
        lines.append(
            f"| `{result['input']}`: {result['matrix']}{made} | {result['k']} "
            f"| {sign}{duration(theirs['seconds'])} | {duration(ours['seconds'])} "
            f"| {sign}{ratio(theirs['seconds'] / ours['seconds'])} | {arrived} "
            f"| {excess:.{1 if excess >= 1 else 2}f} % |"
        )
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return the page with its parts written anew."""
    results = newest_results()
    parts = {
        "machine": stamp(results),
        "least-squares": least_squares(results),
        "kullback-leibler": kullback_leibler(results),
    }
    text = PAGE.read_text(encoding="utf-8")
    return MARKED.sub(lambda m: f"{m[1]}{parts[m[2]]}\n{m[3]}", text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
