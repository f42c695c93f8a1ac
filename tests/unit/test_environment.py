"""The pinned requirements, the conda environment and what is declared and installed agree."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
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
    tests_only = {"captum", "hypothesis", "playwright", "pyee", "pytest", "pytest-xdist", "ruff", "snakefmt"}
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


def test_containers_install_the_pinned_requirements_and_no_others():
    python = yaml.safe_load((ROOT / "envs" / "voxplain.yaml").read_text())["dependencies"][0].partition("=")[
        2
    ]
    for name in ("Dockerfile", "voxplain.def"):
        text = (ROOT / "containers" / name).read_text()
        assert re.search(rf"(?mi)^from:? python:{re.escape(python)}-slim", text), name
        installs = re.findall(r"pip install --no-cache-dir (.*)", text)
        assert installs == ["-r requirements.txt", "--no-deps -e ."], name
    # Nothing says what Apptainer should leave out: all that goes in is named, and no environment or result is.
    copied = re.findall(r"(?m)^    (\S+) /opt/voxplain/\1$", text)
    assert {"requirements.txt", "pyproject.toml", "src", "workflow", "config"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_profiles_name_rules_and_declare_memory_and_time():
    rules = {
        name: text
        for path in (ROOT / "workflow/rules").glob("*.smk")
        for name, text in re.findall(r"(?ms)^rule (\w+):(.*?)(?=^\S|\Z)", path.read_text())
    }
    for name, text in rules.items():
        if "script:" in text:
            assert re.search(r"\*\*needs\(\d+, \d+", text), name
    networks = {name for name, text in rules.items() if "network=True" in text}
    for profile in ("slurm", "cluster-generic"):
        given = yaml.safe_load((ROOT / f"workflow/profiles/{profile}/config.yaml").read_text())
        assert set(given["set-resources"]) == networks
        assert set(given.get("set-threads", {})) <= set(rules)
        assert given["retries"] >= 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["snakemake", "--lint"],
        ["snakefmt", "--check", "workflow"],
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
    ],
)
def test_the_code_is_clean(arguments):
    tool = [str(Path(sys.executable).parent / arguments[0]), *arguments[1:]]
    done = subprocess.run(tool, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
