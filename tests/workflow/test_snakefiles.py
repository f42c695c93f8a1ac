"""The workflow can be called from both its Snakefiles and from anywhere, with the default profile."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from snakemake.exceptions import WorkflowError
from tests.workflow import planning

ROOT = Path(__file__).resolve().parents[2]


def plan(cwd, *arguments):
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *arguments]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    profile = re.search(r"workflow specific profile (\S+) for", done.stderr + done.stdout)
    assert profile, done.stderr
    jobs = dict(re.findall(r"(?m)^(\w+) +(\d+)$", done.stdout.partition("Job stats:")[2]))
    return (Path(cwd) / profile[1]).resolve(), {name: int(count) for name, count in jobs.items()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Jobs of the demo, planned in an empty folder from the workflow's own Snakefile."""
    folder = tmp_path_factory.mktemp("plan")
    arguments = ["--configfile", ROOT / "config/config.yaml", "--directory", folder]
    return plan(ROOT, "--snakefile", "workflow/Snakefile", *arguments)


def test_a_demo_is_small(expected):
    profile, jobs = expected
    assert profile == ROOT / "workflow/profiles/default"
    assert jobs["total"] <= 100 and jobs["report"] == jobs["all"] == 1


def test_the_top_level_is_the_same(expected, tmp_path):
    arguments = ["--configfile", ROOT / "config/config.yaml", "--directory", tmp_path]
    assert plan(ROOT, *arguments) == expected


@pytest.mark.parametrize("snakefile", ["Snakefile", "workflow/Snakefile"])
def test_from_another_folder(snakefile, expected, tmp_path):
    arguments = ["--snakefile", ROOT / snakefile, "--directory", tmp_path / "run"]
    (tmp_path / "elsewhere").mkdir()
    configfile = ["--configfile", ROOT / "config/config.yaml"]
    assert plan(tmp_path / "elsewhere", *arguments, *configfile) == expected
    # As containers do: the demo's config is the workflow's own where the folder has none.
    assert plan(tmp_path / "elsewhere", *arguments) == expected


def test_the_rules_are_few_lines():
    paths = [ROOT / "Snakefile", *ROOT.glob("workflow/Snakefile"), *ROOT.glob("workflow/rules/*.smk")]
    assert sum(len(path.read_text().splitlines()) for path in paths) <= 1720
    stages = list((ROOT / "src/stages").glob("*.py"))
    assert len(stages) <= 44 and all(len(path.read_text().splitlines()) <= 60 for path in stages)


def test_a_key_that_stands_twice_ends_the_planning(tmp_path):
    """Snakemake would drop the first."""
    path = tmp_path / "config.yaml"
    path.write_text((ROOT / "tests/workflow/tiny.yaml").read_text() + "\nseeds: [1]\nseeds: [2]\n")
    with pytest.raises(WorkflowError, match="'seeds' stands twice, in lines"):
        planning.jobs(tmp_path, "concepts", configfile=path)


def test_what_a_run_throws_away_is_its_own(tmp_path):
    """Clips that lie among shared ones may be another, finished run's."""

    def outputs(*config):
        jobs = planning.jobs(tmp_path, "relevance", configfile="tiny_relevance", config=config)
        made = [path for job in jobs for path in job.output]
        return [path for path in made if re.search(r"/(clips|flow|supervoxels)-\w+/.*\.h5$", path)]

    kept, thrown = outputs(), outputs("temporary=[clips, flow]")
    assert kept and len(kept) == len(thrown)
    assert all(path.startswith("results/shared/") for path in kept)
    assert all(path.startswith("results/tiny/own/") for path in thrown)
