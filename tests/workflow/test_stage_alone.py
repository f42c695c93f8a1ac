"""A stage gets the same job from Snakemake and from its own command line, in a small workflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SNAKEFILE = """
configfile: "config.yaml"
ruleorder: cluster_concepts > other

def source(wildcards):
    return f"data/{wildcards.label}.txt"

rule cluster_concepts:
    input: activations=source
    output: "results/{run}/{label}.json", table="results/{run}/{label}.csv"
    log: "results/{run}/logs/{label}.log"
    params: clusters=config["clusters"], label=lambda w: w.label, code="c0de", seed=5
    threads: 8
    resources: mem_mb=100
    script: "../src/stages/cluster_concepts.py"

rule other:
    output: "results/{run}/{label}.json"
    script: "../src/stages/other.py"
"""
STAGE = '''
"""Write down everything that the stage is given."""
import json
import os
import sys

from _stage import run
from voxplain.errors import VoxplainError


def main(stage):
    text = open(stage.input.activations).read()
    print("read", text)
    print("progress 1\\rprogress 2", file=sys.stderr)
    if text == "bad":
        raise VoxplainError("the text is bad: mend it.")
    if text == "worse":
        raise ZeroDivisionError
    given = {name: dict(getattr(stage, name).items()) for name in ("input", "output", "params", "wildcards")}
    given |= {name: getattr(stage, name) for name in ("threads", "config", "rule", "made_by")}
    given |= {"outputs": list(stage.output), "log": list(stage.log), "mem": stage.resources.mem_mb}
    with open(stage.output[0], "w") as file:
        json.dump(given, file)
    open(stage.output.table, "w").close()


if __name__ == "__main__":
    run(main, globals())
'''
TARGET = "results/demo/punch.json"


class Project:
    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("workflow", "src/stages", "data"):
            (root / folder).mkdir(parents=True)
        (root / "workflow/Snakefile").write_text(SNAKEFILE)
        (root / "config.yaml").write_text("clusters: 12\n")
        (root / "data/punch.txt").write_text("fine")
        (root / "src/voxplain").symlink_to(ROOT / "src/voxplain")
        shutil.copy(ROOT / "src/stages/_stage.py", root / "src/stages")
        for name in ("cluster_concepts", "other"):
            (root / f"src/stages/{name}.py").write_text(STAGE)

    def workflow(self, *arguments: str) -> subprocess.CompletedProcess:
        return self._call("-m", "snakemake", "--cores", "2", "--nocolor", *arguments)

    def alone(self, *arguments: str, script: str = "cluster_concepts.py") -> subprocess.CompletedProcess:
        return self._call(str(self.root / "src/stages" / script), "--cores", "2", *arguments)

    def result(self) -> dict:
        return json.loads((self.root / TARGET).read_text())

    def log(self) -> str:
        return (self.root / "results/demo/logs/punch.log").read_text()

    def _call(self, *arguments: str) -> subprocess.CompletedProcess:
        # Without the suite's path, so that the stage must find its library itself.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [sys.executable, *arguments], cwd=self.root, env=environment, capture_output=True, text=True
        )


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_alone_equals_the_workflow(project):
    done = project.workflow(TARGET)
    assert done.returncode == 0, done.stderr
    expected = project.result()
    log = project.log()
    assert re.fullmatch(r"read fine\nprogress 2\nspent: [^\n]+ MB at most\n", log)
    assert "read fine" in done.stdout and "progress 1" in done.stderr
    assert expected["threads"] == 2 and expected["rule"] == "cluster_concepts"
    assert expected["made_by"]["params"] == {"run": "demo", "clusters": 12, "label": "punch", "seed": 5}
    assert expected["made_by"]["code"] == "c0de" and expected["made_by"]["seeds"] == {"seed": 5}

    shutil.rmtree(project.root / "results")
    done = project.alone(TARGET)
    assert done.returncode == 0, done.stderr
    assert project.result() == expected
    assert project.log().splitlines()[:2] == log.splitlines()[:2]
    assert "read fine" in done.stdout


def test_config_and_folder_from_the_command_line(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "data").mkdir()
    (elsewhere / "data/punch.txt").write_text("fine")
    (elsewhere / "config.yaml").write_text("clusters: 3\n")
    (project.root / "more.yaml").write_text("clusters: 4\nk: 1\n")
    arguments = ["--configfile", "more.yaml", "--config", "clusters=5", "--directory", str(elsewhere)]
    done = project.alone(str(elsewhere / TARGET), *arguments)
    assert done.returncode == 0, done.stderr
    given = json.loads((elsewhere / TARGET).read_text())
    assert given["config"] == {"clusters": 5, "k": 1} and given["params"]["clusters"] == 5
    assert not (project.root / "results").exists()


@pytest.mark.parametrize("way", ["alone", "workflow"])
def test_mendable_errors_are_one_line_and_the_traceback_is_in_the_log(project, way):
    (project.root / "data/punch.txt").write_text("bad")
    done = getattr(project, way)(TARGET)
    assert done.returncode == 1
    assert "voxplain: the text is bad: mend it.\n" in done.stderr
    if way == "alone":
        assert "Traceback" not in done.stderr
        assert "Traceback" in project.log() and "in main" in project.log()
        assert project.log().endswith("the text is bad: mend it.\n")


def test_other_errors_show_their_traceback_in_both(project):
    (project.root / "data/punch.txt").write_text("worse")
    done = project.alone(TARGET)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr and "ZeroDivisionError" in project.log()


@pytest.mark.parametrize(
    "target, script, message",
    [
        (TARGET, "other.py", "is made by rule cluster_concepts: run cluster_concepts.py"),
        ("results/demo/kick.json", "cluster_concepts.py", "needs data/kick.txt: make it with `snakemake"),
        ("nothing.json", "cluster_concepts.py", "No rule to produce nothing.json"),
    ],
)
def test_a_wrong_target_says_what_to_do(project, target, script, message):
    done = project.alone(target, script=script)
    assert done.returncode == 1
    assert done.stderr.startswith("voxplain: ") and message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project.root / "results").exists()
