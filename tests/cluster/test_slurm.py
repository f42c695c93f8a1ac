"""The workflow through a real Slurm cluster on loopback, with a job cancelled and a node lost in mid-run."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILE = ROOT / "workflow/profiles/slurm/config.yaml"
TABLES = ["concept_scores", "model_accuracy", "set_aside"]
TARGETS = [f"results/tiny/tables/{name}.parquet" for name in TABLES]
pytestmark = pytest.mark.slow

if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
    pytest.skip("snakemake-executor-plugin-slurm is not installed: run `make .venv`", allow_module_level=True)
specification = importlib.util.spec_from_file_location("slurm_cluster", Path(__file__).with_name("slurm.py"))
slurm = importlib.util.module_from_spec(specification)
specification.loader.exec_module(slurm)


def profile_for_a_test(folder):
    """The profile as it is, but without GPUs, and with the shortest waits."""
    profile = yaml.safe_load(PROFILE.read_text())
    assert all(given == {"gpu": 1} for given in profile.pop("set-resources").values())
    profile |= {
        "slurm-init-seconds-before-status-checks": 1,
        "latency-wait": 5,
        "max-jobs-per-timespan": "200/10s",
    }
    profile["seconds-between-status-checks"] = 1
    (folder / "profile").mkdir()
    (folder / "profile/config.yaml").write_text(yaml.safe_dump(profile))
    return folder / "profile"


def snakemake(folder, *arguments):
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile"]
    command += ["--configfile", Path(__file__).with_name("tiny.yaml"), "--directory", folder, *arguments]
    return [str(part) for part in [*command, "--", *TARGETS]]


def tables(folder):
    return {path.name: path.read_bytes() for path in (folder / "results/tiny/tables").glob("*.csv")}


def first_job_of(cluster, rule, run, seconds=300):
    """Wait until a job of a rule runs; its number and node."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and run.poll() is None:
        for number, (_, node, comment) in cluster.jobs().items():
            if rule in comment:
                return number, node
        time.sleep(0.1)
    raise AssertionError(f"no job of {rule} ran.\n{cluster.logs()}")


def test_slurm_gives_the_local_runs_tables_though_a_job_and_a_node_are_lost(tmp_path):
    reason = slurm.missing()
    if reason:
        pytest.skip(reason)
    local = tmp_path / "local"
    # Threads and hashes as in a job: a run has the numbers of its environment.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        snakemake(local, "--cores", "2"), env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    with slurm.Cluster(tmp_path / "cluster", nodes=2, cpus=4, memory=64000) as cluster:
        log = tmp_path / "snakemake.log"
        with open(log, "wb") as stream:
            run = subprocess.Popen(
                snakemake(tmp_path / "remote", "--workflow-profile", profile_for_a_test(tmp_path)),
                env=environment | cluster.environment, stdout=stream, stderr=stream,
            )  # fmt: skip
        try:
            cancelled, _ = first_job_of(cluster, "cache_clips", run)
            cluster.run("scancel", cancelled)
            lost, node = first_job_of(cluster, "train_model", run)
            cluster.stop_node(node)
            cluster.restart_node(node)
            assert run.wait(600) == 0, log.read_text()[-4000:] + cluster.logs()
        finally:
            if run.poll() is None:
                run.kill()
                run.wait()
    said = log.read_text()
    assert f"SLURM-job '{cancelled}' failed" in said and f"SLURM-job '{lost}' failed" in said, said[-4000:]
    assert tables(local) and tables(tmp_path / "remote") == tables(local)
