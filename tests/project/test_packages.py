"""What builds packages agrees with pyproject.toml: the recipe, the workflows, the stable ABI."""

from __future__ import annotations

import re
import tomllib

import pytest

from support.paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
RECIPE = (ROOT / "tools" / "conda-forge" / "recipe.yaml").read_text("utf-8")


def requirements(section: str) -> set[str]:
    """The entries of a list in the recipe, without blanks."""
    start = RECIPE.index(f"  {section}:\n")
    lines = RECIPE[start:].splitlines()[1:]
    entries = []
    for line in lines:
        if not line.startswith("    - "):
            break
        entries.append(line.removeprefix("    - ").replace(" ", ""))
    return set(entries)


def test_the_recipe_needs_what_the_project_needs():
    project = PROJECT["project"]
    assert f'version: "{project["version"]}"' in RECIPE
    run = {*project["dependencies"], *project["optional-dependencies"]["cli"]}
    assert requirements("run") == {"python", *run}
    host = {"python", "pip", *PROJECT["build-system"]["requires"]}
    assert requirements("host") == host
    for name, target in project["scripts"].items():
        assert f"{name} = {target}" in RECIPE


def test_one_wheel_serves_the_pythons_that_have_no_other():
    abi = PROJECT["tool"]["scikit-build"]["wheel"]["py-api"]
    built = [
        name.removesuffix("-*") for name in PROJECT["tool"]["cibuildwheel"]["build"]
    ]
    assert built[-1] == abi
    least = PROJECT["project"]["requires-python"].removeprefix(">=3.")
    numbers = range(int(least), int(abi.removeprefix("cp3")) + 1)
    assert built == [f"cp3{number}" for number in numbers]
    cmake = (ROOT / "CMakeLists.txt").read_text("utf-8")
    assert "${SKBUILD_SABI_COMPONENT}" in cmake
    assert "STABLE_ABI" in cmake


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_use_pinned_actions_and_files_that_are_there(path):
    text = path.read_text("utf-8")
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action
    for script in re.findall(r"run: (?:bash )?((?:tools|\.ci)/\S+)", text):
        assert (ROOT / script).is_file(), script
