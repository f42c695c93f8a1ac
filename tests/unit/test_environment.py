"""The pinned requirements, the conda environment and what is declared and installed agree."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pins(text: str) -> dict[str, str]:
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    found = dict(line.split("==") for line in lines if line)  # fails on anything not pinned
    assert len(found) == sum(map(bool, lines))
    return found


REQUIRED = pins((ROOT / "requirements.txt").read_text())


def test_the_conda_environment_has_the_same_versions():
    environment = yaml.safe_load((ROOT / "envs" / "voxplain.yaml").read_text())
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    python, _, packages = environment["dependencies"]
    assert python == "python =3.11"
    tests_only = {"captum", "hypothesis", "playwright", "pyee", "pytest"}
    assert pins("\n".join(packages["pip"])) == {
        name: version for name, version in REQUIRED.items() if name not in tests_only
    }


def test_every_declared_dependency_is_pinned_and_allowed():
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)["project"]
    for dependency in project["dependencies"]:
        name, least = re.fullmatch(r"([\w-]+)(?:>=(\d+))?", dependency).groups()
        assert name in REQUIRED, f"pin {name} in requirements.txt"
        assert int(REQUIRED[name].partition(".")[0]) >= int(least or 0)


@pytest.mark.parametrize("name", REQUIRED)
def test_the_pinned_version_is_installed(name):
    assert importlib.metadata.version(name).partition("+")[0] == REQUIRED[name], "run `make .venv`"
